# SPDX-License-Identifier: Apache-2.0
"""State as tensors and JSON: whatever is nested comes back, and damaged files are told."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from toys import Toy, equal, grey_levels

from ganaug.core import state
from ganaug.data.errors import InputError

CPU = torch.device("cpu")
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8, torch.bool)
TENSORS = st.builds(
    lambda shape, dtype, seed: (torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 3).to(dtype),
    st.lists(st.integers(0, 3), max_size=3),
    st.sampled_from(DTYPES),
    st.integers(0, 99),
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
NESTED = st.recursive(
    TENSORS | PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(NESTED)
def test_unpack_is_the_inverse_of_pack(value):
    assert equal(value, state.unpack(*state.pack(value)))


@settings(max_examples=25, deadline=None)
@given(NESTED)
def test_what_is_written_is_read(value):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "state.safetensors"
        state.write(file, {"all": value}, {"t": 3})
        found, facts = state.read(file)
    assert facts == {"t": 3}
    assert equal({"all": value}, found)


def test_only_tensors_and_plain_values_are_packed():
    with pytest.raises(TypeError, match=r"state at '/'a'/0' is a set"):
        state.pack({"a": [{1}]})


def test_tied_and_strided_tensors_are_written_one_by_one(tmp_path):
    base = torch.arange(12.0).reshape(3, 4)
    state.write(tmp_path / "s", {"a": base, "b": base, "c": base.t(), "d": base[1:]}, {})
    found, _ = state.read(tmp_path / "s")
    assert torch.equal(found["b"], base)
    assert torch.equal(found["c"], base.t())
    assert torch.equal(found["d"], base[1:])


# --- what of a system is state -----------------------------------------------------------------------------------


def test_state_is_what_was_learned_and_nothing_else():
    system = Toy(lr=0.5)
    system.net, system.both, system.by_name = nn.Linear(1, 1), [nn.Linear(1, 1), torch.zeros(1)], {"a": torch.ones(1)}
    system.empty, system.found_, system.note, system.words = [], {"a": [1]}, "text", ["a"]
    system.spec, system.transform, system.task = 1, print, nn.Linear(1, 1)
    assert set(state.stateful(system)) == {"net", "both", "by_name", "empty", "found_"}


def trained(steps):
    return Toy().fit(grey_levels(), budget=steps)


def further(system, steps):
    """The weights after more steps with the optimiser's own state."""
    for t in range(steps):
        torch.manual_seed(t)
        system.update(system.net(torch.randn(4, 3)).square().mean(), system.opt)
    return [p.detach().clone() for p in system.net.parameters()]


def test_networks_and_optimisers_go_on_as_if_never_stored(tmp_path):
    a, b = trained(7), trained(0)
    state.write(tmp_path / "s", state.snapshot(a), {})
    stored, _ = state.read(tmp_path / "s")
    state.put_values(b, stored)
    state.put_tensors(b, stored, CPU)
    assert b.rows_ == a.rows_
    assert equal(further(a, 5), further(b, 5))


def test_a_state_can_be_loaded_again():
    """Optimisers keep the tensors that they are given: without a copy the second load would be of later moments."""
    system, good = trained(7), None
    good = state.snapshot(system)
    runs = []
    for _ in range(2):
        state.put_tensors(system, good, CPU)
        runs.append(further(system, 4))
    assert equal(*runs)


def test_a_snapshot_is_a_copy():
    system = trained(3)
    good = state.snapshot(system)
    before = good["net"]["0.weight"].clone()
    further(system, 3)
    assert torch.equal(good["net"]["0.weight"], before)
    assert not torch.equal(system.net[0].weight, before)


# --- damaged files -----------------------------------------------------------------------------------------------


class Trap:
    """An object whose unpickling leaves a file behind."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


@pytest.mark.parametrize("kind", ["half", "empty", "text", "pickle", "torch", "other safetensors"])
def test_a_damaged_file_is_named(tmp_path, kind):
    file, trap = tmp_path / "state.safetensors", tmp_path / "executed"
    state.write(file, state.snapshot(trained(1)), {"t": 1})
    whole = file.read_bytes()
    if kind == "other safetensors":
        from safetensors.torch import save_file

        save_file({"a": torch.zeros(1)}, file)
    elif kind == "torch":
        torch.save({"a": Trap(trap)}, file)
    else:
        pickled = pickle.dumps(Trap(trap))
        file.write_bytes({"half": whole[: len(whole) // 2], "empty": b"", "text": b"{}" * 50, "pickle": pickled}[kind])
    with pytest.raises(InputError, match=r"state\.safetensors is damaged or is not a ganaug state"):
        state.read(file)
    assert not trap.exists(), "loading must not execute code"


def test_every_cut_of_a_file_is_noticed(tmp_path):
    file = tmp_path / "state.safetensors"
    state.write(file, state.snapshot(trained(1)), {"t": 1})
    whole = file.read_bytes()
    for size in range(0, len(whole), max(1, len(whole) // 40)):
        file.write_bytes(whole[:size])
        with pytest.raises(InputError, match="damaged"):
            state.read(file)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        state.read(tmp_path / "state.safetensors")
