# SPDX-License-Identifier: Apache-2.0
"""What `tune` searches among: arms that suit a set, and ways to use each generator's images. Plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product, zip_longest
from typing import Any

import numpy as np

from ganaug.core.card import Recipe
from ganaug.core.catalogue import entry
from ganaug.core.requirements import missing
from ganaug.data.image_set import ImageSet
from ganaug.parts.labels.policies import label_policy
from ganaug.study.arms import Arm, entry_of, parse_arm, plain_arm, suiting
from ganaug.study.folds import learns_masks
from ganaug.study.generate import DEFAULT_STEPS, system_of

USES: dict[str, tuple] = {  # fields of a Recipe, and the values that are tried beside those it comes with
    "share": (0.1, 0.25, 0.5),
    "labels": ("hard", "smoothed", "teacher", "pseudo_label", "uniform"),
    "ramp": (0.0, 0.5),
    "keep": (1.0, 0.5),
}
STEPS = (DEFAULT_STEPS // 2, DEFAULT_STEPS, 2 * DEFAULT_STEPS)  # of a generator
ALONE = ("randaugment", "trivialaugment")  # made to be used instead of the rules
MOST = 48


@dataclass(frozen=True)
class Candidate:
    """An arm, with how long its generators train when it is used in earnest (None: they take no steps)."""

    name: str
    arm: Arm
    steps: int | None = None

    @property
    def taught(self) -> bool:
        """Whether a teacher has to be trained for its labels or filter."""
        return any(label_policy(recipe.labels).asks == "teacher" or recipe.keep < 1 for _, recipe in self.arm.recipes)


def task_of(data: ImageSet) -> str:
    """The name of the task that a prepared set is for."""
    return "segmentation" if learns_masks(data) else "reid" if data.label is None else "classification"


def candidates(data: ImageSet, task: str, arms: Sequence[Any], seed: int) -> list[Candidate]:
    """At most MOST candidates, those first that should be tried when there is little time.

    `data` is a training view, `arms` limits the search to some arms; without it all that suit the set are taken, save
    joint ones, which need another length, and unconditional generators, which need a model a class. Every arm comes
    first as a study would use it, then other uses of its generators: those that change least, in random order.
    """
    starts = [parse_arm(arm, data) for arm in arms] if arms else suited(data, task)
    usual = [as_it_comes(arm) for arm in starts]
    others = [pair for first in usual for pair in other_uses(first)]
    order = np.random.default_rng([seed, 11]).permutation(len(others)).tolist()
    order.sort(key=lambda i: others[i][0])
    return [*usual, *(others[i][1] for i in order)][:MOST]


def suited(data: ImageSet, task: str) -> list[Arm]:
    """Arms on top of the rules for everything that suits a set: a transform and a generator in turn."""
    least = min((n for n in data.counts().values() if n), default=0)
    ids = [found["id"] for found in suiting(data, task) if entry(found["id"]).card["min_rows"] <= least]
    arms = [parse_arm(f"rules+{id}", data) for id in ids if entry(id).kind != "system" or given(entry(id).card)]
    makers = [arm for arm in arms if arm.recipes and not arm.joint and fits(arm, data)]
    changers = [parse_arm(id, data) for id in ids if id in ALONE]
    changers += [arm for arm in arms if arm.transforms and not arm.recipes and not arm.joint]
    changers = [arm for arm in changers if task != "segmentation" or all(moves_masks(t) for t in arm.transforms)]
    return [arm for pair in zip_longest(changers, makers) for arm in pair if arm is not None]


def given(card: Mapping[str, Any]) -> bool:
    """Whether a system starts from more than noise: one that does not needs a model a class."""
    return bool(card["needs"] or card["sets"])


def fits(arm: Arm, data: ImageSet) -> bool:
    """Whether its generators can work on such images."""
    return not any(missing(system_of(recipe), data) for _, recipe in arm.recipes)


def moves_masks(transform: str) -> bool:
    """Whether a transform moves masks with the images."""
    return "mask" in entry_of(transform).card["moves"]


def as_it_comes(arm: Arm) -> Candidate:
    """An arm with its recipes as they are."""
    trained = any(r.system != "folder" and system_of(r).default_steps() for _, r in arm.recipes)
    return Candidate(arm.name, arm, DEFAULT_STEPS if trained else None)


def other_uses(first: Candidate) -> list[tuple[int, Candidate]]:
    """Other shares, label policies, schedules, filters and training lengths for the generators of a candidate.

    Each with the number of things that it changes.
    """
    if not first.arm.recipes:
        return []
    uses = USES if relabels(first.arm) else {name: USES[name] for name in ("share", "ramp")}
    steps = (None,) if first.steps is None else STEPS
    found = []
    for *values, length in product(*uses.values(), steps):
        changed = dict(zip(uses, values, strict=True))
        if changed.get("keep", 1) < 1 and not label_policy(changed["labels"]).needs_label:
            continue  # nothing to hold the images against
        arm = replace(first.arm, recipes=tuple((n, replace(r, **changed)) for n, r in first.arm.recipes))
        new = sum(getattr(r, name) != value for _, r in first.arm.recipes for name, value in changed.items())
        new += length != first.steps
        if new:
            found.append((new, Candidate(f"{arm.name} ({words(changed, length)})", arm, length)))
    return found


def relabels(arm: Arm) -> bool:
    """Whether other label policies make sense: images of a chosen class, and no transform that mixes labels."""
    hard = all(recipe.labels == "hard" and not made_of_others(recipe) for _, recipe in arm.recipes)
    return hard and not any(entry_of(t).card["on_batch"] for t in arm.transforms)


def made_of_others(recipe: Recipe) -> bool:
    """Whether a system takes turns over clones for each class when labels are asked for."""
    return recipe.system != "folder" and not system_of(replace(recipe, labels="uniform")).conditional


def words(changed: Mapping[str, Any], steps: int | None) -> str:
    """A use in words: `share 0.25, labels hard, ramp 0.5, keep 0.5, 500 steps`."""
    said = [f"{name} {value}" for name, value in changed.items()]
    return ", ".join(said if steps is None else [*said, f"{steps} steps"])


def as_plain(candidate: Candidate) -> dict:
    """A candidate as JSON; `arms.stored_arm` reads its arm back, under the candidate's name."""
    return {
        "name": candidate.name,
        "steps": candidate.steps,
        "arm": plain_arm(replace(candidate.arm, name=candidate.name)),
    }
