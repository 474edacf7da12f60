# SPDX-License-Identifier: Apache-2.0
"""Claims of DAGAN on real characters (Omniglot), learnt from 70 of three alphabets and tried on 66 of two others.

Judge: variants of unseen characters by drawers 11 to 20, put to the nearest of the 66 class means of drawers 1 to 10 in
features learnt on the training characters; the images themselves beside them. Copies: the distance of a variant to its
image, as a share of that of two images of one character, and of two variants of one image likewise.
Few shots: 600 episodes of five unseen characters, the same for every support: the real image alone, and averaged with
five copies, five variants by rules or five by DAGAN. The last column is DAGAN's gain over the real image alone with one
support image, with a 95 % interval over episodes, all on one embedding.

    python -m claims.dagan OMNIGLOT                                # a folder with all.npz
    python -m claims.dagan OMNIGLOT 0 2                            # some seeds
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from claims.judging import SEEDS, print_table

import ganaug
from ganaug.core.loop import Budget
from ganaug.core.seeding import derive
from ganaug.core.system import System
from ganaug.data.image_set import ImageSet
from ganaug.data.view import TrainView
from ganaug.study.folds import training_view
from ganaug.study.source import source_for
from ganaug.tasks.few_shot import SHOTS, FewShot, Vary, accuracies, answers, embedded, episode

SIZE = 28
STEPS = 1000
EMBEDDING_STEPS = 600
LEARNT = ("Balinese", "Early_Aramaic", "Greek")
Z = 1.96


def characters(path: Path) -> tuple[TrainView, ImageSet, np.ndarray]:
    """Training characters, unseen ones, and which of the latter's images the judge knows."""
    data = ganaug.load(path, size=SIZE)
    with np.load(path / "all.npz") as file:
        drawer = file["drawer"]
    alphabet = np.array([name.split("/")[0] for name in data.classes])[data.label]
    learnt = np.isin(alphabet, LEARNT)
    data = FewShot().prepared(data.but(fold=np.where(learnt, 0, 2).astype(np.int8)))
    return training_view(data, np.flatnonzero(learnt)), data.select(~learnt), drawer[~learnt] <= 10


def agreement(features: torch.Tensor, means: torch.Tensor, identity: np.ndarray) -> float:
    """Share of features [N, D] that are nearest to the mean of their own class."""
    return float((np.unique(identity)[torch.cdist(features, means).argmin(1).numpy()] == identity).mean())


def copy_facts(system: System, data: ImageSet) -> dict[str, float]:
    """How far variants move from their image and from each other, as shares of two real images' distance."""
    real = data.images().flatten(1)
    first, second = (system.augment(data, seed=seed).images().flatten(1) for seed in (1, 2))
    apart = torch.cat([torch.pdist(real[data.identity == k]) for k in np.unique(data.identity)]).median()
    pairs = {"variant to image": (first, real), "variant to variant": (first, second)}
    return {name: float((a - b).norm(dim=1).median() / apart) for name, (a, b) in pairs.items()}


def by(system: System, seed: int) -> Vary:
    """Variants by a system, other ones each round."""
    return lambda images, turn: system.augment(images, seed=derive(seed, "support", turn))


def rows(path: Path, seeds: Sequence[int]) -> Iterator[dict[str, object]]:
    train, test, known = characters(path)
    rules = ganaug.make("basic_ops").fit(train, budget=0)
    learner = FewShot()
    for seed in seeds:
        model = learner.fit(
            source_for(learner, train, [], [rules], EMBEDDING_STEPS, seed), Budget(EMBEDDING_STEPS), seed
        )
        dagan = ganaug.make("dagan", preset="small").fit(train, budget=STEPS, seed=seed)
        real, asked = embedded(model, test), test.select(~known)
        means = torch.stack([real[known & (test.identity == k)].mean(0) for k in np.unique(test.identity)])
        row = {"seed": seed, "judge of DAGAN": agreement(embedded(model, dagan.augment(asked)), means, asked.identity)}
        row |= {"of real": agreement(real[~known], means, asked.identity), **copy_facts(dagan, asked)}
        makers = {"copies": lambda images, turn: images, "rules": by(rules, seed), "dagan": by(dagan, seed)}
        supports = {"real": real} | {name: learner.averaged(model, test, real, vary) for name, vary in makers.items()}
        for shots in SHOTS:
            drawn = [episode(test.identity, shots, learner.ways, number) for number in range(learner.episodes)]
            found = {name: accuracies(answers(support, real, drawn)) for name, support in supports.items()}
            row |= {f"{shots}-shot {name}": float(x.mean()) for name, x in found.items()}
            gain = found["dagan"] - found["real"]
            row[f"{shots}-shot gain"] = f"{gain.mean():+.3f} ± {Z * gain.std(ddof=1) / len(gain) ** 0.5:.3f}"
        yield row


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("seeds", type=int, nargs="*")
    asked = parser.parse_args()
    print_table(rows(asked.path, asked.seeds or SEEDS))


if __name__ == "__main__":
    main()
