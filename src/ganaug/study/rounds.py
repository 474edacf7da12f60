# SPDX-License-Identifier: Apache-2.0
"""The rounds of a search: what is tried in each, what a worker does, how long it should take, and what came out."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ganaug.core.protocols import Learner
from ganaug.data.image_set import ImageSet
from ganaug.study.cache import Cache
from ganaug.study.cells import LearnerJob, run_learner
from ganaug.study.generate import GeneratorJob, run_generator
from ganaug.study.space import Candidate

STEP_GUESS = 0.06  # seconds a generator step at 28 px, until one was measured

now = time.time  # wall time: workers compare it too


@dataclass(frozen=True)
class Rung:
    """One round: least shares of the generator's steps and of the learner's length, and the number of inner folds."""

    generator: float
    learner: float
    least: int
    most: int


RUNGS = (Rung(0.25, 0.5, 1, 2), Rung(0.5, 1.0, 2, 4), Rung(1.0, 1.0, 3, 8))


@dataclass(frozen=True)
class Unit:
    """What one worker does in a row: images, then every learner that uses them; each with the seconds it should take.

    Nothing is started that would end after `until`.
    """

    fold: int
    makers: tuple[tuple[GeneratorJob, float], ...]
    learners: tuple[tuple[str, LearnerJob, float], ...]
    until: float

    @property
    def seconds(self) -> float:
        return sum(s for _, s in self.makers) + sum(s for *_, s in self.learners)


def run_unit(data: ImageSet, unit: Unit, learner: Learner, cache: Cache) -> tuple[list[dict], dict[str, dict]]:
    """(facts of the generators, facts of each learner by name); what came too late, or was not possible, is missing."""
    made: list[dict] = []
    for maker, seconds in unit.makers:
        if not in_time(cache, "generator", maker, seconds, unit.until):
            return made, {}
        made.append(run_generator(data, maker, cache))
    scored = {}
    if all(facts["status"] == "ok" for facts in made):
        for name, job, seconds in unit.learners:
            if in_time(cache, "learner", job, seconds, unit.until):
                scored[name] = run_learner(data, job, learner, cache)
    return made, scored


def in_time(cache: Cache, kind: str, job: Any, seconds: float, until: float) -> bool:
    """Whether a job is stored already, or would end in time if it were started now."""
    return cache.get(cache.key(kind, job.describe())) is not None or now() + seconds <= until


# --- time -------------------------------------------------------------------------------------------------------


@dataclass
class Pace:
    """Seconds an update of the learner, of each candidate, and a step of each generator (or once, without steps)."""

    update: float
    pixels: int
    learners: dict[str, float] = field(default_factory=dict)
    makers: dict[str, float] = field(default_factory=dict)

    def learner(self, c: Candidate, updates: int) -> float:
        """Seconds of one training with a candidate."""
        return updates * self.learners.get(c.name, self.update * (2 if c.taught else 1))

    def maker(self, c: Candidate, share: float = 1.0) -> float:
        """Seconds that the images of a candidate take on one fold."""
        steps = 1 if c.steps is None else c.steps * share
        guess = STEP_GUESS * max(self.pixels / 28**2, 1) if c.steps else 1.0
        return sum(steps * self.makers.get(made_by(recipe), guess) for _, recipe in c.arm.recipes)

    def timed(self, c: Candidate) -> bool:
        """Whether it is known how long the images of a candidate take."""
        return all(made_by(recipe) in self.makers for _, recipe in c.arm.recipes)

    def learn(self, trials: Sequence[Mapping[str, Any]]) -> None:
        """Take over what trials took; the latest counts."""
        for t in trials:
            if t["seconds"]:
                self.learners[t["candidate"]] = t["seconds"] / t["updates"]
            self.makers |= {maker: seconds for maker, seconds in t["makers"].items() if seconds}


def made_by(recipe: Any) -> str:
    """What makes a recipe's images."""
    return f"{recipe.system} {dict(recipe.params)!r}"


def trials_of(k: int, units: Sequence[Unit], done: Sequence[tuple[list[dict], dict]]) -> list[dict]:
    """One row a candidate and inner fold: score, that of the rules on the same fold, their difference, seconds.

    A generator that fails or collapses counts as the rules, as in a study; what came too late has no score.
    """
    rules = {unit.fold: scored["rules"] for unit, (_, scored) in zip(units, done, strict=True) if "rules" in scored}
    rows = []
    for unit, (made, scored) in zip(units, done, strict=True):
        per_step = {
            made_by(job.recipe): facts["seconds"] / max(facts["steps"], 1)
            for (job, _), facts in zip(unit.makers, made, strict=False)
        }
        bad = next((facts["status"] for facts in made if facts["status"] != "ok"), "")
        for name, job, _ in unit.learners:
            if name == "rules":
                continue
            own, base = scored.get(name, {"status": bad or "no time left"}), rules.get(unit.fold, {})
            failed = own["status"] in ("failed", "collapsed")
            score = base.get("score") if failed else own.get("score")
            paired = None if score is None or base.get("score") is None else score - base["score"]
            row = {"rung": k, "candidate": name, "fold": unit.fold, "status": own["status"], "updates": job.steps}
            row |= {"score": score, "rules": base.get("score"), "difference": paired}
            rows.append({**row, "seconds": own.get("seconds"), "makers": per_step})
    return rows


def ranked(trials: Sequence[Mapping[str, Any]], order: Sequence[str]) -> list[dict]:
    """Candidates by mean difference from the rules, best first; one that never worked is no candidate."""
    rows = []
    for name in order:
        own = [t for t in trials if t["candidate"] == name and t["difference"] is not None]
        if not any(t["status"] == "ok" for t in own):
            continue
        found = np.array([t["difference"] for t in own])
        error = float(found.std(ddof=1) / math.sqrt(len(found))) if len(found) > 1 else None
        rows.append({"candidate": name, "difference": float(found.mean()), "error": error, "folds": len(found)})
    return sorted(rows, key=lambda row: -row["difference"])
