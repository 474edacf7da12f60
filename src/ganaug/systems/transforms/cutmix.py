# SPDX-License-Identifier: Apache-2.0
"""CutMix: a rectangle of another image, and of its label.

Sangdoo Yun, Dongyoon Han, Seong Joon Oh, Sanghyuk Chun, Junsuk Choe, Youngjoon Yoo, "CutMix: Regularization Strategy
to Train Strong Classifiers with Localizable Features", ICCV 2019, arXiv 1905.04899.

With probability p, a rectangle with sides sqrt(1 - lambda) of the image's, lambda ~ Beta(alpha, alpha), is centred
on a uniform pixel, cut to the image, and filled from the same place of another image of the batch; lambda then
becomes the share of pixels that are still the image's own. One rectangle a batch.

Labels: soft. Masks, boxes, keypoints and views are refused.
Deviations: none.
Cost: about 170,000 images of 32 px a second on one core.
"""

from __future__ import annotations

import math

import torch
from torch.distributions import Beta

from ganaug.core.card import Card
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.spec import Spec
from ganaug.parts.ops.mix import mixed, refuse_positions


class CutMix(System):
    """CutMix (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    alpha : parameter of the Beta distribution (paper: 1, which is uniform).
    p : probability that a batch is mixed (paper: 0.5 on CIFAR, 1 on ImageNet).
    """

    CARD = Card(
        id="cutmix",
        kind="transform",
        title="CutMix",
        paper="CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features",
        arxiv="1905.04899",
        year=2019,
        needs=("label",),
        can=("augment",),
        sizes=(1, 16384),
        labels="soft",
        online=True,
        on_batch=True,
        parents=("background", "rectangle"),
        cost="170,000 images of 32 px a second on one core",
        shows="the soft label's share of each source is exactly its share of the pixels.",
    )
    PRESETS = {"tiny": {}}

    def __init__(self, *, alpha: float = 1.0, p: float = 0.5):
        self.alpha = alpha
        self.p = p

    def build(self, spec: Spec) -> None:
        if self.alpha <= 0 or not 0 <= self.p <= 1:
            raise InputError(f"alpha must be above 0 and p in 0..1, found {self.alpha} and {self.p}.")

    def vary(self, batch: Batch) -> Batch:
        refuse_positions(batch, self.CARD.id)
        height, width = batch.image.shape[-2:]
        x0, y0, x1, y1 = self.rectangle(height, width) if torch.rand(()) < self.p else (0, 0, 0, 0)
        own, other = torch.arange(len(batch)), torch.randperm(len(batch))
        image = batch.image.clone()
        image[:, :, y0:y1, x0:x1] = batch.image[other, :, y0:y1, x0:x1]
        cut = (x1 - x0) * (y1 - y0) / (height * width)
        return mixed(batch, image, (own, other), (1 - cut, cut), len(self.spec.classes))

    def rectangle(self, height: int, width: int) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1), half open, cut to the image."""
        ratio = math.sqrt(1 - Beta(self.alpha, self.alpha).sample().item())
        wide, tall = int(width * ratio), int(height * ratio)
        x0, y0 = (int(torch.randint(side, ())) for side in (width, height))
        x0, y0 = x0 - wide // 2, y0 - tall // 2
        return max(x0, 0), max(y0, 0), min(x0 + wide, width), min(y0 + tall, height)
