# SPDX-License-Identifier: Apache-2.0
"""Claims of GLICO, digits, 10 images a class: reconstructions miss by less than a quarter of the variance; a judge
agrees with at least 0.8 of the midpoints of arcs within a class, at least 0.15 more than between classes, and with
fewer when the class term is left out.

    make claims ID=glico
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from claims.judging import SEEDS, judge, print_table, subset

import ganaug
from ganaug.core.system import System
from ganaug.systems.low_data.glico import slerp

STEPS = 1000
PAIRS = 1000


def midpoint_agreement(system: System, *, within: bool) -> float:
    """How often the judge names the first parent's class for the middle of an arc."""
    label = system.owner_label
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randint(len(label), (2, 20 * PAIRS), generator=generator)
    kept = ((label[a] == label[b]) == within).logical_and(a != b).nonzero().flatten()[:PAIRS]
    points = system.points.weight
    with torch.no_grad():
        images = system.gen(slerp(points[a[kept]], points[b[kept]], torch.full((len(kept), 1), 0.5)))
    return float((judge().predict(images.flatten(1).numpy()) == label[a[kept]].numpy()).mean())


def rows() -> Iterator[dict[str, object]]:
    for seed in SEEDS:
        train = subset(10, seed)
        for gamma in (0.5, 0.0):
            system = ganaug.make("glico", preset="small", gamma=gamma).fit(train, budget=STEPS, seed=seed)
            with torch.no_grad():
                missed = (system.gen(system.points.weight) - train.images()).square().mean()
            yield {
                "seed": seed,
                "gamma": gamma,
                "error / variance": float(missed / train.images().var(0).mean()),
                "within a class": midpoint_agreement(system, within=True),
                "between classes": midpoint_agreement(system, within=False),
            }


def main() -> None:
    print_table(rows())


if __name__ == "__main__":
    main()
