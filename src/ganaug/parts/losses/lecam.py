# SPDX-License-Identifier: Apache-2.0
"""LeCam: keep a critic's predictions of real images near those of generated ones seen lately, and the reverse.

Tseng, Jiang, Liu, Yang, Yang, "Regularizing Generative Adversarial Networks under Limited Data", CVPR 2021, arXiv
2104.03310, equation 3, in the one-sided form of all published code.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

Logits = Float[Tensor, "*b"]


def lecam(real: Logits, fake: Logits, real_anchor: Tensor, fake_anchor: Tensor) -> Float[Tensor, ""]:
    """mean relu(D(x) - a_F)^2 + mean relu(a_R - D(G(z)))^2; the anchors cross over and are constants."""
    above = F.relu(real - fake_anchor.detach()).square().mean()
    below = F.relu(real_anchor.detach() - fake).square().mean()
    return above + below


class LeCam(nn.Module):
    """The penalty with anchors that are moving means of the critic's logits (zero-debiased, so right from the start).

    Its weight depends on the range of the logits: 0.3 suits the hinge loss at 32 px (the authors' BigGAN code).
    """

    real: Tensor
    fake: Tensor
    weight: Tensor

    def __init__(self, decay: float = 0.99):
        super().__init__()
        self.decay = decay
        for name in ("real", "fake", "weight"):
            self.register_buffer(name, torch.zeros(()))

    def forward(self, real: Logits, fake: Logits) -> Float[Tensor, ""]:
        """Move the anchors by these logits, then the penalty against them."""
        with torch.no_grad():
            self.real.lerp_(real.float().mean(), 1 - self.decay)
            self.fake.lerp_(fake.float().mean(), 1 - self.decay)
            self.weight.lerp_(torch.ones_like(self.weight), 1 - self.decay)
        return lecam(real, fake, self.real / self.weight, self.fake / self.weight)
