# SPDX-License-Identifier: Apache-2.0
"""Every system that samples: what is asked for comes back, as a pure function of weights, seed and number."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contract_cases import (
    CLASSES,
    able,
    batches,
    disturb,
    equal,
    fitted,
    global_state,
    images,
    made,
    needs_like,
    quietly_fit,
    sizes,
    steps,
    training_set,
)

from ganaug.core import sampling, state
from ganaug.data.errors import InputError

CASES = [
    pytest.param(id, *case, id=f"{id}-{case[0]}x{case[1][0]}x{case[1][1]}")
    for id in able("sample")
    for case in sizes(id)
]
IDS = able("sample")


def first(id):
    return fitted(id, *sizes(id)[0])


@pytest.mark.parametrize(("id", "channels", "size"), CASES)
def test_images_have_the_size_and_range_of_the_training_set(id, channels, size):
    made = images(fitted(id, channels, size), 5)
    assert made.shape == (5, channels, *size)
    assert made.dtype == torch.float32
    assert torch.isfinite(made).all()
    assert made.abs().max() <= 1


@pytest.mark.parametrize("id", IDS)
def test_the_dtype_of_the_training_set_comes_back(id):
    channels, size = sizes(id)[0]
    data = training_set(id, channels, size)
    deep = data.image[np.arange(len(data))].astype(np.uint16) * 16
    data = data.but(image=type(data.image)(deep), scaling=None)
    system = quietly_fit(made(id), data, budget=1 if steps(made(id)) else 0)
    like = data.select(np.arange(4))
    found = system.sample(like=like) if sampling.unseen(system) else system.sample(4)
    assert found.image.dtype == np.uint16
    assert found.scaling == data.scaling
    assert found.classes == CLASSES


@pytest.mark.parametrize("id", IDS)
def test_requested_classes_are_honoured(id):
    found = first(id)
    if needs_like(found):
        pytest.skip("its conditions are whole images or maps")
    if not found.system.conditional:
        with pytest.raises(InputError, match="unconditional"):
            found.system.sample(per_class=2)
        assert found.system.sample(3).label is None, "an unconditional system knows no class"
        return
    wanted = {CLASSES[2]: 3, CLASSES[0]: 70}
    made = found.system.sample(per_class=wanted)
    assert made.counts() == {CLASSES[0]: 70, CLASSES[1]: 0, CLASSES[2]: 3}
    assert len(found.system.sample(per_class=2)) == 2 * len(CLASSES)
    with pytest.raises(InputError, match="square"):
        found.system.sample(per_class={"square": 1})


@pytest.mark.parametrize("id", IDS)
def test_images_for_given_rows_keep_their_conditions(id):
    found = first(id)
    like = found.data.select(np.arange(0, len(found.data), 4))
    made = found.system.sample(like=like)
    assert len(made) == len(like)
    for field in found.system.CARD.needs:
        if field in ("label", "identity", "attributes") and getattr(made, field) is not None:
            np.testing.assert_array_equal(getattr(made, field), getattr(like, field))


@pytest.mark.parametrize("id", IDS)
def test_same_seed_same_bits_other_seed_other_images(id):
    found = first(id)
    disturb(1)
    once = images(found, 9, seed=3)
    disturb(2)
    assert torch.equal(once, images(found, 9, seed=3))
    assert not torch.equal(once, images(found, 9, seed=4))


@pytest.mark.parametrize("id", IDS)
def test_ranges_agree(id):
    found = first(id)
    if needs_like(found):
        pytest.skip("its images follow the rows that are given")
    whole = images(found, 100, seed=5)
    assert torch.equal(whole[70:80], images(found, 10, start=70, seed=5))
    assert torch.equal(whole[60:68], images(found, 8, start=60, seed=5))


@pytest.mark.parametrize("id", IDS)
def test_images_differ_from_each_other(id):
    made = images(first(id), 16).flatten(1)
    assert len(made.unique(dim=0)) > 1


@pytest.mark.parametrize("id", IDS)
def test_sampling_changes_nothing(id):
    """No graph, no gradient, no weight, no statistic, no mode of a network, no global random state."""
    system = first(id).system
    for number, part in enumerate(p for module in system.modules() for p in module.modules()):
        part.training = number % 2 == 0
    parts = [p for module in system.modules() for p in module.modules()]
    modes, before = [p.training for p in parts], state.snapshot(system)
    disturb(11)
    random = global_state()
    made = batches(first(id), 5)
    try:
        assert all(not b.image.requires_grad and b.image.grad_fn is None for b in made)
        assert [p.training for p in parts] == modes
        assert equal(state.snapshot(system), before)
        assert global_state() == random
    finally:
        system.set_mode(training=False)


@pytest.mark.parametrize("id", IDS)
def test_each_image_says_how_it_was_made(id):
    found = first(id)
    like = found.data.select(np.arange(4))
    made = found.system.sample(like=like) if needs_like(found) else found.system.sample(4)
    assert all(f'"system": "{id}"' in text for text in made.origin)
    assert made.index.tolist() == list(range(4))
    if made.parents is not None:
        assert set(made.parents.ravel().tolist()) <= set(found.data.index.tolist())
        assert made.parents.shape[1] == len(found.system.CARD.parents)
