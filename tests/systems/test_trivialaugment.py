# SPDX-License-Identifier: Apache-2.0
"""TrivialAugment: exactly one operation an image, of uniform strength, in the wide space."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import chisquare
from torch.nn import functional as F

import ganaug
from ganaug.core.seeding import seeded
from ganaug.data.batch import Batch
from ganaug.parts.ops.policy_ops import OPS, apply_op, wide_table
from ganaug.systems.transforms import trivialaugment


def smooth(n: int, channels: int = 3, height: int = 32, width: int = 32) -> torch.Tensor:
    """Random smooth images in [-1, 1]."""
    with seeded(0, "test images"):
        coarse = torch.rand(n, channels, 4, 4) * 2 - 1
    return F.interpolate(coarse, (height, width), mode="bilinear")


def test_there_is_nothing_to_tune():
    assert ganaug.make("trivialaugment", preset="tiny").get_params() == {}


def test_operations_and_strengths_are_uniform_and_independent():
    with seeded(0, "choices"):
        op, level = ganaug.make("trivialaugment").choices(31000)
    assert chisquare(torch.bincount(op, minlength=14)).pvalue > 0.01
    assert chisquare(torch.bincount(level, minlength=31)).pvalue > 0.01
    assert chisquare(torch.bincount(op * 31 + level, minlength=14 * 31)).pvalue > 0.01
    assert op.max() == 13 and level.max() == 30


def test_every_image_goes_through_exactly_one_operation_of_the_wide_space(monkeypatch):
    calls = []

    def recorded(batch, op, magnitude):
        calls.append((op, magnitude))
        return apply_op(batch, op, magnitude)

    monkeypatch.setattr(trivialaugment, "apply_op", recorded)
    batch = Batch(image=smooth(600))
    found = ganaug.make("trivialaugment").fit(None).augment(batch)
    ((op, magnitude),) = calls
    assert len(op) == 600
    distance = (wide_table(32, 32)[op] - magnitude.abs()[:, None]).abs().amin(1)
    assert distance.max() == 0  # each magnitude is one of the 31 of its operation
    rotate = op == OPS.index("Rotate")
    assert magnitude[rotate].abs().max() > 100
    assert torch.equal(found.image[op == 0], batch.image[op == 0])
    for i in range(20):
        alone = apply_op(batch.select([i]), op[i : i + 1], magnitude[i : i + 1]).image[0]
        assert torch.allclose(found.image[i], alone, atol=1e-6)


def test_small_images_are_not_pushed_out_more_often_than_images_of_32_pixels():
    """With 32 px on an image of 8, three in four translations would leave nothing of it."""
    for side in (8, 32):
        image = torch.ones(6000, 1, side, side)
        found = ganaug.make("trivialaugment").fit(None).augment(Batch(image=image)).image
        empty = (found == 0).flatten(1).all(1).float().mean()
        assert empty < 0.02


@pytest.mark.parametrize(("channels", "inverts"), [(1, True), (3, True), (4, False), (13, False)])
def test_only_photographs_are_solarized(monkeypatch, channels, inverts):
    system, batch = ganaug.make("trivialaugment").fit(None), Batch(image=smooth(20, channels))
    chosen = torch.full((20,), OPS.index("Solarize")), torch.full((20,), 20)
    monkeypatch.setattr(system, "choices", lambda n: chosen, raising=False)
    assert torch.equal(system.augment(batch).image, batch.image) != inverts


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 32), (13, 32, 20)])
def test_any_channels_and_sizes_same_seed_same_bits_and_nothing_in_place(shape):
    batch = Batch(image=smooth(64, *shape), label=torch.arange(64))
    kept = batch.image.clone()
    system = ganaug.make("trivialaugment").fit(None)
    found = system.augment(batch, seed=3)
    assert found.image.shape == batch.image.shape and found.image.abs().max() <= 1
    assert torch.equal(found.image, system.augment(batch, seed=3).image)
    assert not torch.equal(found.image, system.augment(batch, seed=4).image)
    assert torch.equal(batch.image, kept) and torch.equal(found.label, batch.label)


def test_masks_and_views_move_with_the_image():
    image = smooth(300, 1)
    batch = Batch(
        image=image,
        mask=torch.arange(32).expand(300, 32, 32) // 4,
        views={"large": Batch(image=smooth(300, 1, 64, 64), mask=torch.arange(64).expand(300, 64, 64) // 8)},
    )
    found = ganaug.make("trivialaugment").fit(None).augment(batch)
    moved = (found.mask != batch.mask).flatten(1).any(1)
    assert 0.25 < moved.float().mean() < 0.45  # five of fourteen operations
    large = found.views["large"].mask[:, ::2, ::2]
    assert (large == found.mask).float().mean() > 0.9
    assert (batch.views["large"].mask[:, ::2, ::2] == found.mask)[moved].float().mean() < 0.5
