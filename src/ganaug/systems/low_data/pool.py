# SPDX-License-Identifier: Apache-2.0
"""Pool: the unlabelled images themselves, with guessed labels. The control of everything that learns from such a pool.

Dong-Hyun Lee, "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks", ICML
workshop 2013.

A generator that has learnt from unlabelled images knows more than the labels tell; so does a model that is simply
trained on these images with the classes that it, or a model before it, finds in them. Where a generator brings no more
than that, it was not needed.

Labels: by default the distribution that a model of the labelled images gives; the label policy pseudo_label takes, as
the paper does, the class that the model in training finds most likely.
Deviations: guesses by a model that has finished its training; no weight that grows over the training (a recipe's ramp
lets the share of such images grow).
Cost: none of its own; the model that labels costs one training more.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from ganaug.core.card import Card
from ganaug.core.device import device
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.view import TrainView

MOST, MOST_VALUES = 10_000, 2**28  # images that are kept, or as many as fit into a gigabyte


class Pool(System):
    """Images of the unlabelled pool, drawn uniformly."""

    CARD = Card(
        id="pool",
        title="Unlabelled images with guessed labels",
        paper="Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks",
        year=2013,
        sets=("unlabelled",),
        can=("sample",),
        sizes=(1, 16384),
        labels="teacher",
        deviations=("labels come from a finished model of the labelled images, and have no growing weight",),
        shows="every image it makes is one of the pool, and with guessed labels they raise the score on digits.",
    )
    PRESETS = {"tiny": {}}

    def prepare(self, train: TrainView) -> None:
        pool = train.others["unlabelled"]
        most = min(MOST, max(MOST_VALUES // math.prod(train.spec.size) // train.spec.channels, 1))
        self.images = pool.images(np.sort(self.numpy_rng().permutation(len(pool))[:most])).to(device())

    def generate(self, want: Batch) -> Batch:
        return want.but(image=self.images[torch.randint(len(self.images), (len(want),))])
