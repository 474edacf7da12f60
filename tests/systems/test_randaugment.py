# SPDX-License-Identifier: Apache-2.0
"""RandAugment: uniform operations with replacement, one magnitude that sets the strength."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import chisquare
from torch.nn import functional as F

import ganaug
from ganaug.core.seeding import seeded
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.parts.ops.policy_ops import OPS, apply_op, standard_table
from ganaug.systems.transforms import randaugment


def smooth(n: int, channels: int = 3, height: int = 32, width: int = 32) -> torch.Tensor:
    """Random smooth images of grey levels 0..254, as [-1, 1]."""
    with seeded(0, "test images"):
        coarse = torch.rand(n, channels, 4, 4)
    return (F.interpolate(coarse, (height, width), mode="bilinear") * 254).round() / 127.5 - 1


@pytest.fixture
def calls(monkeypatch):
    """The (operation, magnitude) of every application."""
    seen = []

    def recorded(batch, op, magnitude):
        seen.append((op, magnitude))
        return apply_op(batch, op, magnitude)

    monkeypatch.setattr(randaugment, "apply_op", recorded)
    return seen


def test_operations_are_uniform_and_independent(calls):
    ganaug.make("randaugment").fit(None).augment(Batch(image=smooth(14000, 1, 4, 4)))
    assert len(calls) == 2
    first, second = (op for op, _ in calls)
    for op in (first, second):
        assert chisquare(torch.bincount(op, minlength=14)).pvalue > 0.01
    assert 800 < (first == second).sum() < 1200  # with replacement: a fourteenth of 14,000


def test_every_operation_has_the_common_magnitude(calls):
    ganaug.make("randaugment", ops=3, magnitude=12).fit(None).augment(Batch(image=smooth(500)))
    assert len(calls) == 3
    for op, magnitude in calls:
        assert torch.equal(magnitude.abs(), standard_table(32, 32)[op, 12])


def test_the_change_grows_with_the_magnitude():
    batch = Batch(image=smooth(256))
    change = []
    for magnitude in (0, 5, 10, 20, 30):
        found = ganaug.make("randaugment", magnitude=magnitude).fit(None).augment(batch)
        change.append(float((found.image - batch.image).square().mean()))
    assert change == sorted(change) and change[-1] > 2 * change[0]


def test_magnitude_zero_changes_an_image_by_autocontrast_and_equalize_only(calls):
    batch = Batch(image=smooth(300))
    found = ganaug.make("randaugment", ops=1, magnitude=0).fit(None).augment(batch)
    (op, _), *_ = calls
    changed = (found.image - batch.image).abs().flatten(1).amax(1) > 1e-4
    histogram = (op == OPS.index("AutoContrast")) | (op == OPS.index("Equalize"))
    assert torch.equal(changed, histogram)


@pytest.mark.parametrize(("channels", "inverts"), [(1, True), (3, True), (4, False), (13, False)])
def test_only_photographs_are_solarized(calls, channels, inverts):
    batch = Batch(image=smooth(300, channels))
    found = ganaug.make("randaugment", ops=1, magnitude=20).fit(None).augment(batch)
    ((op, _),) = calls
    rows = op == OPS.index("Solarize")
    assert rows.sum() > 10
    assert torch.equal(found.image[rows], batch.image[rows]) != inverts


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 32), (13, 32, 20)])
def test_any_channels_and_sizes_same_seed_same_bits_and_nothing_in_place(shape):
    batch = Batch(image=smooth(64, *shape), label=torch.arange(64))
    kept = batch.image.clone()
    system = ganaug.make("randaugment", preset="tiny").fit(None)
    found = system.augment(batch, seed=3)
    assert found.image.shape == batch.image.shape and found.image.abs().max() <= 1
    assert torch.equal(found.image, system.augment(batch, seed=3).image)
    assert not torch.equal(found.image, system.augment(batch, seed=4).image)
    assert torch.equal(batch.image, kept) and torch.equal(found.label, batch.label)


def test_masks_keypoints_and_views_move_with_the_image():
    image = smooth(200, 1, 64, 64)
    spots = torch.tensor([[20.0, 40.0]]).repeat(200, 1, 1)
    batch = Batch(
        image=image,
        mask=torch.arange(64).expand(200, 64, 64) // 8,
        keypoints=spots,
        views={"low": Batch(image=F.avg_pool2d(image, 2), mask=torch.arange(32).expand(200, 32, 32) // 4)},
    )
    found = ganaug.make("randaugment", magnitude=25).fit(None).augment(batch)
    moved = (found.mask != batch.mask).flatten(1).any(1)
    assert torch.equal(moved, (found.views["low"].mask != batch.views["low"].mask).flatten(1).any(1))
    shifted = (found.keypoints - spots).abs().flatten(1).amax(1) > 1e-3
    assert not (shifted & ~moved).any() and shifted.sum() > 0.9 * moved.sum()  # two moves may cancel for a point
    assert 0.4 < moved.float().mean() < 0.75  # 1 - (9/14)^2 of the images meet a geometric operation
    # the mask's stripe under a keypoint stays under it
    at = found.keypoints[:, 0].round().long()
    seen = ((at >= 2) & (at < 62)).all(1)
    stripe = found.mask[torch.arange(200), at[:, 1].clamp(0, 63), at[:, 0].clamp(0, 63)][seen & moved]
    assert ((stripe == 20 // 8) | (stripe == 255)).float().mean() > 0.97


@pytest.mark.parametrize("params", [{"magnitude": 31}, {"magnitude": -1}, {"magnitude": 0, "bins": 1}])
def test_a_magnitude_outside_the_bins_is_refused(params):
    with pytest.raises(InputError, match="magnitude"):
        ganaug.make("randaugment", **params).fit(None)
