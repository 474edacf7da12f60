# SPDX-License-Identifier: Apache-2.0
"""Every system that augments: one variant a row, and whatever describes the pixels moves with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contract_cases import (
    CLASSES,
    ENTRIES,
    SPATIAL,
    able,
    disturb,
    equal,
    fitted,
    global_state,
    sizes,
)

from ganaug.core import state
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError

IDS = able("augment")
CASES = [pytest.param(id, *case, id=f"{id}-{case[0]}x{case[1][0]}x{case[1][1]}") for id in IDS for case in sizes(id)]
SINGLE = [id for id in IDS if not ENTRIES[id].card["on_batch"]]
MIXERS = [id for id in IDS if ENTRIES[id].card["on_batch"]]


def first(id):
    return fitted(id, *sizes(id)[0])


@pytest.mark.parametrize(("id", "channels", "size"), CASES)
def test_one_variant_a_row_in_the_same_range(id, channels, size):
    found = fitted(id, channels, size)
    disturb(4)
    before = global_state()
    made = found.system.augment(found.data, seed=1)
    assert global_state() == before
    assert len(made) == len(found.data)
    assert made.image.dtype == found.data.image.dtype
    assert made.classes == CLASSES
    assert set(made.parents.ravel().tolist()) <= set(found.data.index.tolist())
    batch = found.system.augment(found.data.batch(np.arange(8)), seed=1)
    assert batch.image.shape[1:] == (channels, *size)
    assert torch.isfinite(batch.image).all()
    assert batch.image.abs().max() <= 1 + 1e-6
    if ENTRIES[id].card["labels"] == "hard" and "label" not in ENTRIES[id].card["moves"]:
        np.testing.assert_array_equal(made.label, found.data.label)


@pytest.mark.parametrize("id", IDS)
def test_same_seed_same_bits_other_seed_other_images(id):
    found = first(id)
    batch = found.data.batch(np.arange(12))
    given = batch.image.clone()
    disturb(1)
    once = found.system.augment(batch, seed=3).image
    disturb(2)
    assert torch.equal(once, found.system.augment(batch, seed=3).image)
    assert torch.equal(batch.image, given), "the images that were given are not written to"
    others = [found.system.augment(batch, seed=seed).image for seed in (4, 5, 6)]
    assert not all(torch.equal(once, other) for other in others) or not ENTRIES[id].card["online"]


@pytest.mark.parametrize("id", IDS)
def test_augmenting_changes_nothing(id):
    system = first(id).system
    before = state.snapshot(system)
    made = system.augment(first(id).data.batch(np.arange(4)))
    assert not made.image.requires_grad
    assert equal(state.snapshot(system), before)


@pytest.mark.parametrize("id", MIXERS)
def test_mixed_labels_sum_to_one(id):
    found = first(id)
    for given in (found.data.batch(np.arange(0, 30, 2)), soft(found.data.batch(np.arange(0, 30, 2)))):
        made = found.system.augment(given, seed=2)
        assert made.label is None
        assert made.soft_label.shape == (15, len(CLASSES))
        assert (made.soft_label >= 0).all()
        torch.testing.assert_close(made.soft_label.sum(1), torch.ones(15))
        assert made.parents.shape == (15, len(ENTRIES[id].card["parents"]))


def soft(batch):
    """The same rows with labels that are already soft."""
    share = 0.8 * torch.nn.functional.one_hot(batch.label, len(CLASSES)) + 0.2 / len(CLASSES)
    return batch.but(label=None, soft_label=share)


# --- spatial fields ----------------------------------------------------------------------------------------------


def blobs(n=64, side=32, blob=10):
    """Images with one bright square away from the middle, and its mask, box, centre and a view of the same scene."""
    rng = np.random.default_rng(0)
    mask = torch.zeros(n, side, side, dtype=torch.int64)
    corner = torch.from_numpy(rng.integers(4, side - blob - 4, (n, 2)))
    for m, (x, y) in zip(mask, corner.tolist(), strict=True):
        m[y : y + blob, x : x + blob] = 1
    image = mask[:, None].float() * 1.4 - 0.7
    low = corner.float()
    return Batch(
        image=image,
        label=torch.arange(n) % len(CLASSES),
        mask=mask,
        valid=torch.ones(n, side, side, dtype=torch.bool),
        instances=mask * 3,
        depth=mask.float() + 1,
        boxes=torch.cat([low, low + blob], 1)[:, None],
        keypoints=(low + (blob - 1) / 2)[:, None],
        index=torch.arange(n),
        views={"twin": Batch(image=image.clone(), mask=mask.clone())},
    )


def centre(mask):
    """Centre of mass [B, 2] (x, y) of each mask."""
    weight = mask.float()
    y, x = torch.meshgrid(*(torch.arange(s).float() for s in mask.shape[1:]), indexing="ij")
    total = weight.sum((1, 2)).clamp_min(1)
    return torch.stack([(weight * x).sum((1, 2)) / total, (weight * y).sum((1, 2)) / total], 1)


def contrast(image, mask):
    """How well brightness tells object from background, [B]: 1 for a sharp edge at the mask's border, 0 for none."""
    found = []
    for pixels, inside in zip(image.mean(1), mask == 1, strict=True):
        outer = torch.nn.functional.max_pool2d(inside[None].float(), 5, 1, 2)[0].bool() & ~inside
        a, b = pixels[inside], pixels[outer]
        found.append(
            float((a.mean() - b.mean()).abs() / (a.std() + b.std() + 0.05)) if len(a) > 9 and len(b) > 9 else 0
        )
    return torch.tensor(found)


