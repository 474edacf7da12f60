# SPDX-License-Identifier: Apache-2.0
"""CutMix: the label's shares are exactly the shares of the pixels, after the rectangle is cut to the image."""

from __future__ import annotations

import pytest
import torch

import ganaug
from ganaug.core.seeding import seeded
from ganaug.data.batch import Batch
from ganaug.data.embedded import digits
from ganaug.data.errors import InputError


@pytest.fixture(scope="module")
def fitted():
    return ganaug.make("cutmix", p=1.0).fit(digits())


def constants(n: int, shape=(1, 16, 16)) -> Batch:
    """n constant images of values 0, 1/16, ...; image i has label i and row id 100 + i."""
    image = (torch.arange(n) / 16)[:, None, None, None].expand(n, *shape).clone()
    return Batch(image=image, label=torch.arange(n), index=100 + torch.arange(n))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 12, 20), (13, 20, 12)])
def test_every_share_of_the_label_is_a_share_of_the_pixels(fitted, shape):
    batch = constants(10, shape)
    kept = batch.image.clone()
    for seed in range(60):
        made = fitted.augment(batch, seed=seed)
        pixels = torch.stack([(made.image[:, 0] == i / 16).float().mean((1, 2)) for i in range(10)], 1)
        assert torch.allclose(pixels, made.soft_label, atol=1e-6)
        assert torch.equal(made.parents[:, 0], batch.index) and made.label is None
    assert torch.equal(batch.image, kept)
    assert torch.equal(made.image, fitted.augment(batch, seed=59).image)


def test_the_rectangle_comes_from_the_same_place_of_the_second_parent(fitted):
    image = torch.rand(6, 3, 12, 20)
    made = fitted.augment(Batch(image=image, label=torch.arange(6)), seed=2)
    other = image[made.parents[:, 1]]
    own_pixels, other_pixels = made.image == image, made.image == other
    assert (own_pixels | other_pixels).all()
    cut = ~own_pixels[made.parents[:, 1] != torch.arange(6)]
    assert cut.any() and torch.equal(cut, cut[:1, :1].expand_as(cut))  # one rectangle a batch


def test_the_label_counts_the_clipped_rectangle_not_the_drawn_one(fitted):
    """An unclipped rectangle has mean area E[1 - lambda] = 0.5; cut to the image it is clearly smaller."""
    with seeded(0, "rectangles"):
        boxes = torch.tensor([fitted.rectangle(64, 64) for _ in range(4000)])
    area = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])) / 64**2
    # per axis, a side r clipped about a uniform centre keeps r - r^2/4; E over r^2 uniform in 0..1
    side = (torch.arange(10000) + 0.5).div(10000).sqrt()
    assert abs(area.mean() / (side - side**2 / 4).square().mean() - 1) < 0.03
    assert area.mean() < 0.35
    assert boxes.min() == 0 and boxes.max() == 64


def test_p_is_the_share_of_mixed_batches_and_the_rest_is_left_alone():
    system = ganaug.make("cutmix", preset="tiny").fit(digits())
    batch = constants(8)
    made = [system.augment(batch, seed=seed) for seed in range(400)]
    mixed = [not torch.equal(m.image, batch.image) for m in made]
    assert 0.4 < sum(mixed) / 400 < 0.58
    for m, changed in zip(made, mixed, strict=True):
        assert changed or torch.equal(m.soft_label, torch.eye(8, 10))


@pytest.mark.parametrize("field", ["mask", "boxes", "keypoints"])
def test_positions_are_refused(fitted, field):
    with pytest.raises(InputError, match=field):
        fitted.augment(constants(4).but(**{field: torch.zeros(4, 8, 8)}))


def test_unknown_labels_are_refused(fitted):
    with pytest.raises(InputError, match="-1"):
        fitted.augment(constants(4).but(label=torch.tensor([0, 1, -1, 2])))


@pytest.mark.parametrize("params", [{"alpha": -1.0}, {"p": 2.0}])
def test_impossible_parameters_are_refused(params):
    with pytest.raises(InputError, match="alpha"):
        ganaug.make("cutmix", **params).fit(digits())
