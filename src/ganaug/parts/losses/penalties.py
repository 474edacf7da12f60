# SPDX-License-Identifier: Apache-2.0
"""Gradient penalties of critics, with norms over every axis but the batch, and how to apply them lazily."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Images = Float[Tensor, "b c h w"]


def input_gradient(logits: Float[Tensor, "b ..."], images: Images) -> Float[Tensor, "b d"]:
    """d sum(logits) / d images, one row an image, with a graph of its own; `images` must require a gradient."""
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.flatten(1)


def r1(critic_logits: Float[Tensor, "b ..."], images: Images, gamma: float = 10.0) -> Float[Tensor, ""]:
    """gamma / 2 * mean |grad_x D(x)|^2 on real images (Mescheder et al. 2018, arXiv 1801.04406, equation 9).

    `critic_logits` (before any sigmoid) must have been computed from `images`, which must require a gradient.
    Karras et al. 2020 advise gamma = 0.0002 * side^2 / batch as a start.
    """
    return 0.5 * gamma * input_gradient(critic_logits, images).square().sum(1).mean()


def gradient_penalty(critic: Callable[[Images], Tensor], real: Images, fake: Images) -> Float[Tensor, ""]:
    """mean (|grad D(x)| - 1)^2 at one random point between each real and fake image.

    Gulrajani et al. 2017, arXiv 1704.00028, equation 3, without its weight (lambda = 10). The critic must not mix
    images of a batch, so no batch norm.
    """
    share = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device)
    between = torch.lerp(real.detach(), fake.detach(), share).requires_grad_(True)
    norm = input_gradient(critic(between), between).norm(dim=1)
    return (norm - 1).square().mean()


def lazy(t: int, every: int) -> int:
    """Weight of a penalty at step t when it is computed only every `every` steps: `every` then, 0 between.

    The expected gradient is that of weight 1 at every step (Karras et al. 2020, arXiv 1912.04958, section 3.1).
    """
    return every if t % every == 0 else 0


def lazy_adam(lr: float, betas: tuple[float, float], every: int) -> dict:
    """Adam's `lr` and `betas` for a network with a lazy penalty: lr * c and beta^c, c = every / (every + 1)."""
    c = every / (every + 1)
    return {"lr": lr * c, "betas": (betas[0] ** c, betas[1] ** c)}
