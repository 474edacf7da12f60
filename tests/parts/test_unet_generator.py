# SPDX-License-Identifier: Apache-2.0
"""The U-Net that makes images: any size, where norms and dropout stand, and maps as planes."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ganaug.parts.nets.unet_generator import UNetGenerator, halvings, one_hot_mask


@pytest.fixture
def quiet(monkeypatch):
    """No dropout; the calls that would have dropped something."""
    calls = []

    def kept(x, p, training):
        calls.append((tuple(x.shape), p, training))
        return x

    monkeypatch.setattr(F, "dropout", kept)
    return calls


def test_planes_by_hand():
    mask = torch.tensor([[[0, 1], [255, 2]]])
    planes = [[[1.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]]]
    assert one_hot_mask(mask, 3).tolist() == [planes]
    assert one_hot_mask(mask, 2).tolist() == [planes[:2]], "a class that is not known is unknown"


@pytest.mark.parametrize(("side", "downs"), [(4, 1), (8, 2), (16, 3), (28, 3), (33, 4), (64, 5), (256, 7), (1024, 8)])
def test_the_shorter_side_is_halved_down_to_two_pixels(side, downs):
    assert halvings((side, 3 * side)) == halvings((3 * side, side)) == downs


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (30, 50), (64, 64), (33, 17), (15, 40)])
@pytest.mark.parametrize(("inputs", "outputs"), [(2, 1), (3, 13)])
def test_any_size_comes_out_as_it_went_in(size, inputs, outputs):
    net = UNetGenerator(inputs, outputs, size, width=4)
    made = net(torch.randn(2, inputs, *size))
    assert made.shape == (2, outputs, *size)
    assert made.abs().max() <= 1


def test_layers_as_in_the_paper():
    net = UNetGenerator(3, 1, (256, 256), width=64, downs=8)
    down, up = [64, 128, 256, 512, 512, 512, 512, 512], [512, 512, 512, 512, 256, 128, 64, 1]
    assert [layer.out_channels for layer in net.downs] == down
    assert [layer.out_channels for layer in net.ups] == up
    assert [layer.in_channels for layer in net.ups] == [512, 1024, 1024, 1024, 1024, 512, 256, 128]
    assert {(layer.kernel_size, layer.stride, layer.padding) for layer in (*net.downs, *net.ups)} == {
        ((4, 4), (2, 2), (1, 1))
    }
    assert not list(net.buffers()), "no running statistics"
    assert net.downs[5].weight.std().item() == pytest.approx(0.02, rel=0.01)


@pytest.mark.parametrize(("size", "dropped"), [((64, 64), 3), ((128, 128), 3), ((16, 16), 2), ((8, 8), 1)])
def test_dropout_in_the_first_three_blocks_and_never_in_the_last(size, dropped, quiet):
    net = UNetGenerator(2, 3, size, width=4).eval()
    net(torch.randn(1, 2, *size))
    lowest = size[0] // 2 ** halvings(size)
    assert [(shape[-1], p, on) for shape, p, on in quiet] == [
        (lowest * 2 ** (i + 1), 0.5, True) for i in range(dropped)
    ]


def test_dropout_stays_on_and_is_the_only_noise(monkeypatch):
    net, given = UNetGenerator(2, 3, (32, 32), width=8).eval(), torch.randn(1, 2, 32, 32)
    nn.init.normal_(net.ups[-1].weight)
    with torch.no_grad():
        assert (net(given) - net(given)).abs().mean() > 1e-3
        monkeypatch.setattr(F, "dropout", lambda x, p, training: x)
        assert torch.equal(net(given), net(given))
        both = net(torch.cat([given, torch.randn(1, 2, 32, 32)]))
        torch.testing.assert_close(both[:1], net(given), msg="no other image is in an image's norm")


def test_where_norms_stand(quiet):
    """Twice the input is twice the first map and another one below it is the same: one norm from the second on."""
    net, given = UNetGenerator(1, 1, (32, 32), width=4), torch.randn(1, 1, 32, 32)
    for layer in (*net.downs, *net.ups):
        nn.init.normal_(layer.weight)
    with torch.no_grad():
        once, twice = net.encoded(given), net.encoded(2 * given)
    torch.testing.assert_close(twice[0], 2 * once[0])
    for a, b in zip(once[1:-1], twice[1:-1], strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(a.mean((2, 3)), torch.zeros(1, a.shape[1]), atol=1e-5, rtol=0)
    assert once[-1].mean((2, 3)).abs().max() > 0.1, "no norm at the bottom"


def test_an_even_map_keeps_its_class(quiet):
    """A norm after the first convolution would make maps of one value all alike."""
    net = UNetGenerator(1, 1, (16, 16), width=8)
    nn.init.normal_(net.ups[-1].weight)
    with torch.no_grad():
        weak, strong = net(torch.full((1, 1, 16, 16), 0.5)), net(torch.ones(1, 1, 16, 16))
    assert (weak - strong).abs().mean() > 1e-3


@pytest.mark.parametrize("level", [0, 1, 2])
def test_every_level_has_its_own_way_around(level, quiet):
    """With all that comes from below and by the other levels zeroed, the image still follows what is given."""
    net = UNetGenerator(1, 1, (32, 32), width=4)
    for layer in (*net.downs, *net.ups):
        nn.init.normal_(layer.weight)
    with torch.no_grad():
        for i, up in enumerate(net.ups[1:]):
            below = net.ups[i].out_channels
            up.weight[:below] *= i > level
            up.weight[below:] *= i == level
        assert (net(torch.randn(1, 1, 32, 32)) - net(torch.randn(1, 1, 32, 32))).abs().max() > 0.1
