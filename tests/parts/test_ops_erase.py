# SPDX-License-Identifier: Apache-2.0
"""Rectangles: exact pixels, and the closed form of the mean clipped length."""

from __future__ import annotations

import pytest
import torch

from ganaug.parts.ops.erase import clipped_square, erase, inside


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def test_inside_marks_half_open_rectangles():
    found = inside(torch.tensor([[1, 0, 3, 2], [2, 2, 2, 5]]), 4, 5)
    assert found[0].nonzero().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]
    assert not found[1].any()


def test_erase_touches_nothing_else_and_nothing_in_place():
    image = torch.rand(2, 13, 6, 9)
    kept = image.clone()
    rectangles = torch.tensor([[1, 2, 4, 5], [0, 0, 9, 6]])
    found = erase(image, rectangles, torch.tensor(-1.0))
    hole = inside(rectangles, 6, 9)[:, None].expand_as(image)
    assert (found[hole] == -1).all() and torch.equal(found[~hole], image[~hole])
    assert torch.equal(image, kept)
    assert torch.equal(erase(image, rectangles, image.flip(0))[1], image[0])


@pytest.mark.parametrize(("length", "side"), [(16, 32), (8, 32), (20, 48)])
def test_mean_clipped_length_follows_the_closed_form(length, side):
    """L - L^2/(4N) for an even L: centres are uniform over all pixels, and the square is cut to the image."""
    squares = clipped_square(side, side, length, 20000).float()
    mean = (squares[:, 2:] - squares[:, :2]).mean(0)
    assert (mean / (length - length**2 / (4 * side)) - 1).abs().max() < 0.01


def test_squares_know_height_from_width():
    squares = clipped_square(10, 40, 5, 2000)
    assert squares[:, 2].max() == 40 and squares[:, 3].max() == 10
    assert (squares[:, 2:] - squares[:, :2]).max() == 5
    assert (squares[:, 2:] > squares[:, :2]).all() and squares.min() == 0
