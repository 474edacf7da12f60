# SPDX-License-Identifier: Apache-2.0
"""Feature maps of textures: what the random pyramid sees, and a VGG network with the papers' layer names."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn
from torch.nn import functional as F

from ganaug.core.seeding import seeded
from ganaug.data.errors import InputError
from ganaug.parts.textures.colours import Palette
from ganaug.parts.textures.features import RandomPyramid, VGGMaps, name_of, octaves_of, refuse_other
from ganaug.parts.textures.losses import gram


def pyramid(channels=3, seed=0, **params):
    with seeded(seed, "filters"):
        return RandomPyramid(channels, **params)


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).clamp(-1, 1)


@pytest.mark.parametrize(("channels", "size"), [(1, (32, 32)), (3, (40, 56)), (13, (33, 47))])
def test_maps_are_the_image_and_its_octaves(channels, size):
    net = pyramid(channels, filters=5)
    images = noise(2, channels, *size)
    for border in ("reflect", "circular"):
        maps = net(images, border)
        assert maps[0] is images
        half = [-(-side // 2) for side in size]
        assert [m.shape[1:] for m in maps[1:]] == [(5, *size), (5, *half), (5, *[-(-side // 2) for side in half])]


def test_filters_have_mean_zero_and_length_one_and_are_state():
    net = pyramid()
    assert float(net.filters.mean((1, 2, 3)).abs().max()) < 1e-7
    torch.testing.assert_close(net.filters.flatten(1).norm(dim=1), torch.ones(32))
    assert not list(net.parameters()) and "filters" in net.state_dict()


def test_brightness_is_seen_by_no_octave():
    net, images = pyramid(), 0.5 * noise(1, 3, 32, 32)
    for a, b in zip(net(images)[1:], net(images + 0.3)[1:], strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def test_an_octave_holds_little_of_what_the_next_one_has():
    """A slow wave is in the coarse octave; on the bare image (the control) the finest filters would see it best."""
    wave = torch.sin(torch.arange(64) * 2 * torch.pi / 32).expand(1, 1, 64, 64).contiguous()
    net = pyramid(1)
    fine, _, coarse = (float(m.square().mean()) for m in net(wave, "circular")[1:])
    control = float(net.responses(wave, "circular").square().mean())
    assert fine < control / 100 and fine < coarse / 100


def test_circular_maps_move_with_the_image_and_reflected_ones_do_not():
    net, images = pyramid(), noise(1, 3, 32, 32)
    moved = images.roll((8, -4), (2, 3))
    for octave, (a, b) in enumerate(zip(net(images, "circular")[1:], net(moved, "circular")[1:], strict=True)):
        torch.testing.assert_close(a.roll((8 >> octave, -4 >> octave), (2, 3)), b, atol=1e-5, rtol=0)
    assert not torch.allclose(net(images)[1].roll((8, -4), (2, 3)), net(moved)[1], atol=1e-2)


def test_as_many_octaves_as_the_shorter_side_allows():
    assert [octaves_of((side, 100)) for side in (8, 15, 16, 31, 32, 64)] == [1, 1, 2, 2, 3, 3]
    for side in (8, 16, 32):
        net = pyramid(1, octaves=octaves_of((side, side)), filters=2)
        assert net.least <= side
        net(noise(1, 1, net.least, 40), "circular")


@pytest.mark.parametrize(("shape", "found"), [((1, 3, 15, 40), "3 of 15x40"), ((1, 1, 32, 32), "1 of 32x32")])
def test_images_it_can_not_see_are_one_sentence(shape, found):
    with pytest.raises(InputError, match=f"3 channels and sides of 16 pixels or more are needed, found {found}"):
        pyramid()(noise(*shape))


def grains():
    """Crops [3 kinds, 2 places] of three textures: fine noise, coarse noise, slanted stripes."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :80]
    fields = [rng.normal(size=(32, 80)), 3 * ndimage.gaussian_filter(rng.normal(size=(32, 80)), 1.5)]
    fields.append(np.sin((x + y) * 2 * np.pi / 7) + 0.3 * rng.normal(size=(32, 80)))
    fields = torch.tensor(np.stack(fields), dtype=torch.float32)[:, None] / 3
    return torch.stack([fields[..., :32], fields[..., 44:76]], 1)


