# SPDX-License-Identifier: Apache-2.0
"""RandAugment: a few random operations of one common strength.

Ekin D. Cubuk, Barret Zoph, Jonathon Shlens, Quoc V. Le, "RandAugment: Practical Automated Data Augmentation with a
Reduced Search Space", NeurIPS 2020, arXiv 1909.13719.

Every image goes through `ops` operations, each drawn uniformly with replacement from 14, all at magnitude
`magnitude`; these two numbers replace a policy search.

Labels: hard, unchanged. Masks, boxes, keypoints and views move with the image.
Deviations: torchvision's signed enhancers and 31 bins (a magnitude of 9 of 30 is weaker than 9 of 10 in the original
code); resampling is bilinear and what it uncovers is mid grey; Color changes 3 channels only, Solarize 1 and 3, else
they leave the image as it is; the rest acts band by band.
Cost: about 20,000 images of 32 px a second on one core.
"""

from __future__ import annotations

import torch

from ganaug.core.card import Card
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.spec import Spec
from ganaug.parts.ops.policy_ops import OPS, apply_op, magnitudes, standard_table


class RandAugment(System):
    """RandAugment (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    ops : operations an image, N in the paper (2).
    magnitude : strength 0..bins - 1, M in the paper (9 of 30 here; to be tuned on the training fold).
    bins : number of strengths.
    """

    CARD = Card(
        id="randaugment",
        kind="transform",
        title="RandAugment",
        paper="RandAugment: Practical Automated Data Augmentation with a Reduced Search Space",
        arxiv="1909.13719",
        year=2019,
        lists=("001",),
        task=("classification", "segmentation", "reid"),
        can=("augment",),
        sizes=(1, 16384),
        online=True,
        moves=("mask", "valid", "instances", "depth", "boxes", "keypoints", "views"),
        deviations=(
            "torchvision's signed enhancers and 31 bins",
            "bilinear resampling over mid grey",
            "Color is the identity unless there are 3 channels, Solarize unless there are 1 or 3",
        ),
        cost="20,000 images of 32 px a second on one core",
        shows="the mean change of an image grows with the magnitude, for every operation that has one.",
    )
    PRESETS = {"tiny": {}}

    def __init__(self, *, ops: int = 2, magnitude: int = 9, bins: int = 31):
        self.ops = ops
        self.magnitude = magnitude
        self.bins = bins

    def build(self, spec: Spec) -> None:
        if not 0 <= self.magnitude < self.bins or self.bins < 2:
            raise InputError(
                f"magnitude must be 0..bins - 1 with at least 2 bins, "
                f"found magnitude {self.magnitude} and {self.bins} bins."
            )

    def vary(self, batch: Batch) -> Batch:
        n = len(batch)
        table = standard_table(*batch.image.shape[-2:], self.bins)
        for _ in range(self.ops):
            op = torch.randint(len(OPS), (n,))
            batch = apply_op(batch, op, magnitudes(table, op, torch.full((n,), self.magnitude)))
        return batch
