# SPDX-License-Identifier: Apache-2.0
"""Cutout: the clipped hole's closed form, mid grey inside, nothing changed outside."""

from __future__ import annotations

import pytest
import torch

import ganaug
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError


def holes(length: float, side: int, n: int) -> torch.Tensor:
    """Which pixels [n, side, side] were erased from n white images."""
    batch = Batch(image=torch.ones(n, 1, side, side))
    return ganaug.make("cutout", length=length).fit(None).augment(batch).image[:, 0] == 0


def test_the_visible_hole_is_smaller_than_the_square_as_the_closed_form_says():
    """Length 16 of 32: the mean clipped length is 14, so 0.191 of the image; kept inside it would be 0.25."""
    share = holes(0.5, 32, 20000).float().mean()
    assert abs(share / (14 / 32) ** 2 - 1) < 0.01


def test_each_pixel_is_covered_as_often_as_centres_reach_it():
    """A square of 4 px about centre c covers c-2 .. c+1, so 3 of 16 centres reach pixel 0, 2 reach pixel 15."""
    centre, pixel = torch.arange(16), torch.arange(16)[:, None]
    reach = ((centre - 2 <= pixel) & (pixel < centre + 2)).float().mean(1)
    assert reach[0] == 3 / 16 and reach[15] == 2 / 16
    covered = holes(0.25, 16, 20000).float().mean(0)
    assert (covered - reach[:, None] * reach).abs().max() < 0.008


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 32), (13, 32, 20)])
def test_grey_inside_unchanged_outside_and_nothing_in_place(shape):
    image = torch.rand(32, *shape) * 0.9 + 0.1
    mask, label = torch.randint(4, (32, *shape[1:])), torch.arange(32)
    kept = image.clone()
    system = ganaug.make("cutout", preset="tiny").fit(None)
    found = system.augment(Batch(image=image, mask=mask, label=label), seed=3)
    changed = found.image != image
    assert (found.image[changed] == 0).all()
    assert torch.equal(changed.any(1), changed.all(1))
    assert changed.flatten(1).any(1).all()
    assert torch.equal(found.mask, mask) and torch.equal(found.label, label)
    assert torch.equal(image, kept)
    assert torch.equal(found.image, system.augment(Batch(image=image), seed=3).image)


def test_an_odd_length_is_kept():
    assert holes(5 / 33, 33, 500).any(1).sum(1).max() == 5


def test_a_length_of_zero_is_refused():
    with pytest.raises(InputError, match="length"):
        ganaug.make("cutout", length=0.0).fit(None)
