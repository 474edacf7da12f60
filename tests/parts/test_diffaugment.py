# SPDX-License-Identifier: Apache-2.0
"""DiffAugment: ranges of each operation, gradients, shapes."""

from __future__ import annotations

import pytest
import torch

from ganaug.data.errors import InputError
from ganaug.parts.ops.diffaugment import OPERATIONS, color, cutout, diffaugment, translation

SHAPES = [(64, 1, 16, 16), (64, 3, 16, 24), (64, 13, 9, 8)]


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("shape", SHAPES)
def test_any_channels_and_sizes(shape):
    assert diffaugment(torch.rand(shape), "color, translation,cutout").shape == shape


def test_an_empty_policy_changes_nothing():
    x = torch.rand(4, 3, 8, 8)
    assert diffaugment(x, "") is x


def test_an_unknown_operation_is_named():
    with pytest.raises(InputError, match=r"'rotate'.*color, translation, cutout"):
        diffaugment(torch.rand(2, 1, 8, 8), "color,rotate")


def test_brightness_moves_a_flat_grey_image_by_at_most_a_half():
    moved = color(torch.zeros(2000, 1, 2, 2)).mean((1, 2, 3))
    assert moved.abs().max() <= 0.5
    assert moved.min() < -0.45 and moved.max() > 0.45


def test_saturation_and_contrast_scale_the_distance_to_their_means():
    # Two channels at +-1 of a flat image: the distance between channels is scaled by saturation U(0, 2) times
    # contrast U(0.5, 1.5), whatever the brightness.
    x = torch.stack([torch.ones(4000, 4, 4), -torch.ones(4000, 4, 4)], 1)
    gap = (color(x)[:, 0] - color(x)[:, 0]).abs().max()
    assert gap > 0  # two calls, two draws
    y = color(x)
    scale = ((y[:, 0] - y[:, 1]) / 2).mean((1, 2))
    assert 0 <= scale.min() < 0.1 and 2.5 < scale.max() <= 3.0
    assert scale.mean() == pytest.approx(1.0, abs=0.05)


def test_one_channel_has_no_saturation():
    ramp = torch.linspace(-1, 1, 16).view(1, 1, 4, 4).expand(4000, 1, 4, 4)
    y = color(ramp)
    scale = (y[:, 0, 3, 3] - y[:, 0, 0, 0]) / 2
    assert 0.5 <= scale.min() < 0.52 and 1.48 < scale.max() <= 1.5


def test_translation_shifts_by_whole_pixels_and_fills_with_zeros():
    x = torch.zeros(500, 1, 16, 24)
    x[:, 0, 8, 12] = 1.0
    spots = translation(x).nonzero()
    assert len(spots) == 500  # one pixel still lights up in every image
    dy, dx = spots[:, 2] - 8, spots[:, 3] - 12
    assert set(dy.tolist()) == set(range(-2, 3)) and set(dx.tolist()) == set(range(-3, 4))
    assert translation(torch.ones(100, 1, 16, 16)).amin() == 0


def test_cutout_blanks_one_rectangle_of_half_the_sides():
    holes = cutout(torch.ones(500, 2, 16, 8)) == 0
    assert (holes[:, 0] == holes[:, 1]).all()
    heights, widths = holes[:, 0].any(2).sum(1), holes[:, 0].any(1).sum(1)
    assert heights.max() == 8 and widths.max() == 4  # less where the hole leaves the image
    assert (holes[:, 0].sum((1, 2)) == heights * widths).all()
    assert holes[:, 0].float().mean(0).min() > 0.05  # anywhere


@pytest.mark.parametrize("name", OPERATIONS)
def test_gradients_agree_with_finite_differences(name):
    def augmented(x):
        torch.manual_seed(1)
        return OPERATIONS[name](x)

    x = torch.rand(2, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(augmented, (x,), eps=1e-6, atol=1e-6)
    assert torch.autograd.grad(augmented(x).sum(), x)[0].abs().sum() > 0


def test_every_image_and_every_call_has_its_own_draw():
    x = torch.rand(1, 1, 16, 16).expand(8, 1, 16, 16)
    first = diffaugment(x)
    assert len({tuple(image.flatten().tolist()) for image in first}) == 8
    assert not torch.equal(first, diffaugment(x))


@pytest.mark.parametrize("name", OPERATIONS)
def test_images_of_a_group_share_their_draw_and_groups_do_not(name):
    x = torch.rand(1, 3, 16, 16).expand(7, 3, 16, 16)
    made = OPERATIONS[name](x, 2)
    assert all(torch.equal(made[i], made[i + 1]) for i in (0, 2, 4))
    assert not all(torch.equal(made[0], made[i]) for i in (2, 4, 6))
