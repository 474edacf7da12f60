# SPDX-License-Identifier: Apache-2.0
"""Small image sets that need no download."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ganaug.data.drawn.pedestrians import pedestrians
from ganaug.data.drawn.scenes import scenes
from ganaug.data.drawn.vehicles import vehicles
from ganaug.data.image_set import ImageSet


def digits() -> ImageSet:
    """scikit-learn's 1,797 handwritten digits, 8x8, one channel, with a fixed test fold of 40 %.

    The first 60 % of the rows are the training fold, as in scikit-learn's own example: writers differ between the
    folds.
    """
    from sklearn.datasets import load_digits

    raw = load_digits()
    images = np.rint(raw.images * (255 / 16)).astype(np.uint8)[..., None]
    fold = np.where(np.arange(len(images)) < round(0.6 * len(images)), 0, 2).astype(np.int8)
    return ImageSet.of(images, raw.target, [str(n) for n in range(10)], fold=fold, name="digits")


EMBEDDED: dict[str, Callable[..., ImageSet]] = {
    "digits": digits,
    "pedestrians": pedestrians,
    "scenes": scenes,
    "scenes-real": partial(scenes, real=True),
    "vehicles": vehicles,
}
DRAWN = ("pedestrians", "scenes", "scenes-real", "vehicles")  # at any size
