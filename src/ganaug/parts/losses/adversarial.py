# SPDX-License-Identifier: Apache-2.0
"""Adversarial losses of logits, each a mean over the batch: the critic's side and the generator's side."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

Logits = Float[Tensor, "*b"]


def logistic_critic(real: Logits, fake: Logits) -> Float[Tensor, ""]:
    """softplus(-D(x)) + softplus(D(G(z))) (Goodfellow et al. 2014, eq. 1, as logits)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def nonsaturating_generator(fake: Logits) -> Float[Tensor, ""]:
    """softplus(-D(G(z))) (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake).mean()


def hinge_critic(real: Logits, fake: Logits) -> Float[Tensor, ""]:
    """relu(1 - D(x)) + relu(1 + D(G(z))) (Lim and Ye 2017)."""
    return F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean()


def hinge_generator(fake: Logits) -> Float[Tensor, ""]:
    """-D(G(z))."""
    return -fake.mean()


wasserstein_generator = hinge_generator


def wasserstein_critic(real: Logits, fake: Logits) -> Float[Tensor, ""]:
    """D(G(z)) - D(x) (Arjovsky et al. 2017)."""
    return fake.mean() - real.mean()


def least_squares_critic(real: Logits, fake: Logits) -> Float[Tensor, ""]:
    """((D(x) - 1)^2 + D(G(z))^2) / 2 (Mao et al. 2017, a = 0, b = c = 1)."""
    return 0.5 * ((real - 1.0).square().mean() + fake.square().mean())


def least_squares_generator(fake: Logits) -> Float[Tensor, ""]:
    """(D(G(z)) - 1)^2 / 2."""
    return 0.5 * (fake - 1.0).square().mean()
