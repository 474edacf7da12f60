# SPDX-License-Identifier: Apache-2.0
"""Colour match: the second set's mean and deviation in every channel, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import ganaug
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.systems.translation.colour_match import moments


def tinted(n, mean, deviation, seed, size=(12, 10), **columns):
    """Noise of a mean and deviation (0..255) a channel."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, (n, *size, len(mean))) * deviation + mean
    return ImageSet.of(noise.clip(0, 255).astype(np.uint8), **columns)


def two(channels=3, **columns):
    """Dark even images with labels and masks beside bright uneven ones of another size."""
    rng = np.random.default_rng(5)
    mean_a, mean_b = rng.uniform(70, 110, channels), rng.uniform(130, 170, channels)
    b = tinted(30, mean_b, rng.uniform(20, 30, channels), 1, size=(8, 14))
    a = tinted(20, mean_a, rng.uniform(8, 15, channels), 0, others={"b": b}, **columns)
    return a, b


def of_channels(data):
    values = data.images().double().transpose(0, 1).flatten(1)
    return values.mean(1), values.std(1, correction=0)


@pytest.mark.parametrize("channels", [1, 3, 13])
def test_matched_images_have_the_second_set_s_mean_and_deviation(channels):
    a, b = two(channels)
    made = ganaug.make("colour_match").fit(a).augment(a)
    for found, wanted, before in zip(of_channels(made), of_channels(b), of_channels(a), strict=True):
        torch.testing.assert_close(found, wanted, atol=0.01, rtol=0)
        assert (before - wanted).abs().min() > 0.05


def test_moments_are_those_of_all_pixels_however_they_are_taken_in_pieces():
    a, _ = two()
    for piece in (1, 7, 256):
        mean, deviation = moments(a, piece)
        for found, wanted in zip((mean, deviation), of_channels(a), strict=True):
            assert found.dtype == torch.float32
            torch.testing.assert_close(found.double(), wanted, atol=1e-6, rtol=0)


def test_it_is_one_linear_map_a_channel_for_the_whole_set():
    """Whitening each image by itself would match the moments too, and take away what tells images apart."""
    a, _ = two()
    system = ganaug.make("colour_match").fit(a)
    batch = a.batch([0, 1, 2])
    low, high = system.augment(batch.but(image=batch.image * 0 - 0.4)), system.augment(batch.but(image=batch.image * 0))
    middle = system.augment(batch.but(image=batch.image * 0 - 0.2)).image
    torch.testing.assert_close(middle, (low.image + high.image) / 2)
    alone = system.augment(batch.select([1])).image
    torch.testing.assert_close(system.augment(batch).image[1:2], alone)
    slope = (high.image - low.image)[0, :, 0, 0] / 0.4
    deviations = [moments(data)[1] for data in (a, a.others["b"])]
    torch.testing.assert_close(slope, deviations[1] / deviations[0])


def test_matched_images_hold_numbers_as_the_second_set_s():
    rng = np.random.default_rng(0)
    b = ImageSet.of(rng.integers(1000, 2000, (9, 8, 8, 2)).astype(np.uint16), bands=("x", "y"))
    a = ImageSet.of(rng.integers(0, 10000, (9, 8, 8, 2)).astype(np.uint16), others={"b": b})
    made = ganaug.make("colour_match").fit(a).augment(a)
    assert made.scaling == b.scaling and made.bands == ("x", "y")
    assert abs(made.image[np.arange(9)].mean() - 1500) < 20


def test_pixels_without_data_count_in_no_moment():
    a, _ = two()
    valid = np.random.default_rng(1).random((20, 12, 10)) < 0.5
    holed = a.but(image=np.where(valid[..., None], a.image.array, 255).astype(np.uint8), valid=valid)
    known = a.images().transpose(0, 1).flatten(1)[:, torch.from_numpy(valid.ravel())]
    for found, wanted in zip(moments(holed, 7), (known.mean(1), known.std(1, correction=0)), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_labels_masks_and_parents_stay():
    mask = np.random.default_rng(0).integers(0, 3, (20, 12, 10)).astype(np.uint8)
    a, _ = two(mask=mask, labels=np.arange(20) % 2, mask_classes=("x", "y", "z"))
    made = ganaug.make("colour_match").fit(a).augment(a)
    assert np.array_equal(made.mask, mask) and made.mask_classes == ("x", "y", "z")
    assert np.array_equal(made.label, a.label) and np.array_equal(made.parents[:, 0], a.index)


def test_flat_channels_become_the_other_set_s_mean_and_nothing_leaves_the_range():
    flat = ImageSet.of(np.full((4, 6, 6, 3), 40, np.uint8), others={"b": two()[1]})
    made = ganaug.make("colour_match").fit(flat).augment(flat)
    torch.testing.assert_close(of_channels(made)[0], of_channels(two()[1])[0], atol=0.005, rtol=0)
    a, b = two()
    wild = b.but(image=np.where(b.image.array > 150, 255, 0).astype(np.uint8))
    image = ganaug.make("colour_match").fit(a.but(others={"b": wild})).augment(a.batch()).image
    assert image.min() == -1 and image.max() == 1


def test_it_is_kept_with_the_system(tmp_path):
    a, _ = two()
    system = ganaug.make("colour_match").fit(a)
    system.save(tmp_path / "run")
    again = ganaug.restore(tmp_path / "run")
    assert again.augment(a).fingerprint() == system.augment(a).fingerprint()


def test_what_it_needs():
    a, _ = two()
    with pytest.raises(InputError, match="second set 'b'"):
        ganaug.make("colour_match").fit(a.but(others={}))
    with pytest.raises(InputError, match="found 3 and 1"):
        ganaug.make("colour_match").fit(a.but(others={"b": two(1)[1]}))
    with pytest.raises(InputError, match="not fitted"):
        ganaug.make("colour_match").augment(a)
