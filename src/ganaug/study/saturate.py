# SPDX-License-Identifier: Apache-2.0
"""How long and how strongly the baseline must be trained before a comparison with it is fair.

An under-trained baseline makes any extra look helpful. So before any arm runs, the rules arm is trained at several
strengths and lengths on the training fold alone; all arms then use the length at which it stopped improving.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganaug.core.loop import Budget
from ganaug.core.protocols import Learner
from ganaug.core.seeding import derive
from ganaug.data.image_set import ImageSet
from ganaug.study.arms import Arm
from ganaug.study.cache import Cache
from ganaug.study.cells import fitted_transforms
from ganaug.study.folds import Fold, learns_masks, training_view
from ganaug.study.source import source_for

LENGTHS = (200, 400, 800)
LONGEST = 3200
TRIAL_STEPS = 400
TRIALS = 3
MOST_VALIDATION = 1000
LEAST_VALIDATION = 20  # images of a class in the pool
STRENGTHS: dict[str, dict[str, Any]] = {
    "weak": {"strength": 0.5},
    "medium": {"strength": 1.0},
    "strong": {"strength": 2.0},
    "medium with mirrored images": {"strength": 1.0, "flip_h": True},
    "medium with all flips and quarter turns": {"strength": 1.0, "flip_h": True, "flip_v": True, "turn": True},
}
NONE, RULES = Arm("none", "control", "none"), Arm("rules", "rules", "none", ("rules",))


@dataclass(frozen=True)
class Trial:
    """One training of a baseline on part of the training fold, scored on the rest of it."""

    arm: Arm
    strength: str
    steps: int
    trial: int
    fold: Fold

    def describe(self) -> dict:
        """Plain values for the cell's key."""
        rows = hashlib.sha256(repr([part.tolist() for part in (self.fold.train, self.fold.test)]).encode()).hexdigest()
        own = {"arm": self.arm.name, "rules": STRENGTHS[self.strength], "steps": self.steps, "seed": self.fold.seed}
        return {**own, "rows": rows[:16]}


def inner_fold(fold: Fold, data: ImageSet, trial: int) -> Fold:
    """A split inside the training fold: its test rows are validation rows.

    A class of which the pool (what `shots` or `cut` leave out) has enough images is validated with these, any other
    with a held-out part of its training rows; so every class counts, whichever were cut. Identities and groups are held
    out whole.
    """
    seed = derive(fold.seed, "saturation", trial) % 2**31
    view = training_view(data, fold.train)
    least = LEAST_VALIDATION if len(np.unique(view.groups)) > 1 else 1  # a single image can't be parted
    if learns_masks(data) and len(fold.pool) >= least:
        pool = np.random.default_rng(seed).permutation(fold.pool)[:MOST_VALIDATION]
        return Fold(fold.train, fold.pool[:0], np.sort(pool), seed)
    if learns_masks(data):
        held, rest = view.but(label=None).holdout(0.3, seed)  # type: ignore[attr-defined]
        return Fold(rows_in(data, fold.train, rest), fold.pool[:0], rows_in(data, fold.train, held), seed)
    if data.label is None:  # unseen identities validate
        held, rest = view.but(label=None, group=view.identity).holdout(0.3, seed)  # type: ignore[attr-defined]
        return Fold(rows_in(data, fold.train, rest), fold.pool[:0], rows_in(data, fold.train, held), seed)
    free = fold.pool[~np.isin(data.groups[fold.pool], data.groups[fold.train])]  # of other patients, scenes, ...
    spared = np.bincount(data.label[free], minlength=len(data.classes)) >= LEAST_VALIDATION
    pool = np.random.default_rng(seed).permutation(free[spared[data.label[free]]])[:MOST_VALIDATION]
    alone = ~spared[data.label[fold.train]]
    held = rows_in(data, fold.train[alone], view.holdout(0.3, seed)[0]) if alone.any() else fold.pool[:0]
    train = fold.train[~np.isin(data.groups[fold.train], data.groups[held])]
    return Fold(train, fold.pool[:0], np.sort(np.append(pool, held)), seed)


def rows_in(data: ImageSet, among: np.ndarray, part: ImageSet) -> np.ndarray:
    """The rows of `data`, out of some of them, that a part of it holds."""
    assert data.index is not None and part.index is not None
    return among[np.isin(data.index[among], part.index)]


def run_trial(data: ImageSet, trial: Trial, learner: Learner, cache: Cache) -> float:
    """The validation score of one trial; a stored one is read."""
    key = cache.key("saturation", trial.describe())
    stored = cache.get(key)
    if stored is not None:
        return stored
    view = training_view(data, trial.fold.train)
    transforms = fitted_transforms(trial.arm, STRENGTHS[trial.strength], view)
    source = source_for(learner, view, [], transforms, trial.steps, trial.fold.seed)
    model = learner.fit(source, Budget(trial.steps), trial.fold.seed)
    score = learner.score(model, data.select(trial.fold.test)).main
    cache.put(key, score)
    return score


Runner = Callable[[Sequence[Trial]], list[float]]


