# SPDX-License-Identifier: Apache-2.0
"""Basic operations: one record moves everything, labels and masks are safe, parameters mean what they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import ganaug
from ganaug.core.seeding import seeded
from ganaug.data.batch import Batch
from ganaug.data.embedded import digits
from ganaug.data.errors import InputError

STILL = {"rotate": 0.0, "scale": 0.0, "shift": 0.0, "brightness": 0.0, "contrast": 0.0}


def smooth(n: int, channels: int, height: int, width: int) -> torch.Tensor:
    """Random smooth images in [-1, 1]."""
    with seeded(0, "test images"):
        coarse = torch.rand(n, channels, 5, 5) * 2 - 1
    return F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 32), (13, 32, 20)])
def test_any_channels_and_sizes_same_seed_same_bits_and_nothing_in_place(shape):
    system = ganaug.make("basic_ops", flip_h=True, flip_v=True, turn=True, shear=0.2, noise=0.05).fit(None)
    batch = Batch(image=smooth(16, *shape), label=torch.arange(16), mask=torch.randint(3, (16, *shape[1:])))
    kept = batch.apply(torch.clone)
    once, again, other = (system.augment(batch, seed=seed) for seed in (1, 1, 2))
    assert once.image.shape == batch.image.shape and once.image.abs().max() <= 1
    assert torch.equal(once.image, again.image) and torch.equal(once.mask, again.mask)
    assert not torch.equal(once.image, other.image)
    assert torch.equal(once.label, batch.label)
    assert torch.equal(batch.image, kept.image) and torch.equal(batch.mask, kept.mask)


def test_strength_zero_is_the_identity_to_the_bit():
    batch = Batch(image=smooth(8, 3, 16, 16))
    found = ganaug.make("basic_ops", noise=0.1, strength=0.0).fit(None).augment(batch)
    assert torch.equal(found.image, batch.image)


def test_the_change_grows_with_the_strength():
    batch = Batch(image=smooth(128, 3, 32, 32))
    change = []
    for strength in (0.25, 0.5, 1.0, 2.0):
        moved = ganaug.make("basic_ops", strength=strength).fit(None).augment(batch)
        change.append((moved.image - batch.image).abs().mean())
    assert change == sorted(change) and change[-1] > 3 * change[0]


def test_photometric_operations_leave_every_spatial_field_alone():
    batch = Batch(
        image=smooth(8, 3, 16, 16),
        mask=torch.randint(5, (8, 16, 16)),
        boxes=torch.rand(8, 2, 4),
        keypoints=torch.rand(8, 2, 2),
        views={"low": Batch(image=smooth(8, 1, 8, 8))},
    )
    system = ganaug.make("basic_ops", **{**STILL, "brightness": 0.3, "contrast": 0.3}, noise=0.05).fit(None)
    found = system.augment(batch)
    assert (found.image - batch.image).abs().mean() > 0.02
    for name in ("mask", "boxes", "keypoints"):
        assert torch.equal(getattr(found, name), getattr(batch, name))
    assert torch.equal(found.views["low"].image, batch.views["low"].image)


def test_image_mask_and_view_move_by_one_record():
    """The mask is the sign of the image, the view its half-size copy: both must still be, after the move."""
    image = smooth(64, 1, 64, 64)
    view = Batch(image=F.avg_pool2d(image, 2))
    batch = Batch(image=image, mask=(image[:, 0] > 0).long(), views={"low": view})
    options = {**STILL, "rotate": 30.0, "scale": 0.2, "shift": 0.1}
    system = ganaug.make("basic_ops", flip_h=True, flip_v=True, turn=True, shear=0.1, **options).fit(None)
    moved = system.augment(batch)
    known = moved.mask != 255
    agree = ((moved.image[:, 0] > 0).long() == moved.mask)[known].float().mean()
    unmoved = ((moved.image[:, 0] > 0).long() == batch.mask)[known].float().mean()
    assert 0.5 < known.float().mean() < 1
    assert agree > 0.97 and unmoved < 0.7
    assert (moved.views["low"].image - F.avg_pool2d(moved.image, 2)).abs().mean() < 0.01
    assert (view.image - F.avg_pool2d(moved.image, 2)).abs().mean() > 0.2


def test_keypoints_stay_on_the_spot_they_mark():
    centre = torch.tensor([20.0, 11.0])
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(40.0), indexing="ij")
    blob = torch.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / 8) * 2 - 1
    batch = Batch(image=blob.repeat(64, 1, 1, 1), keypoints=centre.repeat(64, 1, 1))
    system = ganaug.make("basic_ops", flip_h=True, flip_v=True, turn=True, rotate=30.0, shear=0.2).fit(None)
    moved = system.augment(batch)
    top = moved.image[:, 0].flatten(1).argmax(1)
    found = torch.stack([top % 40, top // 40], 1)
    assert (found - moved.keypoints[:, 0]).abs().max() <= 1
    assert (found - centre).abs().amax(1).mean() > 3


@pytest.mark.parametrize(("name", "most"), [("rotate", 15.0), ("scale", 0.3), ("shift", 0.2), ("shear", 0.4)])
def test_geometric_parameters_are_uniform_up_to_the_stated_value(name, most):
    system = ganaug.make("basic_ops", **{**STILL, name: most})
    with seeded(0, "draws"):
        (a, b, shift_x), (_, d, shift_y) = system.matrices(4000, 20, 40).permute(1, 2, 0)
    drawn = {
        "rotate": torch.rad2deg(torch.atan2(b * 2, a)),  # half sides of a 20x40 image: y counts double
        "scale": a - 1,
        "shift": torch.cat([shift_x, shift_y]) / 2,
        "shear": b * 2,
    }[name]
    assert drawn.abs().max() <= most * 1.0001 and drawn.abs().max() > 0.98 * most
    assert abs(drawn.mean()) < 0.05 * most
    assert abs(drawn.std() / (most / 3**0.5) - 1) < 0.05
    others = {"rotate": shift_x, "scale": b, "shift": a - 1, "shear": d - 1}[name]
    assert others.abs().max() < 1e-6


@pytest.mark.parametrize("name", ["flip_h", "flip_v"])
def test_half_of_the_images_are_flipped(name):
    image = smooth(1000, 1, 8, 8)
    found = ganaug.make("basic_ops", **{name: True}, **STILL).fit(None).augment(Batch(image=image)).image
    flipped = (found == image.flip(3 if name == "flip_h" else 2)).flatten(1).all(1)
    kept = (found == image).flatten(1).all(1)
    assert torch.equal(flipped, ~kept) and 440 < flipped.sum() < 560


@pytest.mark.parametrize(("width", "turns"), [(8, [0, 1, 2, 3]), (12, [0, 2])])
def test_turns_are_uniform_and_only_halves_where_images_are_not_square(width, turns):
    image = smooth(800, 1, 8, width)
    found = ganaug.make("basic_ops", turn=True, **STILL).fit(None).augment(Batch(image=image)).image
    counts = [(found == torch.rot90(image, k, (2, 3))).flatten(1).all(1).sum().item() for k in turns]
    assert sum(counts) == 800 and min(counts) > 0.8 * 800 / len(turns)


def test_noise_is_a_share_of_the_range():
    batch = Batch(image=torch.zeros(4, 3, 64, 64))
    found = ganaug.make("basic_ops", **STILL, noise=0.05).fit(None).augment(batch).image
    assert abs(found.std() / 0.1 - 1) < 0.05


def test_a_scale_that_reaches_zero_is_refused():
    with pytest.raises(InputError, match="scale"):
        ganaug.make("basic_ops", scale=0.5, strength=2.0).fit(None)


def test_a_set_keeps_its_rows_and_labels():
    data = digits()
    found = ganaug.make("basic_ops", preset="tiny").fit(data).augment(data.select(np.arange(100)))
    assert len(found) == 100 and found.image.dtype == np.uint8
    assert np.array_equal(found.label, data.label[:100])
    assert np.array_equal(found.parents[:, 0], data.index[:100])
