# SPDX-License-Identifier: Apache-2.0
"""Indices by hand and by name; each distance moves where the others do not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ganaug.data.errors import InputError
from ganaug.metrics import spectral
from ganaug.metrics.spectral import (
    band_correlation,
    ergas,
    power_spectrum_distance,
    radial_power,
    sid,
    spectral_angle,
    spectral_distance,
    split_half,
)

BANDS = ("B02", "B03", "B04", "B08", "B11", "B12", "B8A")  # 8A last, as in EuroSAT
PIXEL = np.array([0.1, 0.2, 0.1, 0.4, 0.2, 0.1, 0.3])


@pytest.mark.parametrize("name,value", [("ndvi", 0.6), ("ndwi", -1 / 3), ("ndmi", 0.2), ("nbr", 0.5), ("bsi", -0.25)])
def test_indices_by_hand_in_any_order_of_bands(name, value):
    index = getattr(spectral, name)
    assert index(PIXEL, BANDS) == pytest.approx(value)
    order = np.random.default_rng(0).permutation(7)
    assert index(np.tile(PIXEL[order], (2, 3, 1)), [BANDS[k] for k in order]) == pytest.approx(np.full((2, 3), value))
    assert index(PIXEL, BANDS) != pytest.approx(float(index(PIXEL[order], BANDS)))  # control: the order matters


def test_dark_pixels_have_no_index_and_an_offset_changes_it():
    pixels = np.array([[4e-4, 5e-4], [4e-3, 5e-3], [-0.05, 0.05]])
    found = spectral.ndvi(pixels, ("B4", "B8"))
    assert np.isnan(found).tolist() == [True, False, True] and found[1] == pytest.approx(1 / 9)
    dn = np.array([2000, 5000], np.uint16)
    assert spectral.ndvi(dn, ("B4", "B8")) == pytest.approx(3 / 7)
    assert spectral.ndvi(dn.astype(int) - 1000, ("B4", "B8")) == pytest.approx(3 / 5)


def test_missing_and_miscounted_bands_are_named():
    with pytest.raises(InputError, match="needs one band 'B11'"):
        spectral.ndmi(PIXEL[:2], ("B8A", "B12"))
    with pytest.raises(InputError, match="7 bands, found 2"):
        spectral.ndvi(PIXEL, ("B4", "B8"))
    with pytest.raises(InputError, match="needs one band 'B4'"):
        spectral.ndvi(PIXEL[:3], ("B4", "B04", "B8"))


def test_angles_by_hand():
    assert spectral_angle(np.array([1.0, 0]), np.array([0, 5.0])) == pytest.approx(math.pi / 2)
    assert spectral_angle(np.array([1.0, 0]), np.array([3.0, 3])) == pytest.approx(math.pi / 4)
    assert spectral_angle(np.array([1.0, 2]), np.array([-1.0, -2])) == pytest.approx(math.pi)
    tiny = spectral_angle(np.array([1.0, 0]), np.array([1.0, 1e-10]))
    assert tiny == pytest.approx(1e-10)  # the arc cosine says 0
    assert np.isnan(spectral_angle(np.zeros(3), np.ones(3)))


def test_halved_bands_have_the_same_angle_and_another_brightness():
    pixels = np.random.default_rng(0).random((4, 5, 7)) + 0.1
    assert spectral_angle(pixels, pixels / 2).max() == 0
    assert sid(pixels, pixels / 2).max() < 1e-12
    assert np.sqrt(np.square(pixels / 2 - pixels).mean()) > 0.25
    assert ergas(pixels, pixels / 2, 1.0) > 50


def test_sid_and_ergas_by_hand():
    p, q = np.array([1.0, 3.0]), np.array([2.0, 2.0])
    expected = (0.25 - 0.5) * math.log(0.25 / 0.5) + (0.75 - 0.5) * math.log(0.75 / 0.5)
    assert sid(p, q) == pytest.approx(expected) == pytest.approx(float(sid(q, p)))
    assert np.isfinite(sid(np.array([-0.1, 1.0]), q))
    truth = np.array([[1.0, 10.0], [3.0, 10.0]])  # means 2 and 10
    found = truth + np.array([1.0, 2.0])  # RMSE 1 and 2: relative 0.5 and 0.2
    assert ergas(truth, found, 0.5) == pytest.approx(50 * math.sqrt((0.25 + 0.04) / 2))


# --- sets: bands that go together, images of smooth fields ---


def smooth(n: int, seed: int, side: int = 32, sigma: float = 2.0) -> np.ndarray:
    """Reflectances [n, side, side, 4]: a common smooth field a image with its own brightness, and little noise."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal((n, side, side)), (0, sigma, sigma))
    field = field / field.std() + rng.standard_normal((n, 1, 1))
    bands = field[..., None] * np.array([0.02, 0.03, 0.02, 0.06]) + np.array([0.05, 0.08, 0.06, 0.3])
    return bands + 0.002 * rng.standard_normal((n, side, side, 4))


