"""AdaIN, its decoder, and the pyramid of patch critics."""

import torch

from ganaug.parts.nets.adain import AdaINDecoder, adain
from ganaug.parts.nets.residual import PatchPyramid, conv, least_squares_scales


def test_adain_gives_every_channel_the_mean_and_spread_that_are_asked_for():
    torch.manual_seed(0)
    x, scale, shift = torch.randn(2, 3, 16, 16) * 5 + 2, torch.rand(2, 3) + 0.5, torch.randn(2, 3)
    made = adain(x, scale, shift)
    assert torch.allclose(made.mean((2, 3)), shift, atol=1e-4)
    assert torch.allclose(made.std((2, 3), unbiased=False), scale, atol=1e-3)


def test_block_b_of_the_decoder_reads_part_b_of_the_code():
    torch.manual_seed(0)
    net = AdaINDecoder(8, 3, 12, blocks=2)
    content, code = torch.randn(1, 8, 4, 4), torch.randn(1, 12)
    seen = []
    for block in net.blocks:
        block.scales.register_forward_hook(lambda module, given, made: seen.append(given[0]))
    assert net(content, code).shape == (1, 3, 16, 16)
    assert torch.equal(seen[0], code[:, :6])
    assert torch.equal(seen[1], code[:, 6:])


def test_pyramid_has_three_scales_with_weights_of_their_own():
    net = PatchPyramid(3, 4, 1)
    maps = net(torch.randn(2, 3, 64, 32))
    assert [m.shape for m in maps] == [(2, 1, 16, 8), (2, 1, 8, 4), (2, 1, 4, 2)]
    first, second = (next(critic.parameters()) for critic in list(net.scales)[:2])
    assert not torch.equal(first, second)


def test_borders_do_not_darken_the_average_that_smaller_scales_see():
    net = PatchPyramid(1, 4, 1)
    assert torch.allclose(net.shrink(torch.ones(1, 1, 8, 8)), torch.ones(1, 1, 4, 4))


def test_least_squares_sums_over_scales_the_means_within_them():
    maps = [torch.full((2, 1, 4, 4), 3.0), torch.zeros(2, 1, 2, 2)]
    assert float(least_squares_scales(maps, 1.0)) == 4.0 + 1.0


def test_reflected_convolution_keeps_the_size():
    assert conv(2, 3, 5)(torch.zeros(1, 2, 7, 9)).shape == (1, 3, 7, 9)
    assert conv(2, 3, 3, stride=2)(torch.zeros(1, 2, 8, 8)).shape == (1, 3, 4, 4)
