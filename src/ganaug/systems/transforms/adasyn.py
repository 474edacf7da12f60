# SPDX-License-Identifier: Apache-2.0
"""ADASYN: as SMOTE, but more new images where a class borders on others.

Haibo He, Yang Bai, Edwardo A. Garcia, Shutao Li, "ADASYN: Adaptive Synthetic Sampling Approach for Imbalanced
Learning", IJCNN 2008.

For each image of a class, r is the share of other classes among its k nearest neighbours in the whole set. New images
start from an image in proportion to its r, and lie on the line to a neighbour of the same class.

Deviations: the paper rounds each image's number, so the total differs from the one asked for; here the starts follow
an evenly spread sequence through the cumulated r, which allocates in proportion for every number and keeps the total.
Where all r of a class are 0 the paper divides by zero; here every image starts equally often.
Cost: none to speak of.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganaug.core.card import Card
from ganaug.core.device import device
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.view import TrainView
from ganaug.parts.neighbours import nearest_others, same_class_neighbours

GOLDEN = 0.6180339887498949  # its multiples modulo 1 fill [0, 1) most evenly


class ADASYN(System):
    """ADASYN (see the module's first lines).

    Parameters
    ----------
    k : neighbours, both for the share of other classes and for the line (paper: 5).
    """

    CARD = Card(
        id="adasyn",
        title="ADASYN",
        paper="ADASYN: Adaptive Synthetic Sampling Approach for Imbalanced Learning",
        year=2008,
        lists=("002",),
        needs=("label",),
        can=("sample",),
        parents=("start", "neighbour"),
        min_rows=2,
        deviations=("starts are spread evenly in proportion to r, so the total is exactly the number asked for",),
        cost="a nearest-neighbour search once",
        shows="the number of images started from a training image is proportional to its share of foreign neighbours.",
    )
    PRESETS = {"paper": {"k": 5}, "tiny": {"k": 2}}

    def __init__(self, *, k: int = 5):
        self.k = k

    def prepare(self, train: TrainView) -> None:
        if self.k < 1:
            raise InputError(f"adasyn: k must be at least 1, found {self.k}.")
        batch = train.batch(train.label >= 0).to(device())
        self.images, self.labels, self.ids = batch.image, batch.label, batch.index
        flat = self.images.flatten(1)
        self.neighbours = same_class_neighbours(flat, self.labels, self.k)
        self.ends = self.cumulated(self.foreign_share(flat))

    def foreign_share(self, flat: Tensor) -> Tensor:
        """r [N]: the share of other classes among the k nearest other rows (He et al., eq. 2)."""
        around = nearest_others(flat, min(self.k, len(flat) - 1))
        return (self.labels[around] != self.labels[:, None]).float().mean(1)

    def cumulated(self, r: Tensor) -> Tensor:
        """Where each row's part of its class ends in [0, 1], [N]; equal parts where all r are 0 (eq. 3)."""
        ends = torch.zeros(len(r))
        for c in self.labels.unique():
            rows = self.labels == c
            weight = r[rows] if r[rows].sum() > 0 else torch.ones(int(rows.sum()))
            ends[rows] = torch.cumsum(weight / weight.sum(), 0)
        return ends

    def starts(self, want: Batch) -> Tensor:
        """The training row that each image starts from."""
        spot = ((want.index.double() + 0.5) * GOLDEN % 1.0).float()
        past = (self.labels[None] == want.label[:, None]) & (self.ends[None] > spot[:, None])
        first = torch.where(past, self.ends[None], 2.0).argmin(1)
        last = torch.where(self.labels[None] == want.label[:, None], self.ends[None], -1.0).argmax(1)
        return torch.where(past.any(1), first, last)  # rounding may leave the last end just below 1

    def generate(self, want: Batch) -> Batch:
        start = self.starts(want)
        other = self.neighbours[start, torch.randint(self.k, (len(want),))]
        u = torch.rand(len(want), 1, 1, 1)
        image = self.images[start] + u * (self.images[other] - self.images[start])
        return want.but(image=image, parents=torch.stack([self.ids[start], self.ids[other]], 1))
