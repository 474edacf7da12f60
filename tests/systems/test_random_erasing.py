# SPDX-License-Identifier: Apache-2.0
"""Random Erasing: how often, how large, which shape, and noise inside."""

from __future__ import annotations

import pytest
import torch

import ganaug
from ganaug.core.seeding import seeded
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.parts.ops.erase import fitting_rectangles


def sides(height: int, width: int, n: int = 4000, **params) -> tuple[torch.Tensor, torch.Tensor]:
    """Heights and widths of the erased rectangles."""
    with seeded(0, "rectangles"):
        known = {"p": 0.5, "area": (0.02, 0.4), "aspect": 0.3, **params}
        found = fitting_rectangles(n, height, width, **known)
    x0, y0, x1, y1 = found.unbind(1)
    assert (x0 >= 0).all() and (y0 >= 0).all() and (x1 <= width).all() and (y1 <= height).all()
    erased = x1 > x0
    return (y1 - y0)[erased].float(), (x1 - x0)[erased].float()


@pytest.mark.parametrize("p", [0.0, 0.5, 1.0])
def test_the_share_of_erased_images_is_p(p):
    assert abs(len(sides(64, 64, p=p)[0]) / 4000 - p) < 0.03


@pytest.mark.parametrize("size", [(64, 64), (48, 96), (8, 8)])
def test_areas_lie_in_the_stated_range(size):
    tall, wide = sides(*size, p=1.0)
    share = tall * wide / (size[0] * size[1])
    assert share.min() >= 0.02 and share.max() <= 0.4
    if size == (64, 64):
        counts = torch.histc(share, 4, 0.02, 0.4)
        assert share.max() > 0.39 and share.min() < 0.03
        assert counts.min() > 0.8 * counts.max()  # uniform, but for the largest and flattest, which do not fit


def test_aspects_lie_in_the_stated_range_and_wide_is_as_likely_as_tall():
    tall, wide = sides(128, 128, p=1.0, area=(0.1, 0.2))
    aspect = tall / wide
    assert aspect.min() > 0.28 and aspect.max() < 3.5
    assert aspect.min() < 0.35 and aspect.max() > 2.9
    assert 0.46 < (tall > wide).float().mean() < 0.54


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 32), (13, 32, 20)])
def test_noise_inside_unchanged_outside_and_nothing_in_place(shape):
    image = torch.zeros(64, *shape)
    mask, label = torch.randint(4, (64, *shape[1:])), torch.arange(64)
    system = ganaug.make("random_erasing", preset="tiny").fit(None)
    found = system.augment(Batch(image=image, mask=mask, label=label), seed=5)
    changed = found.image != 0
    assert torch.equal(changed.any(1), changed.all(1))
    inside = found.image[changed]
    assert abs(inside.mean()) < 0.1 and abs(inside.std() - 3**-0.5) < 0.1 and inside.abs().max() <= 1
    rows, columns = changed[:, 0].any(2).sum(1), changed[:, 0].any(1).sum(1)
    assert torch.equal(rows * columns, changed[:, 0].flatten(1).sum(1))
    assert torch.equal(found.mask, mask) and torch.equal(found.label, label)
    assert not image.any()
    assert torch.equal(found.image, system.augment(Batch(image=image), seed=5).image)


@pytest.mark.parametrize("params", [{"area": (0.4, 0.1)}, {"area": (0.0, 0.1)}, {"aspect": 3.0}, {"p": 1.5}])
def test_impossible_ranges_are_refused(params):
    with pytest.raises(InputError, match="area"):
        ganaug.make("random_erasing", **params).fit(None)
