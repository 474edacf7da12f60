# SPDX-License-Identifier: Apache-2.0
"""Every system: it fits with preset tiny on the channels and sizes its card allows, and leaves no trace."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from contract_cases import (
    CLASSES,
    ENTRIES,
    SYSTEMS,
    able,
    fitted,
    made,
    optimised,
    quietly_fit,
    sizes,
    steps,
    training_set,
    trains,
    weights,
)

from ganaug.core import state
from ganaug.data.errors import FoldError, InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.view import TrainView

CASES = [
    pytest.param(id, *case, id=f"{id}-{case[0]}x{case[1][0]}x{case[1][1]}") for id in SYSTEMS for case in sizes(id)
]
TRAINED = [id for id in SYSTEMS if trains(id)]


@pytest.mark.parametrize(("id", "channels", "size"), CASES)
def test_it_fits_and_its_losses_are_finite(id, channels, size):
    found = fitted(id, channels, size)
    assert found.system.fitted_["steps"] == steps(found.system) == len(found.losses)
    assert np.isfinite([value for losses in found.losses for value in losses.values()]).all()
    assert found.system.spec.channels == channels


@pytest.mark.parametrize(("id", "channels", "size"), CASES)
def test_fit_leaves_parameters_and_global_randomness_alone(id, channels, size):
    found = fitted(id, channels, size)
    assert found.params_after == found.params_before
    assert found.random_after == found.random_before


@pytest.mark.parametrize(("id", "channels", "size"), [case for case in CASES if case.values[0] in TRAINED])
def test_every_trained_network_moved_with_finite_gradients(id, channels, size):
    found = fitted(id, channels, size)
    moving = {p.data_ptr() for value in state.stateful(found.system).values() for p in optimised(value)}
    for name, network in weights(found.system).items():
        pairs = [(new, old) for new, old in zip(network, found.built[name], strict=True) if new.data_ptr() in moving]
        assert all(torch.isfinite(new).all() for new, _ in pairs)
        assert not pairs or any(not torch.equal(new, old) for new, old in pairs), f"{name} never moved"
    for module in found.system.modules():
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in module.parameters())


@pytest.mark.parametrize("id", TRAINED)
def test_every_optimiser_took_a_step(id):
    found = fitted(id, *sizes(id)[0])
    for name, value in state.stateful(found.system).items():
        for optimiser in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(optimiser, torch.optim.Optimizer):
                assert optimiser.state or all(not g.get("momentum", 1) for g in optimiser.param_groups), name


@pytest.mark.parametrize("id", SYSTEMS)
def test_a_missing_field_is_named(id):
    data = training_set(id, *sizes(id)[0])
    for need in ENTRIES[id].card["needs"]:
        field, _, name = need.partition(".")
        lacking = data.but(views={}) if name else data.but(**{field: None})
        with pytest.raises(InputError, match=rf"{id}.*{need}"):
            made(id).fit(lacking, budget=0)
    for name in ENTRIES[id].card["sets"]:
        with pytest.raises(InputError, match=rf"{id}.*{name}"):
            made(id).fit(data.but(others={}), budget=0)


@pytest.mark.parametrize("id", [id for id in SYSTEMS if ENTRIES[id].card["channels"] != "any"])
def test_an_impossible_number_of_channels_is_refused(id):
    with pytest.raises(InputError, match="channels"):
        made(id).fit(training_set(id, 7, sizes(id)[0][1]), budget=0)


@pytest.mark.parametrize("id", [id for id in SYSTEMS if ENTRIES[id].card["min_rows"] > 1])
def test_too_few_images_are_warned_of(id):
    least = ENTRIES[id].card["min_rows"]
    data = training_set(id, *sizes(id)[0], rows=max(least, 2))
    enough = np.flatnonzero(data.label != 1)
    few = np.flatnonzero(data.label == 1)[: least - 1]
    with pytest.warns(UserWarning, match=rf"{id} is advised from {least} images a class on; fewer: {CLASSES[1]}"):
        made(id).fit(data.select(np.sort(np.concatenate([enough, few]))), budget=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        made(id).fit(data, budget=0)


@pytest.mark.parametrize("id", SYSTEMS)
def test_a_row_outside_the_training_fold_is_refused(id):
    whole = training_set(id, *sizes(id)[0])
    view = TrainView.of(whole, np.flatnonzero(np.arange(len(whole)) % 5 > 0))
    kind = type(made(id))

    def by_id(self, train):
        self.train.rows_of([0])

    def by_position(self, batch, t):
        return self.train.batch([len(self.train)])

    for method in [{"prepare": by_id}, {"step": by_position}]:
        if "step" in method and id not in TRAINED:
            continue
        peeking = type("Peeking", (kind,), method)(**made(id).get_params(deep=False))
        with pytest.raises(FoldError):
            quietly_fit(peeking, view, budget=steps(peeking))


@pytest.mark.parametrize("id", SYSTEMS)
def test_only_the_training_fold_of_a_whole_set_is_seen(id):
    """The held-out rows are white noise of another class: whatever is learned must not change with them."""
    data = training_set(id, *sizes(id)[0])
    rng = np.random.default_rng(3)
    held = np.arange(len(data)) % 5 == 0
    pixels = data.image[np.arange(len(data))].copy()
    pixels[held] = rng.integers(0, 256, pixels[held].shape)
    fold = np.where(held, 2, 0).astype(np.int8)
    states = []
    for whole in (data.but(fold=fold), data.but(fold=fold, image=ImageSet.of(pixels).image)):
        system = quietly_fit(made(id), whole, budget=1 if id in TRAINED else 0)
        states.append(state.pack(state.snapshot(system))[0])
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(a.nan_to_num(), states[1][name].nan_to_num()) for name, a in states[0].items())


@pytest.mark.parametrize("id", able("model"))
def test_the_model_takes_images(id):
    found = fitted(id, *sizes(id)[0])
    model = found.system.model().eval()
    with torch.no_grad():
        out = model(found.data.batch(np.arange(4)).image)
    assert len(out) == 4
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("id", TRAINED)
def test_a_second_fit_starts_anew(id):
    """On one object, other data in between leave nothing behind."""
    case = sizes(id)[0]
    found = fitted(id, *case)
    system = made(id)
    other = training_set(id, *case, rows=7)
    quietly_fit(system, other, budget=1)
    quietly_fit(system, found.data, budget=steps(system))
    mine, first = (state.pack(state.snapshot(s))[0] for s in (system, found.system))
    assert mine.keys() == first.keys()
    assert all(torch.equal(mine[name].nan_to_num(), tensor.nan_to_num()) for name, tensor in first.items())
