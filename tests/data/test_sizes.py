# SPDX-License-Identifier: Apache-2.0
"""Resizing keeps dtype and brightness; padding keeps shape, centre and zeros."""

from __future__ import annotations

import numpy as np
import pytest

from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.load import load
from ganaug.data.sizes import as_size, brought_to


@pytest.mark.parametrize(("dtype", "value"), [("uint8", 255), ("uint16", 65535), ("float32", -3.25)])
@pytest.mark.parametrize("channels", [1, 3, 13])
def test_a_flat_image_stays_flat(dtype, value, channels):
    small = brought_to(np.full((9, 14, channels), value, dtype), (4, 6))
    assert small.shape == (4, 6, channels) and small.dtype == dtype and np.allclose(small, value, rtol=1e-6, atol=0)


def test_halving_averages_as_an_antialiased_filter_does():
    stripes = np.tile(np.array([0, 200], np.uint8), (8, 8))[..., None]  # one pixel wide: gone at half the size
    assert abs(brought_to(stripes, (4, 8))[2, 2:6].astype(int) - 100).max() <= 25


def test_the_right_size_is_left_alone():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    assert brought_to(image, (3, 4)) is image


def test_pad_centres_a_small_image_on_zeros_without_resampling():
    image = np.arange(1, 7, dtype=np.uint16).reshape(2, 3, 1)
    wide = brought_to(image, (4, 5), "pad")
    assert np.array_equal(wide[1:3, 1:4], image) and wide.sum() == image.sum()


def test_pad_shrinks_the_longer_side():
    tall = brought_to(np.full((20, 10, 3), 9, np.uint8), (8, 8), "pad")
    assert (tall[:, 2:6] == 9).all() and not tall[:, :2].any() and not tall[:, 6:].any()


@pytest.mark.parametrize(("size", "fit"), [(0, "resize"), ((4, -1), "resize"), (8, "crop")])
def test_nonsense_is_refused(size, fit):
    with pytest.raises(InputError, match=r"size must|fit must"):
        as_size(size, fit)


def test_a_set_in_memory_is_brought_to_size_too():
    data = load(ImageSet.of(np.zeros((3, 6, 8, 1), np.uint8), [0, 1, 0]), size=(4, 5))
    assert data.spec.size == (4, 5) and data.label.tolist() == [0, 1, 0]


def test_columns_in_pixel_coordinates_are_not_left_behind():
    data = ImageSet.of(np.zeros((3, 6, 8, 1), np.uint8), boxes=np.zeros((3, 1, 4), np.float32))
    with pytest.raises(InputError, match="'boxes'"):
        load(data, size=4)


def test_masks_move_along_by_nearest_pixels_and_padding_is_unknown():
    mask = np.zeros((1, 4, 8), np.uint8)
    mask[0, :2, :4] = 3
    data = ImageSet.of(np.zeros((1, 4, 8, 1), np.uint8), mask=mask, valid=np.ones((1, 4, 8), bool))
    assert load(data, size=(2, 4)).mask.tolist() == [[[3, 3, 0, 0], [0, 0, 0, 0]]]
    padded = load(data, size=8, fit="pad")
    assert (padded.mask[0, :2] == 255).all() and (padded.mask[0, 2:6] == mask[0]).all()
    assert padded.valid[0].sum() == 32 and not padded.valid[0, :2].any()
