# SPDX-License-Identifier: Apache-2.0
"""The moving average of weights: constants, half-life, ramp-up, buffers, state."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganaug.parts.ema import EMA


def network(value: float = 0.0) -> nn.Module:
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    for p in net.parameters():
        nn.init.constant_(p, value)
    return net


def test_of_a_constant_it_is_that_constant():
    net = network(0.37)
    average = EMA(net, 1000)
    for _ in range(50):
        average.update(net, 32)
    assert all(torch.equal(a, b) for a, b in zip(average.module.parameters(), net.parameters(), strict=True))


def test_half_of_a_step_is_gone_after_the_half_life():
    average = EMA(network(0.0), half_life=320, ramp=float("inf"))
    new = network(1.0)
    for _ in range(10):
        average.update(new, 32)
    assert average.module[0].weight[0, 0].item() == pytest.approx(0.5, abs=1e-5)


def test_the_half_life_ramps_up_with_the_images_seen():
    average = EMA(network(0.0), half_life=1e9, ramp=0.05)
    average.update(network(1.0), 100)  # half-life 5 images: 2^-20 is left
    assert average.module[0].weight[0, 0].item() == pytest.approx(1 - 2.0**-20, abs=1e-7)
    average.update(network(0.0), 100)  # half-life 10: 2^-10 of the 1 is left
    assert average.module[0].weight[0, 0].item() == pytest.approx(2.0**-10, rel=1e-3)


def test_buffers_are_copied_not_averaged():
    net = network()
    average = EMA(net, 1e9, ramp=float("inf"))
    net[1].running_mean.fill_(5.0)
    net[1].num_batches_tracked.fill_(7)
    average.update(net, 32)
    assert (average.module[1].running_mean == 5).all() and average.module[1].num_batches_tracked == 7


def test_it_is_a_copy_without_gradients():
    net = network()
    average = EMA(net)
    assert not any(p.requires_grad for p in average.parameters())
    assert all(p.requires_grad for p in net.parameters())
    nn.init.ones_(net[0].weight)
    assert (average.module[0].weight == 0).all()
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(average(x), average.module(x))


def test_it_goes_on_from_its_state():
    first, second = EMA(network(0.0)), EMA(network(9.0))
    first.update(network(1.0), 64)
    second.load_state_dict(first.state_dict())
    for each in (first, second):
        each.update(network(2.0), 64)
    assert torch.equal(first.module[0].weight, second.module[0].weight)
    assert first.seen == second.seen == 128
