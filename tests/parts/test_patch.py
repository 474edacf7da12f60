# SPDX-License-Identifier: Apache-2.0
"""The patch critic: the published table of fields and map sizes, the field as gradients see it, norms and start."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganaug.parts.nets.patch import PatchGAN, receptive_field

TABLE = {1: (16, 126), 2: (34, 62), 3: (70, 30), 4: (142, 14), 5: (286, 6)}  # layers: field, map for 256 px


@pytest.mark.parametrize(("layers", "field", "side"), [(n, *row) for n, row in TABLE.items()])
def test_fields_and_maps_are_the_published_ones(layers, field, side):
    assert receptive_field(layers) == field
    assert PatchGAN(1, width=1, layers=layers)(torch.zeros(1, 1, 256, 256)).shape == (1, 1, side, side)


@pytest.mark.parametrize("layers", TABLE)
def test_a_logit_depends_on_exactly_its_patch(layers):
    """Without norms, which let a logit see the statistics of the whole image."""
    torch.manual_seed(0)
    field = receptive_field(layers)
    side = (field // 2**layers + 8) * 2**layers
    critic = PatchGAN(1, width=1, layers=layers, norm=nn.Identity).double()
    image = torch.randn(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    logits = critic(image)
    middle = logits.shape[-1] // 2
    (gradient,) = torch.autograd.grad(logits[0, 0, middle, middle], image)
    for axis in (0, 1):
        touched = gradient[0, 0].abs().amax(axis).nonzero().flatten()
        assert len(touched) == field
        assert int(touched[-1] - touched[0]) == field - 1
        assert int(touched[0]) > 0 and int(touched[-1]) < side - 1, "the border does not cut the patch"


def test_published_number_of_parameters():
    assert sum(p.numel() for p in PatchGAN(3).parameters()) == 2_764_737


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_first_and_last_layer_have_no_norm(layers):
    norms = []
    PatchGAN(3, width=8, layers=layers, norm=lambda width: norms.append(width) or nn.Identity())
    assert norms == [16, 32, 64][:layers]


def test_norms_have_no_gains_and_remember_nothing():
    critic = PatchGAN(3, width=4)
    norms = [part for part in critic if isinstance(part, nn.InstanceNorm2d)]
    assert len(norms) == 3
    assert not any(list(part.parameters()) + list(part.buffers()) for part in norms)


def test_weights_start_from_a_normal_distribution_and_biases_from_0():
    torch.manual_seed(0)
    for part in PatchGAN(3, width=32):
        if isinstance(part, nn.Conv2d):
            assert float(part.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
            assert not part.bias.any()


@pytest.mark.parametrize(("channels", "size"), [(1, (24, 40)), (13, (33, 25))])
def test_any_channels_and_oblong_sizes(channels, size):
    halved = [((n // 2) // 2) // 2 - 2 for n in size]
    assert PatchGAN(channels, width=4)(torch.zeros(2, channels, *size)).shape == (2, 1, *halved)
