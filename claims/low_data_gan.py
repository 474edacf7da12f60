# SPDX-License-Identifier: Apache-2.0
"""Claims of the small-set GAN, digits, 5 and 10 images a class, 1,000 steps: its images of a class differ about as much
as real ones, where AC-GAN's and those of the same GAN without pairs differ far less, and a classifier that has seen its
images only does better on real ones.

    make claims ID=low_data_gan
"""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import torch
from claims.judging import SEEDS, agreement, diversity, print_table, subset, usefulness
from torch import Tensor

import ganaug
from ganaug.core.system import System
from ganaug.data.view import TrainView
from ganaug.systems.low_data.low_data_gan import PairCritic

STEPS = 1000


def without_pairs(critic: PairCritic, images: Tensor, labels: Tensor) -> Tensor:
    """The critic with the spread of a pair hidden from it."""
    x = critic.trunk(images)
    return critic.head(torch.cat([x, torch.zeros_like(x)], 1), labels)


def fitted(name: str, train: TrainView, seed: int) -> System:
    if name != "without pairs":
        return ganaug.make(name, preset="small").fit(train, budget=STEPS, seed=seed)
    with patch.object(PairCritic, "forward", without_pairs):
        return ganaug.make("low_data_gan", preset="small").fit(train, budget=STEPS, seed=seed)


def rows() -> Iterator[dict[str, object]]:
    for shots in (5, 10):
        for seed in SEEDS:
            train = subset(shots, seed)
            yield {"images a class": shots, "seed": seed, "system": "real images"} | measures(train)
            for name in ("low_data_gan", "without pairs", "acgan", "bagan", "glico"):
                made = fitted(name, train, seed).sample(per_class=100, seed=seed)
                yield {"images a class": shots, "seed": seed, "system": name} | measures(made)


def measures(made: TrainView) -> dict[str, object]:
    return {
        "agreement": float(agreement(made).mean()),
        "worst class": float(agreement(made).min()),
        "diversity": float(diversity(made).mean()),
        "usefulness": usefulness(made),
    }


def main() -> None:
    print_table(rows())


if __name__ == "__main__":
    main()
