# SPDX-License-Identifier: Apache-2.0
"""Claims of BAGAN, digits with class 8 cut to 5 images and 80 of the others: before any adversarial step a judge agrees
with 0.85 of the images of the large classes and 0.7 of the small one, and by chance when class means are permuted; the
covariance of the small class has rank 4; the adversarial steps make images sharper and copy none.

    make claims ID=bagan
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from claims.judging import SEEDS, agreement, everything, print_table, subset

import ganaug
from ganaug.core.system import System
from ganaug.data.image_set import ImageSet
from ganaug.data.view import TrainView

STEPS = 3000
SMALL = 8
PARAMS = {"latent": 16, "lr_autoencoder": 1e-3}


def skewed(seed: int) -> TrainView:
    return subset({str(k): 5 if k == SMALL else 80 for k in range(10)}, seed)


def autoencoder_only(train: TrainView, seed: int) -> System:
    """A system that stands at the switch, with no adversarial step taken."""
    system = ganaug.make("bagan", preset="small", **PARAMS)
    system.stages = (1.0,)
    system.fit(train, budget=STEPS // 2, seed=seed)
    system.train = train
    system.switch()
    return system


def sharpness(data: ImageSet) -> float:
    """Mean absolute difference of neighbouring pixels."""
    images = data.images()
    return float(images.diff(dim=2).abs().mean() + images.diff(dim=3).abs().mean())


def row(seed: int, name: str, system: System, train: TrainView) -> dict[str, object]:
    made = system.sample(per_class=100, seed=seed)
    agreed = agreement(made)
    small, real = (d.images(d.label == SMALL).flatten(1) for d in (made, train))
    return {
        "seed": seed,
        "state": name,
        "large classes": float(np.delete(agreed, SMALL).mean()),
        "small class": float(agreed[SMALL]),
        "sharpness / real": sharpness(made) / sharpness(everything()),
        "distance to the 5": float(torch.cdist(small, real).min(1).values.median()),
        "rank": int(torch.linalg.matrix_rank(system.prior.factor[SMALL])),
    }


def rows() -> Iterator[dict[str, object]]:
    for seed in SEEDS:
        train = skewed(seed)
        system = autoencoder_only(train, seed)
        yield row(seed, "at the switch", system, train)
        for part in (system.prior.mean, system.prior.factor):
            part.copy_(part.roll(1, 0))
        yield row(seed, "means permuted", system, train)
        whole = ganaug.make("bagan", preset="small", **PARAMS).fit(train, budget=STEPS, seed=seed)
        yield row(seed, "at the end", whole, train)


def main() -> None:
    print_table(rows())


if __name__ == "__main__":
    main()
