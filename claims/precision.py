# SPDX-License-Identifier: Apache-2.0
"""Learners in bfloat16 against float32 on the same training images and seeds: the scores, and the processor time.

python -m claims.precision MNIST --shots 10 --steps 400 --rules no
python -m claims.precision RSSCN7 --size 32 --shots 20 --steps 800
python -m claims.precision NUCLEI --task segmentation --tiles 64 --shots 10 --steps 300 --seeds 6
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
import torch
from claims.judging import print_table

import ganaug
from ganaug.core.loop import Budget
from ganaug.core.protocols import Learner
from ganaug.data.image_set import ImageSet
from ganaug.study.folds import fold, training_view
from ganaug.study.source import source_for
from ganaug.tasks import task

PRECISIONS = ("float32", "bfloat16")


def scored(learner: Learner, data: ImageSet, asked: argparse.Namespace, seed: int) -> list[tuple[float, float]]:
    """(score in points, seconds) of one training in each precision."""
    rows = fold(data, asked.shots, seed, repeats=asked.seeds, seed=0)
    view, test = training_view(data, rows.train), data.select(rows.test)
    transforms = [ganaug.make("basic_ops").fit(view, budget=0)] if asked.rules == "yes" else []
    found = []
    for precision in PRECISIONS:
        os.environ["GANAUG_PRECISION"] = precision
        started = time.process_time()
        model = learner.fit(source_for(learner, view, [], transforms, asked.steps, seed), Budget(asked.steps), seed)
        found.append((100 * learner.score(model, test).main, time.process_time() - started))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--task", default="classification")
    parser.add_argument("--size", type=int)
    parser.add_argument("--tiles", type=int)
    parser.add_argument("--shots", type=int, default=20)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--rules", choices=("yes", "no"), default="yes")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    learner = task(asked.task)
    data = learner.prepared(ganaug.load(asked.data, size=asked.size, tiles=asked.tiles))
    found = np.array([scored(learner, data, asked, seed) for seed in range(asked.seeds)])  # [seeds, precisions, 2]
    score, seconds = found[..., 0], found[..., 1].mean(0)
    gap = score[:, 1] - score[:, 0]
    facts = {
        f"{name}, points": f"{s.mean():.2f} ± {s.std(ddof=1):.2f}" for name, s in zip(PRECISIONS, score.T, strict=True)
    }
    facts["difference, standard error"] = f"{gap.mean():+.2f} ± {gap.std(ddof=1) / len(gap) ** 0.5:.2f}"
    facts["seconds"] = f"{seconds[0]:.1f} and {seconds[1]:.1f}"
    print_table([{"set": data.name, "seeds": asked.seeds, **facts}])


if __name__ == "__main__":
    main()
