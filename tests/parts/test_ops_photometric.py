# SPDX-License-Identifier: Apache-2.0
"""Photometric operations against torchvision, image by image, and against closed forms."""

from __future__ import annotations

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from ganaug.parts.ops import photometric


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def levels(channels: int = 3, n: int = 6) -> torch.Tensor:
    """Random grey levels 0..255, with a flat first image."""
    found = torch.randint(256, (n, channels, 10, 14), dtype=torch.uint8)
    found[0] = 77
    return found


def signed(image: torch.Tensor) -> torch.Tensor:
    """Grey levels 0..255 as [-1, 1]."""
    return image.float() / 127.5 - 1


FACTORS = torch.tensor([0.1, 0.5, 0.9, 1.0, 1.3, 1.9])
ENHANCERS = {
    "brightness": tv.adjust_brightness,
    "contrast": tv.adjust_contrast,
    "saturation": tv.adjust_saturation,
    "sharpness": tv.adjust_sharpness,
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ENHANCERS)
def test_enhancers_agree_with_torchvision(name, channels):
    image = levels(channels)
    found = getattr(photometric, name)(signed(image), FACTORS)
    unit = image.float() / 255
    wanted = torch.stack([ENHANCERS[name](x, float(f)) for x, f in zip(unit, FACTORS, strict=True)])
    assert (found - (2 * wanted - 1)).abs().max() < 1e-3


@pytest.mark.parametrize("channels", [1, 3, 13])
@pytest.mark.parametrize("name", ENHANCERS)
def test_factor_one_changes_nothing(name, channels):
    image = signed(levels(channels))
    assert torch.equal(getattr(photometric, name)(image, torch.ones(6)), image)


def test_saturation_leaves_anything_but_three_channels_alone():
    for channels in (1, 13):
        image = signed(levels(channels))
        assert torch.equal(photometric.saturation(image, FACTORS), image)


@pytest.mark.parametrize("name", ["brightness", "contrast", "sharpness"])
def test_thirteen_bands_change_like_thirteen_images(name):
    image, factor = signed(levels(13)), torch.full((6,), 1.5)
    change = getattr(photometric, name)
    alone = torch.cat([change(image[:, c, None], factor) for c in range(13)], 1)
    assert torch.allclose(change(image, factor), alone, atol=1e-5)
    assert not torch.allclose(alone, image, atol=0.1)


def test_noise_has_the_stated_deviation_for_each_image():
    std = torch.tensor([0.01, 0.05])
    found = photometric.noise(torch.zeros(2, 3, 100, 100), std)
    assert ((found.std((1, 2, 3)) / 2 - std) / std).abs().max() < 0.05
    assert found.mean((1, 2, 3)).abs().max() < 0.002


@pytest.mark.parametrize("bits", [2, 4, 7, 8])
@pytest.mark.parametrize("channels", [1, 3, 13])
def test_posterize_keeps_the_highest_bits(bits, channels):
    image = levels(channels)
    found = photometric.posterize(signed(image), torch.full((6,), float(bits)))
    assert torch.equal(photometric.grey_levels(found).to(torch.uint8), tv.posterize(image, bits))


def test_posterize_takes_bits_an_image():
    image = signed(levels())
    found = photometric.posterize(image, torch.tensor([8.0, 1.0, 8.0, 1.0, 8.0, 1.0]))
    assert torch.equal(found[::2], image[::2])
    assert all(len(x.unique()) == 2 for x in found[3::2])


@pytest.mark.parametrize("threshold", [0.0, 128.0, 238.0, 255.0])
def test_solarize_inverts_from_the_threshold_up(threshold):
    image = levels()
    found = photometric.solarize(signed(image), torch.full((6,), threshold))
    assert torch.equal(photometric.grey_levels(found).to(torch.uint8), tv.solarize(image, threshold))


@pytest.mark.parametrize("channels", [1, 3])
def test_autocontrast_agrees_with_torchvision(channels):
    image = levels(channels)
    image[1] = image[1] // 3 + 50
    found = photometric.autocontrast(signed(image))
    assert (found - (2 * tv.autocontrast(image.float() / 255) - 1)).abs().max() < 1e-5
    assert torch.equal(found[0], signed(image)[0])


def test_equalize_makes_every_band_uniform():
    squared = (torch.rand(4, 13, 40, 40) ** 2) * 2 - 1
    found = photometric.equalize(squared)
    for image in (squared, found):
        share = torch.histc(image[1, 7], 8, -1, 1) / 1600
        assert (share.max() > 0.3) == (image is squared)
    assert (torch.histc(found[1, 7], 8, -1, 1) / 1600 - 1 / 8).abs().max() < 0.05


def test_nothing_changes_in_place():
    image = signed(levels())
    kept = image.clone()
    for name in (*ENHANCERS, "noise", "posterize", "solarize"):
        getattr(photometric, name)(image, FACTORS)
    photometric.autocontrast(image)
    photometric.equalize(image)
    assert torch.equal(image, kept)
