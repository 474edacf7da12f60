# SPDX-License-Identifier: Apache-2.0
"""One learner cell: train the same classifier with one arm of one repeat, and score it on the test fold."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ganaug.core.card import Recipe
from ganaug.core.catalogue import make
from ganaug.core.loop import Budget
from ganaug.core.protocols import Learner, Scores
from ganaug.core.run_folder import restore
from ganaug.core.seeding import derive
from ganaug.core.system import System
from ganaug.data.errors import FoldError, InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.picture import save_picture
from ganaug.data.view import TrainView
from ganaug.parts.labels.policies import label_policy
from ganaug.study.arm_words import id_of, parameters_of
from ganaug.study.arms import RULES, Arm
from ganaug.study.cache import Cache
from ganaug.study.folds import Fold, training_view
from ganaug.study.generate import kept_system, stored_images
from ganaug.study.source import Generated, logits_of, source_for, surest, taught
from ganaug.tasks.few_shot import OWN

GRID = 6  # test images whose structures and appearances a joint arm's picture combines


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
        fold = {"seed": self.fold.seed, "offered": len(self.fold.offered)}
        return {**own, **fold, "rules": dict(self.rules), "images": list(self.images)}


def run_learner(data: ImageSet, job: LearnerJob, learner: Learner, cache: Cache) -> dict:
    """Score one cell; a stored one is read."""
    key = cache.key("learner", job.describe())
    stored = cache.get(key)
    if stored is not None:
        return {**stored, "arm": job.arm.name}  # equal arms may be written in another order
    started = time.perf_counter()
    facts: dict[str, Any] = {"arm": job.arm.name, "shots": job.shots, "repeat": job.repeat}
    try:
        scored, told = train_and_score(data, job, learner, cache)
        facts |= score_facts(scored) | told | {"status": "ok", "note": ""}
    except (FoldError, InputError):
        raise
    except Exception as error:
        facts |= {"status": "failed", "note": f"{type(error).__name__}: {error}", "updates": 0}
    facts["seconds"] = time.perf_counter() - started
    cache.put(key, facts)
    return facts


def score_facts(scored: Scores) -> dict:
    """Scores as JSON, with what each test unit adds to the main score."""
    return {
        "score": scored.main,
        "scores": dict(scored.table),
        "per_class": dict(scored.per_class),
        "score_note": scored.note,
        "units": [None if np.isnan(v) else round(float(v), 9) for v in scored.shares],
    }


def train_and_score(data: ImageSet, job: LearnerJob, learner: Learner, cache: Cache) -> tuple[Scores, dict]:
    """(scores, facts with the updates of the recogniser): two-stage and joint arms look the same from outside."""
    view, test = training_view(data, job.fold.train, job.fold.offered), data.select(job.fold.test)
    transforms = fitted_transforms(job.arm, job.rules, view, learner, job.fold.seed)
    if job.arm.joint:
        return joint(view, test, job, learner, transforms, cache)
    images = [stored_images(cache.images(key), view) for key in job.images]
    generated = [
        Generated(labelled(made, recipe, job, learner, view, transforms), recipe)
        for made, (_, recipe) in zip(images, job.arm.recipes, strict=True)
        if len(made)
    ]
    source = source_for(learner, view, generated, transforms, job.steps, job.fold.seed)
    model = learner.fit(source, Budget(job.steps), job.fold.seed)
    scored = scores(model, test, job, learner, view, cache)
    return scored, {"updates": job.steps, **in_words(transforms), **look(learner, model, test, job, cache)}


def scores(model: Any, test: ImageSet, job: LearnerJob, learner: Learner, view: TrainView, cache: Cache) -> Scores:
    """What the learner scores; a few-shot one is lent what can vary its support images.

    These are the arm's own systems, in turn, and the rules as the control. A placebo gets variants of other images.
    """
    if not hasattr(learner, "score_varied"):
        return learner.score(model, test)
    rules = make(RULES, **job.rules).fit(view, budget=0)
    own = [restore(folder) for key in job.images if (folder := kept_system(cache, key)).is_dir()]
    shown = np.random.default_rng([job.fold.seed, 8]).permutation(len(test)) if job.arm.permuted else slice(None)

    def by_rules(images: ImageSet, turn: int) -> ImageSet:
        return rules.augment(images, seed=derive(job.fold.seed, "support", turn))

    def by_arm(images: ImageSet, turn: int) -> ImageSet:
        seed = derive(job.fold.seed, "support", turn)
        return own[turn % len(own)].augment(images.select(shown), seed=seed)

    return learner.score_varied(model, test, {"rules": by_rules} | ({OWN: by_arm} if own else {}))


def look(learner: Learner, model: Any, test: ImageSet, job: LearnerJob, cache: Cache) -> dict:
    """A picture of what the model of the first repeat finds in test images, where the task can draw one."""
    if job.repeat or job.arm.permuted or not hasattr(learner, "picture"):
        return {}
    file = f"grids/found-{cache.slug(job.arm.name)}-{job.shots or 'all'}.png"
    save_picture(cache.folder / file, learner.picture(model, test))
    return {"grid": file, "caption": "test images, their true masks, and what this arm's model finds"}


def labelled(
    made: ImageSet, recipe: Recipe, job: LearnerJob, learner: Learner, view: TrainView, transforms: list[System]
) -> ImageSet:
    """Generated images as the arm uses and labels them.

    A teacher labels and filters them where asked: a model of the real images, changed as the arm changes them. A
    placebo's labels are permuted at last.
    """
    policy = label_policy(recipe.labels)
    asked = policy.asks == "teacher" and not job.arm.permuted
    if asked or recipe.keep < 1:
        alone = source_for(learner, view, [], transforms, job.steps, job.fold.seed)
        logits = logits_of(made, learner.fit(alone, Budget(job.steps), job.fold.seed))
        made = taught(made, policy, logits, len(view.classes)) if asked else made
        made = surest(made, logits, recipe.keep) if recipe.keep < 1 else made
    return permuted(made, job.fold.seed) if job.arm.permuted else made


def joint(
    view: TrainView, test: ImageSet, job: LearnerJob, learner: Learner, transforms: list[System], cache: Cache
) -> tuple[Scores, dict]:
    """A joint system trains generator and recogniser together and hands out the recogniser.

    It gets the learner and its settings, or the learner's backbone and its start, where it asks for them.
    """
    system = make(job.arm.joint, preset="small")
    given = {"task": learner, "backbone": getattr(learner, "backbone", "small")}
    given["pretrained"] = getattr(learner, "pretrained", False)
    if "task" in system.get_params():  # its recogniser is trained as those of the other arms
        given |= {
            name: getattr(learner, name) for name in ("batch_size", "lr", "weight_decay") if hasattr(learner, name)
        }
    system.set_params(**{name: value for name, value in given.items() if name in system.get_params()})
    if transforms:
        system.transform = lambda batch: applied(transforms, batch, job.fold.seed)  # type: ignore[method-assign]
    system.fit(view, budget=Budget(job.steps), seed=job.fold.seed)
    if system.recogniser_updates_ > job.steps:
        raise RuntimeError(f"{job.arm.joint} used {system.recogniser_updates_} updates, the baseline {job.steps}")
    facts: dict[str, Any] = {"updates": system.recogniser_updates_}
    if job.repeat == 0 and "grid" in system.CARD.can:
        facts["caption"] = "unseen test images, a row for each structure, a column for each appearance"
        facts["grid"] = f"grids/{cache.slug(job.arm.name)}-{job.shots or 'all'}.png"
        some = test.select(np.random.default_rng(0).permutation(len(test))[:GRID])
        system.save_grid(some, cache.folder / facts["grid"], GRID)
    return learner.score(system.model(), test), facts


def applied(transforms: list[System], batch: Any, seed: int) -> Any:
    """A batch through all transforms, seeded from inside the step that asks."""
    for transform in transforms:
        batch = transform.augment(batch, seed=derive(seed, int(torch.randint(2**31, ()))))
    return batch


def in_words(transforms: list[System]) -> dict:
    """What the transforms that searched on this training fold have found, in words."""
    found = {system.CARD.id: system.words() for system in transforms if system.total and hasattr(system, "words")}
    return {"found": found} if found else {}


def fitted_transforms(
    arm: Arm, rules: Mapping[str, Any], view: TrainView, learner: Learner | None = None, seed: int = 0
) -> list[System]:
    """The arm's transforms, single-image ones first and batch mixers last.

    One that searches does so here, on these rows alone, with the learner as its task.
    """
    systems = [
        make(RULES, **rules) if part == "rules" else make(id_of(part), **parameters_of(part)) for part in arm.transforms
    ]
    for system in systems:
        if "task" in system.get_params(deep=False):
            system.set_params(task=learner)
    systems = [system.fit(view, seed=seed) for system in systems]
    return sorted(systems, key=lambda system: (system.CARD.on_batch, system.CARD.id != RULES, system.CARD.id))


def permuted(made: ImageSet, seed: int) -> ImageSet:
    """The same images with their labels, or masks, shuffled among them: the placebo."""
    order = np.random.default_rng([seed, 7]).permutation(len(made))
    return made.but(
        **{name: getattr(made, name)[order] for name in ("label", "mask") if getattr(made, name) is not None}
    )


def as_baseline(cell: dict, baseline: dict, status: str, note: str) -> dict:
    """A failed cell with the score of its baseline; what was seen and found there was not by this arm."""
    own = {name: value for name, value in baseline.items() if name not in ("grid", "caption", "found")}
    return {**own, "arm": cell["arm"], "status": status, "note": note, "seconds": cell.get("seconds", 0.0)}
