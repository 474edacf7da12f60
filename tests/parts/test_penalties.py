# SPDX-License-Identifier: Apache-2.0
"""Penalties of a linear critic have closed forms; R1 is what makes the Dirac-GAN converge."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ganaug.parts.losses.penalties import gradient_penalty, lazy, lazy_adam, r1

SHAPES = [(4, 1, 8, 8), (4, 3, 6, 10), (4, 13, 5, 5)]


def linear(weight: torch.Tensor):
    return lambda images: (images * weight).sum((1, 2, 3))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_linear_critic(shape):
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(shape[1:], generator=generator)
    real, fake = torch.randn(2, *shape, generator=generator)
    critic, norm = linear(weight), weight.norm().item()
    x = real.clone().requires_grad_(True)
    assert r1(critic(x), x, gamma=3.0).item() == pytest.approx(1.5 * norm**2, rel=1e-5)
    with torch.random.fork_rng():
        assert gradient_penalty(critic, real, fake).item() == pytest.approx((norm - 1) ** 2, rel=1e-5)


def test_patch_logits_are_summed_before_the_gradient():
    x = torch.randn(2, 1, 4, 4, requires_grad=True)
    assert r1(2 * x, x, gamma=2.0).item() == pytest.approx(4 * 16)


def test_the_penalty_reaches_the_critic():
    net, x = nn.Linear(4, 1), torch.randn(8, 4, requires_grad=True)
    r1(net(x), x, gamma=2.0).backward()
    assert torch.allclose(net.weight.grad, 2 * net.weight.detach(), atol=1e-6)


def test_the_penalty_is_taken_between_real_and_fake():
    seen = []

    def critic(images):
        seen.append(images)
        return images.square().sum((1, 2, 3))

    real, fake = torch.full((64, 1, 2, 2), 3.0), torch.full((64, 1, 2, 2), 1.0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        gradient_penalty(critic, real, fake)
    at = seen[0].detach()
    assert at.min() > 1 and at.max() < 3 and at.std(0).min() > 0.3
    assert (at.flatten(1).std(1) < 1e-6).all()  # one point an image, not one a pixel


def test_lazy_weights_add_up_to_one_a_step():
    assert [lazy(t, 4) for t in range(8)] == [4, 0, 0, 0, 4, 0, 0, 0]
    assert sum(lazy(t, 16) for t in range(160)) == 160
    assert {lazy(t, 1) for t in range(5)} == {1}


def test_lazy_adam():
    made = lazy_adam(0.0025, (0.0, 0.99), 16)
    assert made["lr"] == pytest.approx(0.0025 * 16 / 17)
    assert made["betas"] == (0.0, pytest.approx(0.99 ** (16 / 17)))


def dirac_gan(gamma: float, steps: int = 1000, lr: float = 0.1) -> float:
    """Largest |theta| of the last 300 alternating steps; the data are a point at 0, D(x) = psi x (Mescheder et al.)."""
    path = []
    theta, psi = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    for _ in range(steps):
        x = torch.zeros(1, 1, requires_grad=True)
        critic = F.softplus(psi * theta.detach()).mean() + r1(psi * x, x, gamma)
        psi = descend(psi, critic, lr)
        theta = descend(theta, F.softplus(-psi.detach() * theta).mean(), lr)
        path.append(abs(theta.item()))
    return max(path[-300:])


def descend(parameter: torch.Tensor, loss: torch.Tensor, lr: float) -> torch.Tensor:
    (gradient,) = torch.autograd.grad(loss, parameter)
    return (parameter - lr * gradient).detach().requires_grad_(True)


def test_the_dirac_gan_converges_with_r1_only():
    assert dirac_gan(gamma=1.0) < 0.01
    assert dirac_gan(gamma=0.0) > 0.2
