# SPDX-License-Identifier: Apache-2.0
"""SMOTE: new images on the lines between an image and its nearest neighbours of the same class.

Nitesh V. Chawla, Kevin W. Bowyer, Lawrence O. Hall, W. Philip Kegelmeyer, "SMOTE: Synthetic Minority Over-sampling
Technique", JAIR 16, 2002, arXiv 1106.1813.

An image of the class is drawn, then one of its k nearest neighbours of the same class (pixels, Euclidean), and the new
image lies between them at a share u ~ U(0, 1), one u for the whole image.

Deviations: a class with fewer than k + 1 images uses the neighbours it has; one of a single image repeats it.
Cost: none to speak of.
"""

from __future__ import annotations

import torch

from ganaug.core.card import Card
from ganaug.core.device import device
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.view import TrainView
from ganaug.parts.neighbours import same_class_neighbours


class SMOTE(System):
    """SMOTE (see the module's first lines).

    Parameters
    ----------
    k : neighbours of the same class that may be the other end of the line (paper: 5).
    """

    CARD = Card(
        id="smote",
        title="SMOTE",
        paper="SMOTE: Synthetic Minority Over-sampling Technique",
        arxiv="1106.1813",
        year=2002,
        lists=("002",),
        needs=("label",),
        can=("sample",),
        parents=("start", "neighbour"),
        min_rows=2,
        deviations=("classes smaller than k + 1 use the neighbours they have",),
        cost="a nearest-neighbour search once",
        shows="every generated image lies on the segment between two training images of the class asked for.",
    )
    PRESETS = {"paper": {"k": 5}, "tiny": {"k": 2}}

    def __init__(self, *, k: int = 5):
        self.k = k

    def prepare(self, train: TrainView) -> None:
        if self.k < 1:
            raise InputError(f"smote: k must be at least 1, found {self.k}.")
        batch = train.batch(train.label >= 0).to(device())
        self.images, self.labels, self.ids = batch.image, batch.label, batch.index
        self.neighbours = same_class_neighbours(self.images.flatten(1), self.labels, self.k)

    def generate(self, want: Batch) -> Batch:
        start = torch.multinomial((want.label[:, None] == self.labels[None]).float(), 1).flatten()
        other = self.neighbours[start, torch.randint(self.k, (len(want),))]
        u = torch.rand(len(want), 1, 1, 1)
        image = self.images[start] + u * (self.images[other] - self.images[start])
        return want.but(image=image, parents=torch.stack([self.ids[start], self.ids[other]], 1))
