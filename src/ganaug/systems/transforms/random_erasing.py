# SPDX-License-Identifier: Apache-2.0
"""Random Erasing: a rectangle of noise somewhere inside the image.

Zhun Zhong, Liang Zheng, Guoliang Kang, Shaozi Li, Yi Yang, "Random Erasing Data Augmentation", AAAI 2020,
arXiv 1708.04896.

With probability p an image loses a rectangle whose area and aspect ratio are drawn from given ranges and which lies
wholly inside the image; the rectangle gets uniform random pixel values, the paper's best filling. A rectangle that
does not fit is drawn again, up to 100 times.

Labels: hard, unchanged. Masks, boxes and keypoints are left as they are.
Deviations: the aspect ratio is uniform in its logarithm, so that wide and tall rectangles are equally likely (the
authors' code draws it uniformly, which favours tall ones).
Cost: about 65,000 images of 32 px a second on one core.
"""

from __future__ import annotations

import torch

from ganaug.core.card import Card
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.spec import Spec
from ganaug.parts.ops.erase import erase, fitting_rectangles


class RandomErasing(System):
    """Random Erasing (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    p : probability that an image loses a rectangle (paper: 0.5).
    area : smallest and largest area as a share of the image (paper: 0.02, 0.4).
    aspect : smallest height over width; the largest is its inverse (paper: 0.3).
    """

    CARD = Card(
        id="random_erasing",
        kind="transform",
        title="Random Erasing",
        paper="Random Erasing Data Augmentation",
        arxiv="1708.04896",
        year=2017,
        task=("classification", "reid"),
        can=("augment",),
        sizes=(1, 16384),
        online=True,
        moves=("mask", "valid", "instances", "depth", "boxes", "keypoints", "views"),
        deviations=(
            "aspect ratio uniform in its logarithm",
            "masks, boxes, keypoints and views are left as they are",
        ),
        cost="65,000 images of 32 px a second on one core",
        shows="half of the images lose a rectangle, and its area is between 0.02 and 0.4 of the image.",
    )
    PRESETS = {"tiny": {}}

    def __init__(self, *, p: float = 0.5, area: tuple[float, float] = (0.02, 0.4), aspect: float = 0.3):
        self.p = p
        self.area = area
        self.aspect = aspect

    def build(self, spec: Spec) -> None:
        low, high = self.area
        if not 0 < low <= high <= 1 or not 0 < self.aspect <= 1 or not 0 <= self.p <= 1:
            raise InputError(
                "area must be two rising shares above 0 and up to 1, aspect one such share, p in 0..1; "
                f"found {self.area}, {self.aspect} and {self.p}."
            )

    def vary(self, batch: Batch) -> Batch:
        places = fitting_rectangles(len(batch), *batch.image.shape[-2:], p=self.p, area=self.area, aspect=self.aspect)
        return batch.but(image=erase(batch.image, places, 2 * torch.rand_like(batch.image) - 1))
