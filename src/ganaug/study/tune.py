# SPDX-License-Identifier: Apache-2.0
"""Tune: which recipe adds most to the rules on this set, within a given time, and does it still on unseen images?

Successive halving (Jamieson and Talwalkar 2016, arXiv 1502.07943): many candidates are tried briefly, the better third
longer, and so on. A candidate's score is its difference from the rules on the same part of the training fold, with the
same seed. The test fold is taken away before the search begins. Then the winner runs against the rules in an ordinary
study, with fresh draws and seeds, and only that study is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from joblib import cpu_count

from ganaug.core.protocols import Learner
from ganaug.core.seeding import derive
from ganaug.data.errors import InputError
from ganaug.data.image_set import FOLDS, ImageSet
from ganaug.study import rounds, saturate
from ganaug.study.arms import Arm, parse_arm, stored_arm
from ganaug.study.folder_arm import refuse_pool_copies, refuse_test_copies
from ganaug.study.folds import fold, regime_of, training_view
from ganaug.study.search import Search, Tuned
from ganaug.study.study import Study, StudyLog


@dataclass(kw_only=True)
class Tune:
    """Which recipe adds most to the rules on this set, and does it hold on the test fold?

    Parameters
    ----------
    minutes : for everything, the confirmation included.
    arms : what to search among, as in a Study; None takes what suits the set.
    task : "classification", "segmentation", "reid", or any Learner.
    shots : training images a class; None uses the whole training fold.
    margin, alpha : of the confirming study.
    workers, backend : joblib's; None takes one worker a core.

    `run` raises InputError for data or arms that can't be searched, and where the minutes can't hold even the
    confirmation.
    """

    minutes: float = 45.0
    arms: Sequence[Any] | None = None
    task: str | Learner = "classification"
    shots: int | None = None
    seed: int = 0
    margin: float = 0.01
    alpha: float = 0.05
    workers: int | None = None
    backend: str = "loky"
    command: str = ""

    def run(self, data: ImageSet, folder: str | Path, *, resume: bool = False, log: StudyLog | None = None) -> Tuned:
        """Search, confirm, and write `tune.json`, `winner.json` and the folder `confirmation`.

        `resume` goes on with a stopped search: nothing finished is done again, and the time it took counts.
        """
        begun = rounds.now()
        if not self.minutes > 0:
            raise InputError(f"minutes must be above 0, found {self.minutes:g}.")
        if self.task == "few_shot":
            raise InputError("tune searches for classification, segmentation and reid: study few_shot with named arms.")
        data = with_test_fold(self.study().prepared(data), self.seed)
        refuse_pool_copies(data, [self.study().fold(data, self.shots, 0)])
        if self.arms:
            self.refuse_baselines(data)
        search = Search.open(self, data, Path(folder), resume, begun, log)
        winner, ranking = search.go()
        confirmed = search.confirm(winner)
        return search.finish(winner, ranking, confirmed)

    def refuse_baselines(self, data: ImageSet) -> None:
        """InputError for arms that can't be studied or hold test images, and for what all others are compared with."""
        asked, study = list(self.arms or ()), self.study()
        refuse_test_copies(self.study(arms=asked).plan(data), data, [self.shots], 1, study.fold)
        view = training_view(data, data.in_fold("train", "val"))
        for arm in (parse_arm(given, view) for given in asked):
            if arm.name == arm.baseline or arm.kind == "control" or arm.name == saturate.RULES.name:
                raise InputError(f"arm '{arm.name}' is what the search compares with: name other arms, or none.")

    def study(self, **changes: Any) -> Confirmation:
        """A study with these settings."""
        given = {"task": self.task, "shots": self.shots, "seed": self.seed, "margin": self.margin, "alpha": self.alpha}
        given |= {"workers": self.workers or cpu_count(), "backend": self.backend, "command": self.command}
        return Confirmation(**{**given, **changes})

    @staticmethod
    def winner(folder: str | Path) -> Arm:
        """The arm that a finished search found, for `ganaug.Study(arms=[...])`."""
        return stored_arm(Path(folder) / "winner.json")


@dataclass(kw_only=True)
class Confirmation(Study):
    """A study with the length and strength that were found before, on the training fold."""

    found: Mapping[str, Any] = field(default_factory=dict)

    def saturated(self, data: ImageSet, arms: Sequence[Arm], go: Callable[..., list]) -> dict:
        return dict(self.found)


# --- folds: nothing of the test fold goes into the search -------------------------------------------------------


def with_test_fold(data: ImageSet, seed: int) -> ImageSet:
    """The set with a test fold: its own, or a part that is put aside before anything is chosen; groups stay whole."""
    if regime_of(data) == "fixed test fold":
        return data
    test = fold(data, None, 0, repeats=1, seed=derive(seed, "test fold") % 2**31).test
    aside = np.isin(data.groups, data.groups[test])
    return data.but(fold=np.where(aside, FOLDS.index("test"), FOLDS.index("train")))
