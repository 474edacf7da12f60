# SPDX-License-Identifier: Apache-2.0
"""Mixup: weighted means of two images and of their labels.

Hongyi Zhang, Moustapha Cisse, Yann N. Dauphin, David Lopez-Paz, "mixup: Beyond Empirical Risk Minimization",
ICLR 2018, arXiv 1710.09412.

One weight lambda ~ Beta(alpha, alpha) a batch; image i becomes lambda x_i + (1 - lambda) x_j with j from a random
permutation of the batch, and its label the same mixture.

Labels: soft. Masks, boxes, keypoints and views are refused.
Deviations: none.
Cost: about 170,000 images of 32 px a second on one core.
"""

from __future__ import annotations

import torch
from torch.distributions import Beta

from ganaug.core.card import Card
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.spec import Spec
from ganaug.parts.ops.mix import mixed, refuse_positions


class Mixup(System):
    """Mixup (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    alpha : parameter of the Beta distribution (paper: 1 on CIFAR-10, 0.2 on ImageNet).
    """

    CARD = Card(
        id="mixup",
        kind="transform",
        title="Mixup",
        paper="mixup: Beyond Empirical Risk Minimization",
        arxiv="1710.09412",
        year=2017,
        needs=("label",),
        can=("augment",),
        sizes=(1, 16384),
        labels="soft",
        online=True,
        on_batch=True,
        parents=("first", "second"),
        cost="170,000 images of 32 px a second on one core",
        shows="cross-entropy against the soft label is lambda CE(y_i) + (1 - lambda) CE(y_j).",
    )
    PRESETS = {"tiny": {}}

    def __init__(self, *, alpha: float = 1.0):
        self.alpha = alpha

    def build(self, spec: Spec) -> None:
        if self.alpha <= 0:
            raise InputError(f"alpha must be above 0, found {self.alpha}.")

    def vary(self, batch: Batch) -> Batch:
        refuse_positions(batch, self.CARD.id)
        share = Beta(self.alpha, self.alpha).sample().item()
        own, other = torch.arange(len(batch)), torch.randperm(len(batch))
        image = torch.lerp(batch.image[other], batch.image, share)
        return mixed(batch, image, (own, other), (share, 1 - share), len(self.spec.classes))
