# SPDX-License-Identifier: Apache-2.0
"""One learner cell: train the same classifier with one arm of one repeat, and score it on the test fold."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ganaug.core.catalogue import make
from ganaug.core.loop import Budget
from ganaug.core.protocols import Learner, Scores
from ganaug.core.seeding import derive
from ganaug.core.system import System
from ganaug.data.errors import FoldError, InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.view import TrainView
from ganaug.study.arms import RULES, Arm
from ganaug.study.cache import Cache
from ganaug.study.folds import Fold, training_view
from ganaug.study.generate import stored_images
from ganaug.study.source import Generated, MixedSource


@dataclass(frozen=True)
class LearnerJob:
    """Everything that decides what a learner cell scores. `images` are the keys of its generator cells."""

    arm: Arm
    shots: int | None
    repeat: int
    steps: int
    rules: Mapping[str, Any]
    images: tuple[str, ...]
    fold: Fold
    generator_steps: int | None = None

    def describe(self) -> dict:
        """Plain values for the cell's key; the arm's name does not matter."""
        own = {"arm": self.arm.describe(), "shots": self.shots, "repeat": self.repeat, "steps": self.steps}
        return {**own, "rules": dict(self.rules), "images": list(self.images), "seed": self.fold.seed}


def run_learner(data: ImageSet, job: LearnerJob, learner: Learner, cache: Cache) -> dict:
    """Score one cell; a stored one is read."""
    key = cache.key("learner", job.describe())
    stored = cache.get(key)
    if stored is not None:
        return stored
    started = time.perf_counter()
    facts: dict[str, Any] = {"arm": job.arm.name, "shots": job.shots, "repeat": job.repeat}
    try:
        scored, updates = train_and_score(data, job, learner, cache)
        facts |= score_facts(scored) | {"updates": updates, "status": "ok", "note": ""}
    except (FoldError, InputError):
        raise
    except Exception as error:
        facts |= {"status": "failed", "note": f"{type(error).__name__}: {error}", "updates": 0}
    facts["seconds"] = time.perf_counter() - started
    cache.put(key, facts)
    return facts


def score_facts(scored: Scores) -> dict:
    """Scores as JSON, with what each test unit adds to the main score."""
    from ganaug.tasks.classification import contributions

    return {
        "score": scored.main,
        "scores": dict(scored.table),
        "per_class": dict(scored.per_class),
        "units": [round(float(v), 9) for v in contributions(scored.units)],
    }


def train_and_score(data: ImageSet, job: LearnerJob, learner: Learner, cache: Cache) -> tuple[Scores, int]:
    """(scores, updates of the recogniser): the same for two-stage and joint arms from the outside."""
    view, test = training_view(data, job.fold.train, job.fold.offered), data.select(job.fold.test)
    transforms = fitted_transforms(job.arm, job.rules, view)
    if job.arm.joint:
        return joint(view, test, job, learner, transforms)
    images = [stored_images(cache.images(key), data.classes, data.scaling) for key in job.images]
    generated = [
        Generated(permuted(made, job.fold.seed) if job.arm.permuted else made, recipe)
        for made, (_, recipe) in zip(images, job.arm.recipes, strict=True)
        if len(made)
    ]
    size = getattr(learner, "batch_size", 32)
    source = MixedSource(view, generated, transforms, batch_size=size, steps=job.steps, seed=job.fold.seed)
    model = learner.fit(source, Budget(job.steps), job.fold.seed)
    return learner.score(model, test), job.steps


def joint(
    view: TrainView, test: ImageSet, job: LearnerJob, learner: Learner, transforms: list[System]
) -> tuple[Scores, int]:
    """A joint system trains generator and recogniser together and hands out the recogniser."""
    system = make(job.arm.joint, preset="small")
    if "task" in system.get_params():
        system.set_params(task=learner)
    if transforms:
        system.transform = lambda batch: applied(transforms, batch, job.fold.seed)  # type: ignore[method-assign]
    system.fit(view, budget=Budget((job.generator_steps or 1000) + job.steps), seed=job.fold.seed)
    if system.recogniser_updates_ > job.steps:
        raise RuntimeError(f"{job.arm.joint} used {system.recogniser_updates_} updates, the baseline {job.steps}")
    return learner.score(system.model(), test), system.recogniser_updates_


def applied(transforms: list[System], batch: Any, seed: int) -> Any:
    """A batch through all transforms, seeded from inside the step that asks."""
    for transform in transforms:
        batch = transform.augment(batch, seed=derive(seed, int(torch.randint(2**31, ()))))
    return batch


def fitted_transforms(arm: Arm, rules: Mapping[str, Any], view: TrainView) -> list[System]:
    """The arm's transforms, single-image ones first and batch mixers last."""
    systems = [make(RULES, **rules) if name == "rules" else make(name) for name in arm.transforms]
    systems = [system.fit(view, budget=0) for system in systems]
    return sorted(systems, key=lambda system: (system.CARD.on_batch, system.CARD.id != RULES, system.CARD.id))


def permuted(made: ImageSet, seed: int) -> ImageSet:
    """The same images with their labels shuffled among them: the placebo."""
    assert made.label is not None
    return made.but(label=np.random.default_rng([seed, 7]).permutation(made.label))


def as_baseline(cell: dict, baseline: dict, status: str, note: str) -> dict:
    """A failed cell with the score of its baseline."""
    return {**baseline, "arm": cell["arm"], "status": status, "note": note, "seconds": cell.get("seconds", 0.0)}
