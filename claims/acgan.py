# SPDX-License-Identifier: Apache-2.0
"""Claims of AC-GAN: a judge agrees with the asked class in 0.85 of the images on average over classes, in at most 0.25
without the class term, and two images of a class differ at least half as much as two real ones.

    make claims ID=acgan
"""

from __future__ import annotations

from collections.abc import Iterator

from claims.judging import SEEDS, agreement, diversity, print_table, subset

import ganaug

STEPS = 2000


def rows() -> Iterator[dict[str, object]]:
    for seed in SEEDS:
        train = subset(80, seed)
        for weight in (1.0, 0.0):
            system = ganaug.make("acgan", preset="small", class_weight=weight).fit(train, budget=STEPS, seed=seed)
            made = system.sample(per_class=100, seed=seed)
            yield {
                "seed": seed,
                "class weight": weight,
                "agreement": float(agreement(made).mean()),
                "worst class": float(agreement(made).min()),
                "diversity": float(diversity(made).mean()),
            }


def main() -> None:
    print_table(rows())


if __name__ == "__main__":
    main()
