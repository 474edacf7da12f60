# SPDX-License-Identifier: Apache-2.0
"""Claims of CycleGAN, from rendered to photographed scenes at 32 px: what the cycle loss does.

Images translated there and back come at least three times as near to themselves with the cycle loss as without it.
Beside it, what need not differ: how well a segmenter of photographs finds the rendered masks in translated images.

    make claims ID=cyclegan
    python -m claims.cyclegan 0 2                                    # some seeds
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import torch
from claims.judging import SEEDS, print_table

import ganaug
from ganaug.core.loop import Budget
from ganaug.data.image_set import ImageSet
from ganaug.study.folds import training_view
from ganaug.study.source import source_for
from ganaug.tasks.segmentation import Segmenter

STEPS = 700
SIZE = 32


def there_and_back(system: ganaug.System, images: torch.Tensor) -> float:
    """Mean L1 between images and their translations' translations."""
    with torch.no_grad():
        return float((system.g_ba(system.g_ab(images)) - images).abs().mean())


def reader(real: ImageSet, seed: int) -> tuple[Segmenter, torch.nn.Module]:
    """A segmenter of photographs."""
    learner = Segmenter()
    data = learner.prepared(real)
    source = source_for(learner, training_view(data, data.in_fold("train")), [], [], 400, seed)
    return learner, learner.fit(source, Budget(400), seed)


def rows(seeds: Sequence[int]) -> Iterator[dict[str, object]]:
    for seed in seeds:
        flat, real = (ganaug.load(name, size=SIZE) for name in ("scenes", "scenes-real"))
        learner, model = reader(real, seed)
        target = real.select(real.in_fold("train")).but(mask=None, mask_classes=(), instances=None, boxes=None)
        train = ganaug.TrainView.of(flat.but(others={"b": target}), flat.in_fold("train"))
        test = flat.select(flat.in_fold("test"))
        for weight in (10.0, 0.0):
            system = ganaug.make("cyclegan", preset="small", cycle=weight).fit(train, budget=STEPS, seed=seed)
            made = learner.prepared(system.augment(test, seed=seed).but(fold=None))
            found = learner.score(model, made)
            yield {
                "seed": seed,
                "cycle weight": weight,
                "cycle L1": there_and_back(system, test.images()),
                "mean IoU of the masks in translations": found.main,
                "pixel accuracy": found.table["pixel_accuracy"],
            }


def main() -> None:
    print_table(rows([int(seed) for seed in sys.argv[1:]] or SEEDS))


if __name__ == "__main__":
    main()
