# SPDX-License-Identifier: Apache-2.0
"""The residual translator: sizes, channels, what each layer is, and what it must not have."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganaug.parts.nets.translators import ResnetGenerator, TranslatorBlock


def small(inputs=3, outputs=3, **how):
    torch.manual_seed(0)
    return ResnetGenerator(inputs, outputs, **{"width": 4, "blocks": 1, **how})


@pytest.mark.parametrize("downs", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [(16, 16), (17, 23), (18, 31), (33, 20)])
def test_any_size_comes_out_as_it_went_in(downs, size):
    assert small(downs=downs)(torch.randn(2, 3, *size)).shape == (2, 3, *size)


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 3), (3, 1), (13, 3), (3, 13)])
def test_channels_may_differ(inputs, outputs):
    made = small(inputs, outputs)(3 * torch.randn(2, inputs, 16, 24))
    assert made.shape == (2, outputs, 16, 24)
    assert made.abs().max() <= 1


def test_published_numbers_of_parameters():
    """Nine blocks for 256 px, 11.378 million; six up to 128 px."""
    counts = [sum(p.numel() for p in ResnetGenerator(3, 3, blocks=n).parameters()) for n in (9, 6)]
    assert counts == [11_378_179, 11_378_179 - 3 * 2 * (256 * 256 * 9 + 256)]


def test_layers_are_those_of_the_paper():
    net = ResnetGenerator(3, 3, blocks=6)
    layers = [part for part in net.modules() if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d))]
    shape = [(p.in_channels, p.out_channels, p.kernel_size[0], p.stride[0], p.padding_mode) for p in layers]
    assert shape[:3] == [(3, 64, 7, 1, "reflect"), (64, 128, 3, 2, "zeros"), (128, 256, 3, 2, "zeros")]
    assert shape[3:15] == [(256, 256, 3, 1, "reflect")] * 12
    assert shape[15:] == [(256, 128, 3, 2, "zeros"), (128, 64, 3, 2, "zeros"), (64, 3, 7, 1, "reflect")]
    assert [type(p) for p in layers[15:]] == [nn.ConvTranspose2d, nn.ConvTranspose2d, nn.Conv2d]


def test_each_image_by_itself_in_both_modes():
    net, images = small(), torch.randn(3, 3, 16, 16)
    whole = net.train()(images)
    assert torch.allclose(whole[:1], net(images[:1]), atol=1e-6)
    assert torch.equal(whole, net.eval()(images))
    assert not list(net.buffers())
    assert not any(list(part.parameters()) for part in net.modules() if isinstance(part, nn.InstanceNorm2d))


def test_there_is_no_way_around_the_layers():
    """Whatever goes in, a last layer of zeros gives grey: nothing of the input is added."""
    net = small()
    nn.init.zeros_(net.last.weight)
    assert not net(torch.randn(2, 3, 16, 16)).any()


def test_block_adds_to_what_it_gets_and_does_nothing_after_the_sum():
    block, x = TranslatorBlock(4), torch.randn(2, 4, 6, 6)
    last = [part for part in block.body if isinstance(part, nn.Conv2d)][1]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    assert torch.equal(block(x), x), "negative values too"


def test_a_plain_image_has_no_border_after_the_first_layer():
    net = small()
    first = net.first[0](torch.ones(1, 3, 16, 16))
    assert torch.allclose(first, first[..., 8:9, 8:9].expand_as(first), atol=1e-6)


def test_weights_start_from_a_normal_distribution_and_biases_from_0():
    for part in small(width=16).modules():
        if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
            assert float(part.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
            assert not part.bias.any()