def saturate(folds: Sequence[Fold], run: Runner, margin: float, steps: int | None, longest: int = LONGEST) -> dict:
    """Choose the strength of the rules, then the length for all arms; the curve and a sentence for the report.

    `folds` are inner folds. Lengths double until the last doubling brings less than half the margin, for the rules
    and for no augmentation alike, or `longest` is reached. A given `steps` is kept, and judged.
    """
    strength, curve = strongest(folds, run, min(TRIAL_STEPS, steps or TRIAL_STEPS))
    lengths = list(LENGTHS) if steps is None else sorted({*(n for n in LENGTHS if n < steps), steps, 2 * steps})
    points = measure(lengths, strength, folds, run)
    while steps is None and lengths[-1] < longest and not enough(points, margin, lengths[-2]):
        lengths.append(2 * lengths[-1])
        points += measure(lengths[-1:], strength, folds, run)
    chosen = steps if steps is not None else shortest(points, margin, lengths)
    saturated = enough(points, margin, chosen)
    return found(chosen, strength, saturated, sentence(chosen, strength, saturated, points, margin), curve, points)


def judged_by_half(folds: Sequence[Fold], run: Runner, margin: float, steps: int) -> dict:
    """As `saturate`, for a length that is set because every update is dear: did its second half still bring anything?

    The strength of the rules is chosen after half of it.
    """
    half = max(steps // 2, 1)
    strength, curve = strongest(folds, run, half)
    points = measure([half, steps], strength, folds, run)
    rise = max(gain(points, arm, half) for arm in ("none", "rules"))
    told = (
        f"All arms train for {steps} updates, as many as the joint arm, with rules of {strength} strength; the second "
        f"half of them improved the baseline by {100 * max(rise, 0):.1f} points"
    )
    saturated = rise < margin / 2
    last = ", so it is not under-trained." if saturated else "; read gains with care, or raise the length (--length)."
    return found(steps, strength, saturated, told + last, curve, points)


def strongest(folds: Sequence[Fold], run: Runner, steps: int) -> tuple[str, list[dict]]:
    """The best strength of the rules after so many updates, and the points of all strengths."""
    trials = [Trial(RULES, name, steps, i, fold) for name in STRENGTHS for i, fold in enumerate(folds)]
    scores = dict(zip(STRENGTHS, grouped(run(trials), len(folds)), strict=True))
    best = max(scores, key=lambda name: float(np.mean(scores[name])))
    return best, [{"arm": "rules", "strength": s, "steps": steps, "scores": v} for s, v in scores.items()]


def found(chosen: int, strength: str, saturated: bool, told: str, curve: list[dict], points: list[dict]) -> dict:
    """What a study keeps of the search; a point that was measured twice is told once."""
    known = {(p["arm"], p["strength"], p["steps"]) for p in points}
    rest = [p for p in curve if (p["arm"], p["strength"], p["steps"]) not in known]
    return {
        "chosen": chosen,
        "strength": strength,
        "rules": STRENGTHS[strength],
        "saturated": saturated,
        "sentence": told,
        "curve": rest + points,
    }


def measure(lengths: Sequence[int], strength: str, folds: Sequence[Fold], run: Runner) -> list[dict]:
    """Points of the saturation curve for the rules and for no augmentation."""
    asked = [(arm, n) for arm in (NONE, RULES) for n in lengths]
    trials = [Trial(arm, strength, n, i, fold) for arm, n in asked for i, fold in enumerate(folds)]
    scores = grouped(run(trials), len(folds))
    return [
        {"arm": arm.name, "strength": strength if arm is RULES else "", "steps": n, "scores": values}
        for (arm, n), values in zip(asked, scores, strict=True)
    ]


def grouped(scores: Sequence[float], size: int) -> list[list[float]]:
    """Consecutive groups of equal size."""
    return [list(scores[i : i + size]) for i in range(0, len(scores), size)]


def enough(points: Sequence[dict], margin: float, steps: int) -> bool:
    """Whether no longer training brings half the margin or more over `steps`, for any baseline."""
    return all(gain(points, arm, steps) < margin / 2 for arm in ("none", "rules"))


def gain(points: Sequence[dict], arm: str, steps: int) -> float:
    """The best mean score of longer trainings minus that at `steps`; 0 when none was longer."""
    mean = {p["steps"]: float(np.mean(p["scores"])) for p in points if p["arm"] == arm}
    return max((score - mean[steps] for n, score in mean.items() if n > steps), default=0.0)


def shortest(points: Sequence[dict], margin: float, lengths: Sequence[int]) -> int:
    """The shortest length that is enough; the longest tried when none is."""
    return next((n for n in lengths if enough(points, margin, n)), lengths[-1])


def sentence(chosen: int, strength: str, saturated: bool, points: Sequence[dict], margin: float) -> str:
    """What the saturation check found, in words."""
    rise = max(gain(points, arm, chosen) for arm in ("none", "rules"))
    longer = [p["steps"] for p in points if p["steps"] > chosen]
    if not longer:
        return (
            f"All arms train for {chosen} updates, the longest tried; the baseline may still improve, so read gains "
            "of generated arms with care."
        )
    if saturated:
        return (
            f"All arms train for {chosen} updates with rules of {strength} strength: longer training improved the "
            f"baseline by less than {50 * margin:.1f} points, so it is not under-trained."
        )
    return (
        f"The baseline is under-trained at {chosen} updates: longer training improves it by {100 * rise:.1f} points, "
        "so part of any gain below is only more training. Raise the length (--length), or leave it to ganaug."
    )


def inner_folds(fold_of: Callable[[int], Fold], data: ImageSet) -> list[Fold]:
    """The inner folds of the first repeats."""
    return [inner_fold(fold_of(i), data, i) for i in range(TRIALS)]
