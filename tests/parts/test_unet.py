# SPDX-License-Identifier: Apache-2.0
"""The segmenter's U-Net: any size and number of channels, and fine and coarse features both reach the output."""

from __future__ import annotations

import pytest
import torch

from ganaug.parts.nets.unet import UNet


@pytest.mark.parametrize("channels", [1, 3, 13])
@pytest.mark.parametrize(
    ("depth", "size"), [(2, (4, 4)), (2, (5, 7)), (2, (4, 33)), (3, (8, 8)), (3, (9, 15)), (3, (31, 17)), (1, (2, 3))]
)
def test_a_map_of_the_size_of_the_image(channels, depth, size):
    torch.manual_seed(0)
    net = UNet(channels, 5, width=4, depth=depth)
    x = torch.randn(2, channels, *size)
    assert net(x).shape == (2, 5, *size) and net.features(x).shape == (2, 4 * 2**depth)
    assert torch.isfinite(net(x)).all()


def test_stages_have_the_widths_of_the_paper_s_pattern():
    net = UNet(3, 2, width=4, depth=3)
    assert [part[0].out_channels for part in net.down] == [4, 8, 16, 32]
    assert [(part[0].in_channels, part[0].out_channels) for part in net.up] == [(48, 16), (24, 8), (12, 4)]
    shapes = [tuple(m.shape[1:]) for m in net.maps(torch.zeros(1, 3, 16, 24))]
    assert shapes == [(4, 16, 24), (8, 8, 12), (16, 4, 6), (32, 2, 3)]


def changed(net, row=0, column=0):
    """The pixels of the output that one pixel of the input reaches, in double precision: far ones change little."""
    net.double().eval()
    x = torch.randn(1, 1, 32, 32, dtype=torch.float64)
    other = x.clone()
    other[..., row, column] += 5
    return ((net(x) - net(other)).abs().amax(1)[0] > 1e-13).nonzero()


def test_coarse_maps_reach_far_and_without_them_nothing_does():
    torch.manual_seed(0)
    far = changed(UNet(1, 2, width=8, depth=3)).max()
    torch.manual_seed(0)
    assert far > 20 and changed(UNet(1, 2, width=8, depth=0)).max() == 2  # two 3x3 convolutions


def test_fine_maps_reach_the_output_beside_the_coarse_ones():
    torch.manual_seed(0)
    net = UNet(1, 2, width=4, depth=2).eval()
    x = torch.randn(1, 1, 8, 8)
    *finer, coarse = net.maps(x)
    for k in range(len(finer)):
        kept = [m if i != k else torch.zeros_like(m) for i, m in enumerate([*finer, coarse])]
        net.maps = lambda _, kept=kept: kept
        without = net(x)
        del net.maps
        assert (without - net(x)).abs().max() > 1e-4
