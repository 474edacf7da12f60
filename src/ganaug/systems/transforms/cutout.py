# SPDX-License-Identifier: Apache-2.0
"""Cutout: a grey square somewhere over the image.

Terrance DeVries, Graham W. Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017,
arXiv 1708.04552.

The centre of the square is a uniform pixel of the image, and the square is cut to the image, so the visible hole is
often smaller: the paper found this essential. The hole gets the mean after normalisation, here mid grey.

Labels: hard, unchanged. Masks, boxes and keypoints are left as they are: what is behind the hole is still there.
Deviations: the length is a share of the shorter side, so that one value fits all sizes; odd lengths are kept, where
the authors' code loses a pixel.
Cost: about 160,000 images of 32 px a second on one core.
"""

from __future__ import annotations

import torch

from ganaug.core.card import Card
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.spec import Spec
from ganaug.parts.ops.erase import clipped_square, erase


class Cutout(System):
    """Cutout (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    length : side of the square as a share of the image's shorter side (paper: 16 of 32 px on CIFAR-10, 8 on
        CIFAR-100, 20 on SVHN).
    """

    CARD = Card(
        id="cutout",
        kind="transform",
        title="Cutout",
        paper="Improved Regularization of Convolutional Neural Networks with Cutout",
        arxiv="1708.04552",
        year=2017,
        lists=("004",),
        task=("classification", "reid"),
        can=("augment",),
        sizes=(1, 16384),
        online=True,
        moves=("mask", "valid", "instances", "depth", "boxes", "keypoints", "views"),
        deviations=(
            "length is a share of the shorter side",
            "odd lengths are kept",
            "masks, boxes, keypoints and views are left as they are",
        ),
        cost="160,000 images of 32 px a second on one core",
        shows="at length 16 of 32 px the visible hole covers 0.191 of the image on average, not 0.25.",
    )
    PRESETS = {"tiny": {}}

    def __init__(self, *, length: float = 0.5):
        self.length = length

    def build(self, spec: Spec) -> None:
        if self.length <= 0:
            raise InputError(f"length must be above 0, found {self.length}: give a share of the shorter side.")

    def vary(self, batch: Batch) -> Batch:
        height, width = batch.image.shape[-2:]
        length = round(self.length * min(height, width))
        squares = clipped_square(height, width, length, len(batch))
        return batch.but(image=erase(batch.image, squares, torch.tensor(0.0)))
