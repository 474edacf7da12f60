# SPDX-License-Identifier: Apache-2.0
"""RICAP: four random crops patched together, labels by area.

Ryo Takahashi, Takashi Matsubara, Kuniaki Uehara, "RICAP: Random Image Cropping and Patching Data Augmentation for
Deep CNNs", ACML 2018, arXiv 1811.09030.

A batch draws one inner corner (w, h), each share of the side from Beta(beta, beta); four permutations of the batch
each give the crop for one quarter, cut at a random position of its source and put at its own corner. The soft label
weighs the four labels by area.

Labels: soft. Masks, boxes, keypoints and views are refused.
Deviations: none.
Cost: about 125,000 images of 32 px a second on one core.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Beta

from ganaug.core.card import Card
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.spec import Spec
from ganaug.parts.ops.mix import mixed, refuse_positions


class RICAP(System):
    """RICAP (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    beta : parameter of the Beta distribution (paper: 0.3; 5 makes four quarters of nearly equal size).
    """

    CARD = Card(
        id="ricap",
        kind="transform",
        title="RICAP",
        paper="RICAP: Random Image Cropping and Patching Data Augmentation for Deep CNNs",
        arxiv="1811.09030",
        year=2018,
        lists=("004",),
        needs=("label",),
        can=("augment",),
        sizes=(1, 16384),
        labels="soft",
        online=True,
        on_batch=True,
        parents=("top left", "top right", "bottom left", "bottom right"),
        cost="125,000 images of 32 px a second on one core",
        shows="with four constant images, the share of pixels of each equals its weight in the soft label.",
    )
    PRESETS = {"tiny": {}}

    def __init__(self, *, beta: float = 0.3):
        self.beta = beta

    def build(self, spec: Spec) -> None:
        if self.beta <= 0:
            raise InputError(f"beta must be above 0, found {self.beta}.")

    def vary(self, batch: Batch) -> Batch:
        refuse_positions(batch, self.CARD.id)
        height, width = batch.image.shape[-2:]
        w, h = self.inner_corner(height, width)
        sizes = ((h, w), (h, width - w), (height - h, w), (height - h, width - w))
        orders = [torch.randperm(len(batch)) for _ in sizes]
        crops = [crop(batch.image, *size)[order] for order, size in zip(orders, sizes, strict=True)]
        rows = [torch.cat(crops[:2], 3), torch.cat(crops[2:], 3)]
        shares = [tall * wide / (height * width) for tall, wide in sizes]
        return mixed(batch, torch.cat(rows, 2), orders, shares, len(self.spec.classes))

    def inner_corner(self, height: int, width: int) -> tuple[int, int]:
        """(w, h): where the four crops meet, in pixels from the left and the top."""
        u, v = Beta(self.beta, self.beta).sample((2,)).tolist()
        return round(u * width), round(v * height)


def crop(image: Float[Tensor, "b c h w"], tall: int, wide: int) -> Float[Tensor, "b c tall wide"]:
    """The images cut to a size at one uniform position."""
    y = int(torch.randint(image.shape[2] - tall + 1, ()))
    x = int(torch.randint(image.shape[3] - wide + 1, ()))
    return image[:, :, y : y + tall, x : x + wide]
