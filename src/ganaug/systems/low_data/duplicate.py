# SPDX-License-Identifier: Apache-2.0
"""Duplicate: real images again. The control that every generator has to beat with the same number of images.

Random oversampling is the textbook remedy for skewed sets; where a generator helps no more than copies of the real
images do, the help came from the numbers and not from the images.

Cost: none.
"""

from __future__ import annotations

import torch

from ganaug.core.card import Card
from ganaug.core.device import device
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.view import TrainView


class Duplicate(System):
    """Copies of real images of the class asked for, with their masks, drawn uniformly."""

    CARD = Card(
        id="duplicate",
        title="Duplicated real images",
        paper="textbook",
        needs=("label",),
        task=("classification", "segmentation"),
        can=("sample",),
        parents=("source",),
        shows="every image it makes equals a training image of the class that was asked for.",
    )
    PRESETS = {"tiny": {}}

    def prepare(self, train: TrainView) -> None:
        batch = train.batch(slice(None)).to(device())
        self.images, self.labels, self.ids = batch.image, batch.label, batch.index
        self.masks = batch.mask

    def generate(self, want: Batch) -> Batch:
        same = (want.label[:, None] == self.labels[None]).float()
        rows = torch.multinomial(same, 1).flatten()
        masks = getattr(self, "masks", None)
        mask = None if masks is None else masks[rows]
        return want.but(image=self.images[rows], mask=mask, parents=self.ids[rows][:, None])
