# SPDX-License-Identifier: Apache-2.0
"""RICAP: four crops whose areas are the label's weights."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import ganaug
from ganaug.core.seeding import seeded
from ganaug.data.batch import Batch
from ganaug.data.embedded import digits
from ganaug.data.errors import InputError


@pytest.fixture(scope="module")
def fitted():
    return ganaug.make("ricap", preset="tiny").fit(digits())


def constants(n: int, shape=(1, 16, 16)) -> Batch:
    """n constant images of values 0, 1/16, ...; image i has label i and row id 100 + i."""
    image = (torch.arange(n) / 16)[:, None, None, None].expand(n, *shape).clone()
    return Batch(image=image, label=torch.arange(n), index=100 + torch.arange(n))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 12, 20), (13, 20, 12)])
def test_the_pixels_of_each_source_are_its_weight_in_the_label(fitted, shape):
    batch = constants(4, shape)
    kept = batch.image.clone()
    for seed in range(60):
        made = fitted.augment(batch, seed=seed)
        pixels = torch.stack([(made.image[:, 0] == i / 16).float().mean((1, 2)) for i in range(4)], 1)
        assert torch.allclose(pixels, made.soft_label[:, :4], atol=1e-6)
        assert torch.allclose(made.soft_label.sum(1), torch.ones(4)) and made.label is None
    assert torch.equal(batch.image, kept)
    assert torch.equal(made.image, fitted.augment(batch, seed=59).image)


def test_parents_are_named_corner_by_corner(fitted, monkeypatch):
    monkeypatch.setattr(fitted, "inner_corner", lambda height, width: (5, 4), raising=False)
    made = fitted.augment(constants(8, (1, 10, 20)), seed=3)
    corners = torch.stack([made.image[:, 0, y, x] for y in (3, 4) for x in (4, 5)], 1)
    assert torch.equal(corners * 16, (made.parents - 100).float())
    assert len({tuple(column.tolist()) for column in made.parents.T}) == 4  # four permutations of their own


def test_cross_entropy_is_the_weighted_sum_over_the_four_labels(fitted, monkeypatch):
    monkeypatch.setattr(fitted, "inner_corner", lambda height, width: (5, 4), raising=False)
    made = fitted.augment(constants(8, (1, 10, 20)), seed=3)
    weights = torch.tensor([4 * 5, 4 * 15, 6 * 5, 6 * 15]) / 200
    logits = torch.linspace(-2, 2, 80).view(8, 10).cos()
    parts = [w * F.cross_entropy(logits, made.parents[:, k] - 100) for k, w in enumerate(weights)]
    assert abs(F.cross_entropy(logits, made.soft_label) - sum(parts)) < 1e-6


def largest_weight(beta: float) -> float:
    """Mean over 2,000 draws of the largest of the four weights."""
    system = ganaug.make("ricap", beta=beta)
    with seeded(0, "corners"):
        corners = torch.tensor([system.inner_corner(100, 100) for _ in range(2000)]) / 100
    u, v = torch.maximum(corners, 1 - corners).unbind(1)
    return float((u * v).mean())


def test_a_small_beta_makes_one_image_prevail():
    """E max(u, 1 - u) is about 0.84 for beta 0.3 and 0.62 for beta 5; the largest weight is the square's mean."""
    assert largest_weight(0.3) > 0.65
    assert largest_weight(5.0) < 0.45


def test_crops_come_from_random_positions(fitted, monkeypatch):
    monkeypatch.setattr(fitted, "inner_corner", lambda height, width: (8, 8), raising=False)
    ramp = torch.arange(256.0).view(1, 1, 16, 16).expand(4, -1, -1, -1) / 256
    batch = Batch(image=ramp, label=torch.arange(4))
    made = torch.stack([fitted.augment(batch, seed=seed).image[0, 0] for seed in range(40)])
    for y, x in ((0, 0), (0, 8), (8, 0), (8, 8)):
        start = made[:, y, x] * 256
        assert (start % 16).std() > 1 and (start // 16).std() > 1
        step = made[:, y, x + 1] - made[:, y, x]
        assert torch.allclose(step, torch.full_like(step, 1 / 256), atol=1e-6)  # inside, a crop is untouched


def test_soft_labels_of_any_width_are_mixed(fitted):
    soft = torch.softmax(torch.randn(4, 11), 1)
    made = fitted.augment(Batch(image=torch.zeros(4, 1, 8, 8), soft_label=soft))
    assert made.soft_label.shape == (4, 11)
    assert torch.allclose(made.soft_label.mean(0), soft.mean(0), atol=1e-6)


@pytest.mark.parametrize("field", ["mask", "boxes", "keypoints"])
def test_positions_are_refused(fitted, field):
    with pytest.raises(InputError, match=field):
        fitted.augment(constants(4).but(**{field: torch.zeros(4, 8, 8)}))


def test_unknown_labels_are_refused(fitted):
    with pytest.raises(InputError, match="-1"):
        fitted.augment(constants(4).but(label=torch.tensor([0, 1, -1, 2])))


def test_a_beta_that_is_none_is_refused():
    with pytest.raises(InputError, match="beta"):
        ganaug.make("ricap", beta=0.0).fit(digits())