def in_step(made, name):
    """Whether a field fits the pixels that it describes, by its median over the rows."""
    whole = (made.mask == 1).sum((1, 2)) >= 70  # objects that mostly stayed inside
    if name == "mask":
        return contrast(made.image, made.mask)[whole].median() > 1.5
    if name == "views":
        twin = made.views["twin"]
        return torch.equal(twin.mask, made.mask) and contrast(twin.image, made.mask)[whole].median() > 1.5
    if name == "instances":
        return torch.equal(made.instances == 3, made.mask == 1)
    if name == "valid":
        return bool(made.valid[made.mask == 1].all())
    if name == "depth":
        return ((made.depth > 1.5) == (made.mask == 1)).float().mean() > 0.9
    spots = made.keypoints[:, 0] if name == "keypoints" else made.boxes[:, 0].unflatten(1, (2, 2)).mean(1) - 0.5
    return (spots - centre(made.mask == 1))[whole].norm(dim=1).median() < 1.5


@pytest.mark.parametrize("id", SINGLE)
def test_what_describes_the_pixels_moves_with_them_or_is_refused(id):
    if min(ENTRIES[id].card.get("sizes", (8, 128))) > 32 or ENTRIES[id].card["needs"]:
        pytest.skip("needs more than a drawn square")
    system, given = first(id).system, blobs()
    moved = [name for name in SPATIAL if name in ENTRIES[id].card["moves"]]
    kept = dict.fromkeys([name for name in SPATIAL if name not in moved and name != "views"])
    made = system.augment(given.but(**kept, **({} if "views" in moved else {"views": {}})), seed=4)
    if ENTRIES[id].card["labels"] == "carry" and system.default_steps():  # a translator: nothing moves
        for name in moved:
            ours, theirs = ((s.views["twin"].image if name == "views" else getattr(s, name)) for s in (made, given))
            assert torch.equal(ours, theirs), name
        return
    for name in moved:
        assert in_step(made.but(mask=made.mask if made.mask is not None else given.mask), name), name


@pytest.mark.parametrize("id", [id for id in SINGLE if {"mask", "views"} <= set(ENTRIES[id].card["moves"])])
def test_a_set_keeps_its_masks_and_views(id):
    found = first(id)
    twin = found.data.select(np.arange(len(found.data)))
    mask = np.ones((len(twin), *found.system.spec.size), np.uint8)
    made = found.system.augment(found.data.but(mask=mask, views={"twin": twin}), seed=1)
    assert made.mask.dtype == np.uint8
    assert made.mask.shape == mask.shape
    assert made.views["twin"].image.dtype == twin.image.dtype
    assert made.views["twin"].spec.scaling == twin.scaling
    assert len(made.views["twin"]) == len(twin)


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("name", SPATIAL)
def test_what_can_not_be_moved_is_refused_or_dropped(id, name):
    card = ENTRIES[id].card
    if name in card["moves"] or name in card["needs"]:
        pytest.skip("it moves")
    batch = first(id).data.batch(np.arange(8))
    size = batch.image.shape[-2:]
    values = {
        "mask": torch.ones(8, *size, dtype=torch.int64),
        "valid": torch.ones(8, *size, dtype=torch.bool),
        "instances": torch.ones(8, *size, dtype=torch.int64),
        "depth": torch.ones(8, *size),
        "boxes": torch.tensor([[[2.0, 2.0, 9.0, 9.0]]]).repeat(8, 1, 1),
        "keypoints": torch.full((8, 1, 2), 5.0),
        "views": {"twin": Batch(image=batch.image.clone())},
    }
    try:
        made = first(id).system.augment(batch.but(**{name: values[name]}))
    except InputError as error:
        assert name.rstrip("s") in str(error) or "twin" in str(error)
    else:
        assert not getattr(made, name), f"{name} came back, but its pixels may have moved"


def test_the_measure_finds_what_did_not_move():
    """A control: an image that is moved without its mask, box, point and view is noticed."""
    given = blobs()
    shifted = given.but(image=given.image.roll((4, 4), (2, 3)))
    twin = Batch(image=given.image.roll((4, 4), (2, 3)), mask=given.mask)
    assert in_step(given, "mask")
    assert not in_step(shifted, "mask")
    assert not in_step(given.but(views={"twin": twin}), "views")
    moved = given.but(mask=given.mask.roll((4, 4), (1, 2)))
    assert not any(in_step(moved, name) for name in ("boxes", "keypoints", "instances", "depth"))