REAL, OTHER = smooth(40, 0), smooth(40, 1)


def test_permuted_bands_keep_their_histograms_and_lose_their_spectra():
    rng = np.random.default_rng(0)
    mixed = np.stack([REAL[rng.permutation(len(REAL)), ..., band] for band in range(4)], -1)
    for band in range(4):
        assert np.array_equal(np.sort(mixed[..., band], None), np.sort(REAL[..., band], None))
    floor = split_half(spectral_distance, REAL)
    assert spectral_distance(REAL, mixed) > 0.3 * np.square([0.02, 0.03, 0.02, 0.06]).sum()
    assert spectral_distance(REAL, mixed) > 2 * max(floor, spectral_distance(REAL, OTHER))
    assert band_correlation(REAL)[0, 3] > 0.95 and band_correlation(mixed)[0, 3] < 0.6
    assert power_spectrum_distance(REAL, mixed) < 0.01  # each band of each image is still there


def test_the_spectral_distance_by_hand():
    real = np.random.default_rng(0).standard_normal((3, 8, 8, 2))
    assert spectral_distance(real, real + np.array([3.0, 4.0])) == pytest.approx(25)
    assert spectral_distance(real, 2 * (real - real.mean((0, 1, 2)))) == pytest.approx(
        np.square(real.mean((0, 1, 2))).sum() + np.trace(np.cov(real.reshape(-1, 2), rowvar=False)), rel=1e-6
    )


def test_pixels_without_data_are_left_out():
    holes = OTHER.copy()
    valid = np.ones(holes.shape[:3], bool)
    holes[:, :4], valid[:, :4] = 0.0, False
    clean = spectral_distance(REAL, OTHER[:, 4:])
    assert spectral_distance(REAL, holes, fake_valid=valid) == pytest.approx(clean)
    assert spectral_distance(REAL, holes) > 2 * clean
    assert np.array_equal(band_correlation(holes, valid), band_correlation(OTHER[:, 4:]))


def test_blur_moves_the_power_spectrum_first():
    def over_the_floor(distance, sigma: float) -> float:
        blurred = gaussian_filter(OTHER, (0, sigma, sigma, 0), mode="wrap")
        return distance(REAL, blurred) / distance(REAL, OTHER)

    assert over_the_floor(spectral_distance, 0.5) == pytest.approx(1, abs=0.1)
    assert over_the_floor(power_spectrum_distance, 0.5) > 3
    assert over_the_floor(power_spectrum_distance, 1.0) > over_the_floor(power_spectrum_distance, 0.5)


def test_the_radius_of_a_wave_and_of_a_checkerboard():
    side = 32
    rows = np.arange(side)[:, None] + np.zeros((1, 48))  # not square: radii count in the shorter side
    wave = np.sin(2 * np.pi * 5.5 * rows / side)[None, ..., None]
    power = radial_power(wave)
    assert power.shape == (15, 1) and power.argmax() + 1 == 5
    board = np.zeros((1, side, side, 1))
    board[:, ::2] = 1  # the finest stripes: a generator's artefact
    assert power_spectrum_distance(REAL, REAL + 0.05 * np.pad(board, ((0, 0),) * 3 + ((0, 3),), mode="edge")) > 0
    assert power_spectrum_distance(REAL, REAL) == 0
    with pytest.raises(InputError, match="one size"):
        power_spectrum_distance(REAL, REAL[:, :16])


def test_halves_of_one_set_lie_near_each_other():
    floor = split_half(power_spectrum_distance, REAL)
    assert 0 < floor < power_spectrum_distance(REAL, gaussian_filter(OTHER, (0, 1, 1, 0)))
    assert split_half(power_spectrum_distance, REAL) == floor  # the seed decides
    with pytest.raises(InputError, match="4 images"):
        split_half(power_spectrum_distance, REAL[:3])
