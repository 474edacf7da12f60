# SPDX-License-Identifier: Apache-2.0
"""Minibatch layers by hand."""

from __future__ import annotations

import pytest
import torch

from ganaug.parts.nets.minibatch import MinibatchDiscrimination, MinibatchStd


def test_the_standard_deviation_by_hand():
    # Groups of 2 of 4 images are rows (0, 2) and (1, 3). Channel means of |difference| / 2: 3 and 0.5.
    x = torch.zeros(4, 2, 1, 2)
    x[2, 0] = torch.tensor([[4.0, 8.0]])
    x[2, 1] = torch.tensor([[0.0, 12.0]])
    x[3, 1] = torch.tensor([[2.0, 2.0]])
    y = MinibatchStd(group=2)(x)
    assert y.shape == (4, 3, 1, 2)
    assert torch.equal(y[:, :2], x)
    assert torch.allclose(y[:, 2, 0, 0], torch.tensor([3.0, 0.5, 3.0, 0.5]), atol=1e-3)
    assert torch.equal(y[:, 2, 0, 0], y[:, 2, 0, 1])


def test_equal_images_have_no_spread_and_a_finite_gradient():
    x = torch.ones(8, 3, 4, 4, requires_grad=True)
    y = MinibatchStd()(x)
    assert y[:, 3].abs().max() < 1e-3
    y.sum().backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("batch", [1, 2, 5, 6, 7])
def test_any_batch_size(batch):
    x = torch.randn(batch, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    assert torch.isfinite(MinibatchStd(4)(x)).all()


def discrimination(features: int = 6) -> MinibatchDiscrimination:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MinibatchDiscrimination(features, kernels=4, dimensions=3)


def test_equal_rows_are_closest():
    layer = discrimination()
    y = layer(torch.ones(5, 6))
    assert y.shape == (5, layer.out) == (5, 10)
    assert torch.allclose(y[:, 6:], torch.full((5, 4), 4.0))


def test_far_rows_are_not_close_at_all():
    y = discrimination()(torch.eye(6) * 1e4)
    assert y[:, 6:].abs().max() < 1e-5


def test_two_rows_by_hand():
    layer = discrimination(2)
    x = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    t = layer.tensor.detach()
    closeness = torch.exp(-(t[0] - 2 * t[1]).abs().sum(1))
    assert torch.allclose(layer(x)[:, 2:].detach(), closeness.expand(2, 4), atol=1e-5)


def test_the_order_of_the_batch_does_not_matter():
    layer = discrimination()
    x = torch.randn(7, 6, generator=torch.Generator().manual_seed(0))
    order = torch.tensor([3, 1, 6, 0, 2, 5, 4])
    assert torch.allclose(layer(x)[order], layer(x[order]), atol=1e-5)
