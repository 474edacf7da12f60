# SPDX-License-Identifier: Apache-2.0
"""TrivialAugment: one random operation of random strength, no parameters.

Samuel G. Mueller, Frank Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation", ICCV 2021,
arXiv 2103.10158.

Every image goes through one operation, drawn uniformly from 14, at a strength drawn uniformly from 31, in the wide
space of strengths. There is nothing to tune: it is the baseline of every searched policy.

Labels: hard, unchanged. Masks, boxes, keypoints and views move with the image.
Deviations: translations go up to 32 px as published, but at most to the side, so that images below 32 px are treated
as CIFAR's 32 px are; torchvision's signed enhancers (1 +- 0.99); resampling is bilinear and what it uncovers is mid
grey; Color changes 3 channels only, Solarize 1 and 3, else they leave the image as it is; the rest acts band by band.
Cost: about 38,000 images of 32 px a second on one core.
"""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from ganaug.core.card import Card
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.parts.ops.policy_ops import OPS, apply_op, magnitudes, wide_table

BINS = 31


class TrivialAugment(System):
    """TrivialAugment with the wide space (see the module's first lines for paper and mechanism)."""

    CARD = Card(
        id="trivialaugment",
        kind="transform",
        title="TrivialAugment",
        paper="TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation",
        arxiv="2103.10158",
        year=2021,
        lists=("001",),
        task=("classification", "segmentation", "reid"),
        can=("augment",),
        sizes=(1, 16384),
        online=True,
        moves=("mask", "valid", "instances", "depth", "boxes", "keypoints", "views"),
        deviations=(
            "translations of at most the image's side",
            "torchvision's signed enhancers",
            "bilinear resampling over mid grey",
            "Color is the identity unless there are 3 channels, Solarize unless there are 1 or 3",
        ),
        cost="38,000 images of 32 px a second on one core",
        shows="every image goes through exactly one operation, and strengths are uniform on 31 bins.",
    )
    PRESETS = {"tiny": {}}

    def vary(self, batch: Batch) -> Batch:
        op, level = self.choices(len(batch))
        table = wide_table(*batch.image.shape[-2:], BINS)
        return apply_op(batch, op, magnitudes(table, op, level))

    def choices(self, n: int) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
        """Operation (a position in OPS) and strength 0..30 of each image."""
        return torch.randint(len(OPS), (n,)), torch.randint(BINS, (n,))
