# SPDX-License-Identifier: Apache-2.0
"""Colour match: a second set's mean and deviation of each channel. The control that every translator has to beat.

Where matching colours does as well as a translator, the two kinds of images differ in little more than colour.

Deviations: none.
Cost: none.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ganaug.core.card import Card
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.spec import Spec
from ganaug.data.view import TrainView


class ColourMatch(System):
    """Every image with each channel scaled and shifted as the two sets as wholes differ; labels and masks stay."""

    CARD = Card(
        id="colour_match",
        title="Colour match",
        paper="textbook",
        task=("classification", "segmentation"),
        sets=("b",),
        can=("augment",),
        sizes=(1, 16384),
        labels="carry",
        moves=("mask", "valid", "instances", "depth", "boxes", "keypoints", "views"),
        shows="matched images have the mean and the deviation of the second set in every channel.",
    )
    PRESETS = {"tiny": {}}

    @property
    def out_spec(self) -> Spec:
        """Matched images: bands and numbers of the second set, all else as in the first."""
        return self.spec.looking_like(self.spec.others["b"])

    def prepare(self, train: TrainView) -> None:
        ours, theirs = train.spec.channels, train.others["b"].spec.channels
        if ours != theirs:
            raise InputError(f"colour_match needs equal channels in both sets, found {ours} and {theirs}: convert one.")
        self.mean_a, self.deviation_a = moments(train)
        self.mean_b, self.deviation_b = moments(train.others["b"])

    def vary(self, batch: Batch) -> Batch:
        scale = self.deviation_b / self.deviation_a.clamp_min(1e-6)
        shift = self.mean_b - scale * self.mean_a
        image = batch.image * scale[:, None, None] + shift[:, None, None]
        return batch.but(image=image.clamp(-1, 1))


def moments(data: ImageSet, piece: int = 256) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
    """Mean and standard deviation of each channel over all valid pixels, a piece of the set at a time."""
    total, squares, count = 0.0, 0.0, 0
    for first in range(0, len(data), piece):
        rows = slice(first, min(first + piece, len(data)))
        values = data.images(rows).double().transpose(0, 1).flatten(1)
        values = values if data.valid is None else values[:, torch.from_numpy(data.valid[rows].ravel())]
        total, squares, count = total + values.sum(1), squares + values.square().sum(1), count + values.shape[1]
    mean = torch.as_tensor(total) / count
    return mean.float(), (torch.as_tensor(squares) / count - mean.square()).clamp_min(0).sqrt().float()
