"""Precision: the default by device and system, the variable that overrides it, and its one sentence."""

import pytest
import torch
from toys import Toy, grey_levels

from ganaug.core import device
from ganaug.core.device import autocast
from ganaug.data.errors import InputError

CPU = torch.device("cpu")


@pytest.fixture(params=[True, False], ids=["with units", "without units"])
def units(request, monkeypatch):
    """Whether this CPU is taken to multiply bfloat16 in hardware; no variable is set."""
    monkeypatch.delenv("GANAUG_PRECISION", raising=False)
    monkeypatch.setattr(device, "bfloat16_units", lambda: request.param)
    return request.param


def product_dtype(mixed=False):
    with autocast(CPU, mixed):
        return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


def test_cpu_computes_in_bfloat16_only_with_units_and_for_systems_that_allow_it(units):
    assert product_dtype(mixed=False) == torch.float32
    assert product_dtype(mixed=True) == (torch.bfloat16 if units else torch.float32)


def test_the_variable_decides_against_system_and_processor(units, monkeypatch):
    monkeypatch.setenv("GANAUG_PRECISION", "bfloat16")
    assert product_dtype() == product_dtype(mixed=True) == torch.bfloat16
    monkeypatch.setenv("GANAUG_PRECISION", "float32")
    assert product_dtype() == product_dtype(mixed=True) == torch.float32


def test_the_loop_asks_the_system(units):
    seen = []

    class Watched(Toy):
        mixed_precision = True

        def step(self, batch, t):
            seen.append(self.net(torch.randn(len(batch), 3)).dtype)
            return super().step(batch, t)

    Watched().fit(grey_levels(), budget=2)
    assert seen == [torch.bfloat16 if units else torch.float32] * 2


def test_a_weight_that_changes_inside_a_step_is_rounded_anew(monkeypatch):
    monkeypatch.setenv("GANAUG_PRECISION", "bfloat16")
    layer, x = torch.nn.Linear(4, 4), torch.ones(2, 4)
    with autocast(CPU):
        before = layer(x)
        with torch.no_grad():
            layer.weight.add_(1)
        assert torch.allclose(layer(x) - before, torch.tensor(4, dtype=torch.bfloat16), atol=0.1)


def test_unknown_precision_is_one_sentence(monkeypatch):
    monkeypatch.setenv("GANAUG_PRECISION", "half")
    with pytest.raises(InputError, match="float32 or bfloat16, found 'half'"):
        product_dtype()


@pytest.mark.parametrize(
    ("name", "words"),
    [("gpu", "must be a device such as cpu, cuda or cuda:1, found 'gpu'"), ("cuda:1", "finds 1 GPUs")],
)
def test_a_device_that_is_not_there_is_one_sentence(monkeypatch, name, words):
    monkeypatch.setenv("GANAUG_DEVICE", name)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match=f"GANAUG_DEVICE .*{words}"):
        device.device()
