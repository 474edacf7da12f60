# SPDX-License-Identifier: Apache-2.0
"""Spectral normalisation against singular values; what it must do for runs that resume."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn

from ganaug.core import state
from ganaug.parts.nets.spectral import spectrally_normalised


@pytest.fixture
def net():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = nn.Sequential(nn.Conv2d(2, 6, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(6 * 4, 3))
        return spectrally_normalised(made)


def images() -> torch.Tensor:
    return torch.randn(5, 2, 4, 4, generator=torch.Generator().manual_seed(1))


def test_the_largest_singular_value_becomes_1(net):
    for _ in range(50):
        net(images())
    net.eval()
    for layer in (net[0], net[3]):
        raw = layer.parametrizations.weight.original
        values = torch.linalg.svdvals(layer.weight.flatten(1))
        assert values[0].item() == pytest.approx(1.0, abs=1e-3)
        assert torch.allclose(layer.weight, raw / torch.linalg.svdvals(raw.flatten(1))[0], atol=1e-3)


def test_it_bounds_a_scaled_network(net):
    with torch.no_grad():
        net[3].parametrizations.weight.original.mul_(100)
    assert torch.linalg.svdvals(net.eval()[3].weight)[0] < 1.1


def test_embeddings_too():
    table = spectrally_normalised(nn.Sequential(nn.Embedding(4, 8)))
    with torch.random.fork_rng():
        for _ in range(50):
            table(torch.arange(4))
    assert torch.linalg.svdvals(table.eval()[0].weight)[0].item() == pytest.approx(1.0, abs=1e-3)


def test_evaluation_mode_changes_nothing(net):
    net.eval()
    before = deepcopy(net.state_dict())
    first = net(images())
    assert torch.equal(first, net(images()))
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_a_run_goes_on_bit_for_bit_from_its_state(net):
    def train(module, optimiser, steps):
        for _ in range(steps):
            optimiser.zero_grad()
            (module(images()).square().mean() - module(-images()).mean()).backward()
            optimiser.step()

    other = deepcopy(net)
    one, two = (torch.optim.Adam(m.parameters(), 1e-2) for m in (net, other))
    train(net, one, 3)
    train(other, two, 1)  # a different history, which loading must wipe out
    tensors, skeleton = state.pack(net.state_dict())
    other.load_state_dict(state.unpack(tensors, skeleton))
    two.load_state_dict(deepcopy(one.state_dict()))
    train(net, one, 3)
    train(other, two, 3)
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), other.state_dict().values(), strict=True))
