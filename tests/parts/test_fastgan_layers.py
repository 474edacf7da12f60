# SPDX-License-Identifier: Apache-2.0
"""FastGAN's layers: each against its formula written out, and what excitation can and can't change."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ganaug.core.seeding import seeded
from ganaug.parts.nets.fastgan import DownBlock, NoiseInjection, SkipExcitation, decoder, up


@pytest.fixture(autouse=True)
def _seed():
    with seeded(0, "layers"):
        yield


def normed(x: Tensor) -> Tensor:
    """Batch norm without gain and bias, written out."""
    mean = x.mean((0, 2, 3), keepdim=True)
    return (x - mean) / ((x - mean).square().mean((0, 2, 3), keepdim=True) + 1e-5).sqrt()


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def test_excitation_is_the_high_map_times_a_sigmoid_of_the_pooled_low_one():
    layer, low, high = SkipExcitation(3, 5), torch.randn(2, 3, 8, 12), torch.randn(2, 5, 32, 48)
    pooled = low.unflatten(3, (4, 3)).unflatten(2, (4, 2)).mean((3, 5))
    inner = leaky(torch.einsum("bchw,dchw->bd", pooled, layer.gate[1].weight))
    gate = 1 / (1 + torch.exp(-inner @ layer.gate[3].weight[:, :, 0, 0].T))
    torch.testing.assert_close(layer(low, high), high * gate[:, :, None, None])


def test_scaling_the_low_map_changes_the_high_one_by_a_factor_a_channel_and_nothing_else():
    layer, low, high = SkipExcitation(3, 5), torch.randn(2, 3, 8, 8), torch.rand(2, 5, 32, 32) + 1
    factor = layer(3 * low, high) / layer(low, high)
    assert (factor.amax((2, 3)) - factor.amin((2, 3))).max() < 1e-5
    assert (factor.mean((2, 3)) - 1).abs().min() > 1e-3
    assert factor.mean((2, 3)).std(1).min() > 1e-2


def test_noise_is_one_normal_map_for_all_channels_of_an_image_and_starts_switched_off():
    layer, x = NoiseInjection(), torch.randn(4, 3, 32, 32)
    assert torch.equal(layer(x), x)
    layer.weight.data.fill_(0.5)
    noise = (layer(x) - x) / 0.5
    torch.testing.assert_close(noise, noise[:, :1].expand_as(noise), atol=1e-5, rtol=0)
    assert abs(noise.mean()) < 0.05 and abs(noise.std() - 1) < 0.05
    assert not torch.equal(layer(x), layer(x))
    assert (noise[0] - noise[1]).abs().mean() > 0.5


def test_up_repeats_convolves_norms_and_gates():
    block, x = up(3, 2, (8, 12)), torch.randn(4, 3, 4, 6)
    y = normed(F.conv2d(x.repeat_interleave(2, 2).repeat_interleave(2, 3), block[1].weight, padding=1))
    torch.testing.assert_close(block(x), y[:, :2] * torch.sigmoid(y[:, 2:]), atol=1e-5, rtol=1e-4)


def test_up_with_noise_has_two_noisy_convolutions_and_any_size():
    block, x = up(3, 2, (7, 11), noise=True), torch.randn(4, 3, 4, 6)
    assert block(x).shape == (4, 2, 7, 11)
    noises = [part for part in block if isinstance(part, NoiseInjection)]
    assert len(noises) == 2
    assert torch.equal(block(x), block(x))
    noises[1].weight.data.fill_(1.0)
    assert not torch.equal(block(x), block(x))
    assert not any(isinstance(part, NoiseInjection) for part in up(3, 2, (8, 8)))


def test_down_is_the_mean_of_its_two_ways():
    block, x = DownBlock(3, 4), torch.randn(4, 3, 8, 6)
    pooled = x.unflatten(3, (3, 2)).unflatten(2, (4, 2)).mean((3, 5))
    direct = leaky(normed(torch.einsum("bchw,dc->bdhw", pooled, block.direct[1].weight[:, :, 0, 0])))
    deep = leaky(normed(F.conv2d(x, block.deep[0].weight, stride=2, padding=1)))
    deep = leaky(normed(F.conv2d(deep, block.deep[3].weight, padding=1)))
    torch.testing.assert_close(block(x), (direct + deep) / 2, atol=1e-5, rtol=1e-4)
    assert block(torch.randn(2, 3, 9, 7)).shape == (2, 4, 4, 3)


def test_decoder_grows_through_the_sizes_and_ends_in_images():
    net = decoder(6, 3, [(12, 20), (25, 40), (50, 80)], width=8)
    made = net(torch.randn(2, 6, 6, 10))
    assert made.shape == (2, 3, 50, 80)
    assert made.abs().max() < 1
    assert [stage[1].out_channels for stage in net[:3]] == [32, 16, 16]  # twice 16, 8, 8: what the gate leaves half of