@pytest.mark.parametrize("seed", range(5))
def test_two_crops_of_a_texture_are_nearer_than_crops_of_two(seed):
    net, crops = pyramid(1, seed), grains()
    apart = torch.stack([gram(net(a.expand(3, -1, -1, -1)))(net(crops[:, 1])) for a in crops[:, 0]])
    own = apart.diagonal()
    assert (own < apart.masked_fill(torch.eye(3, dtype=torch.bool), torch.inf).amin(1)).all()


# --- colours ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3, 13])
def test_a_palette_s_channels_are_uncorrelated_and_go_back(channels):
    images = noise(2, channels, 20, 24)
    images[:, -1] = 0.7 * images[:, 0] + 0.2  # correlated, and not around 0
    palette = Palette(images)
    flat = palette.apart(images).flatten(2)
    spread = flat @ flat.mT / flat.shape[2]
    assert float(flat.mean(2).abs().max()) < 1e-5
    assert float((spread - torch.diag_embed(spread.diagonal(dim1=1, dim2=2))).abs().max()) < 1e-5
    torch.testing.assert_close(spread[:, -1, -1], torch.ones(2))
    torch.testing.assert_close(palette.together(palette.apart(images)), images, atol=1e-5, rtol=0)
    torch.testing.assert_close(palette.together(torch.zeros(2, channels, 1, 1))[..., 0, 0], images.mean((2, 3)))


def test_the_palette_of_a_flat_image_is_finite():
    flat = torch.full((1, 3, 8, 8), 0.3)
    torch.testing.assert_close(Palette(flat).together(Palette(flat).apart(flat)), flat)


# --- VGG ---------------------------------------------------------------------------------------------------------


def small_vgg():
    """Three blocks as torchvision's networks have them, of random weights."""
    with seeded(0, "vgg"):
        layers = []
        for a, b, last in ((3, 4, False), (4, 4, True), (4, 6, True), (6, 8, True)):
            layers += [nn.Conv2d(a, b, 3, padding=1), nn.ReLU(inplace=True)] + [nn.MaxPool2d(2, 2)] * last
    network = nn.Module()
    network.features = nn.Sequential(*layers)
    return network


def test_layers_have_the_papers_names_and_come_in_the_order_asked_for():
    network = small_vgg()
    maps = VGGMaps(network, ("pool2", "conv1_2", "conv3_1"))(noise(2, 3, 32, 24))
    assert [tuple(m.shape[1:]) for m in maps] == [(6, 8, 6), (4, 32, 24), (8, 8, 6)]
    assert list(VGGMaps(network, ()).steps) == ["conv1_1", "conv1_2", "pool1", "conv2_1", "pool2", "conv3_1", "pool3"]


def test_pooling_is_the_mean_and_inputs_are_normalised_as_torchvision_s():
    network, images = small_vgg(), noise(1, 3, 16, 16)
    second, pooled = VGGMaps(network, ("conv1_2", "pool1"))(images)
    torch.testing.assert_close(pooled, F.avg_pool2d(second, 2))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = ((images + 1) / 2 - mean[:, None, None]) / std[:, None, None]
    inside = network.features[:4](x.clone())[..., 2:-2, 2:-2]  # beyond the borders, which are reflected here
    torch.testing.assert_close(second[..., 2:-2, 2:-2], inside)


def test_grey_images_are_seen_in_three_equal_channels_and_weights_get_no_gradient():
    net, grey = VGGMaps(small_vgg(), ("conv1_1",)), noise(1, 1, 16, 16).requires_grad_()
    maps = net(grey)
    torch.testing.assert_close(maps[0], net(grey.expand(-1, 3, -1, -1))[0])
    maps[0].sum().backward()
    assert grey.grad is not None and all(p.grad is None for p in net.parameters())


def test_what_vgg_can_not_give_is_one_sentence():
    with pytest.raises(InputError, match=r"pool3, found 'conv9_1'"):
        VGGMaps(small_vgg(), ("conv9_1",))
    with pytest.raises(InputError, match="1 or 3 channels, found 13"):
        VGGMaps(small_vgg(), ("conv1_1",))(noise(1, 13, 16, 16))


def test_features_have_names_and_others_are_refused():
    assert name_of(None) == "random pyramid" == name_of(pyramid())
    assert name_of(VGGMaps(small_vgg(), ())) == "vgg"
    assert name_of(nn.Identity()) == "Identity"
    refuse_other("x", None, "random pyramid")
    with pytest.raises(InputError, match="x was fitted with the features 'vgg', found 'random pyramid'"):
        refuse_other("x", None, "vgg")
