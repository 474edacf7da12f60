# SPDX-License-Identifier: Apache-2.0
"""WaveletStats: known energies and kurtoses, and what is nearer to a texture than what."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from ganaug.data.errors import InputError
from ganaug.metrics.wavelets import differences, wavelet_distance, wavelet_stats


def cells(side=64, sigma=1.5, seed=0):
    """A patchy texture with sharp edges, [1, 1, side, side]."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), sigma, mode="wrap")
    return torch.tensor(np.tanh(20 * field), dtype=torch.float32)[None, None]


def shuffled(images, seed=0):
    order = torch.from_numpy(np.random.default_rng(seed).permutation(images[0, 0].numel()))
    return images.flatten(2)[..., order].view_as(images)


def test_differences_are_across_down_and_on_both_diagonals():
    image = torch.tensor([[0.0, 1.0], [10.0, 100.0]])[None, None]
    found = [sorted(change.flatten().tolist()) for change in differences(image)]
    assert found == [[1, 90], [10, 99], [100], [9]]


def test_a_ramp_has_the_energy_of_its_steps_and_no_kurtosis():
    """A slope of 0.01 a pixel to the right: 0.01, 0, 0.01, -0.01 squared on scale 0, four times that on scale 1."""
    image = 0.01 * torch.arange(32.0).expand(1, 1, 32, 32)
    stats = wavelet_stats(image)[0].view(4, 4, 2)
    for scale in range(4):
        energy = (0.01 * 2**scale) ** 2 + 1e-6
        assert stats[scale, :, 0].tolist() == pytest.approx([math.log(e) for e in (energy, 1e-6, energy, energy)])
    assert stats[3, 0, 1] == pytest.approx(0, abs=0.01)


def test_noise_and_flat_ground_have_kurtosis_3_and_rare_edges_more():
    noise = 0.2 * torch.randn(1, 1, 256, 256, generator=torch.Generator().manual_seed(0))
    lines = torch.zeros(1, 1, 256, 256)
    lines[..., ::32] = 0.5
    for image in (noise, torch.zeros(1, 1, 32, 32)):
        assert wavelet_stats(image)[0].view(4, 4, 2)[0, :, 1].exp().tolist() == pytest.approx([3] * 4, rel=0.05)
    assert wavelet_stats(lines)[0].view(4, 4, 2)[0, 0, 1].exp() > 10


@pytest.mark.parametrize("channels", [1, 3, 13])
def test_places_mean_colour_and_size_do_not_matter(channels):
    image = torch.cat([0.4 * cells(seed=k) for k in range(channels)], 1)
    assert wavelet_stats(image).shape == (1, 32 * channels)
    assert float(wavelet_distance(image, image + 0.3)) < 1e-5
    assert float(wavelet_distance(image, image.roll((16, 8), (2, 3)))) < 0.1
    assert float(wavelet_distance(image, image.repeat(1, 1, 2, 2))) < 0.1


def test_another_piece_of_a_texture_is_nearer_than_anything_that_was_done_to_it():
    whole = cells(128)
    one, other = whole[..., :64, :64], whole[..., 64:, 64:]
    blurred = torch.from_numpy(ndimage.gaussian_filter(one.numpy(), (0, 0, 1, 1)))
    noisy = one + 1.0 * torch.randn(one.shape, generator=torch.Generator().manual_seed(1))
    turned = torch.from_numpy(ndimage.zoom(one.numpy(), (1, 1, 1, 2), order=1))
    floor = float(wavelet_distance(one, other))
    spoilt = [float(wavelet_distance(one, x)) for x in (shuffled(one), blurred, noisy, turned)]
    assert floor < 0.5 * min(spoilt)


def test_more_blur_is_farther():
    one = cells()
    far = [
        float(wavelet_distance(one, torch.from_numpy(ndimage.gaussian_filter(one.numpy(), (0, 0, s, s)))))
        for s in (0.3, 0.6, 1.2, 2.4)
    ]
    assert far == sorted(far)


def test_what_it_can_not_judge_is_one_sentence():
    with pytest.raises(InputError, match="16 pixels or more"):
        wavelet_stats(torch.zeros(1, 3, 15, 40))
    with pytest.raises(InputError, match="equal numbers"):
        wavelet_distance(torch.zeros(1, 3, 16, 16), torch.zeros(2, 3, 16, 16))
