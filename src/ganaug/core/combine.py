# SPDX-License-Identifier: Apache-2.0
"""Systems made of systems: one clone a class, one clone an image, and systems as hyperparameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganaug.core.catalogue import make
from ganaug.core.run_folder import restore
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.view import TrainView


def resolve(given: Any) -> System:
    """An unfitted or fitted system from an id, a System (cloned) or a run folder (restored)."""
    from sklearn.base import clone

    if isinstance(given, System):
        return given if hasattr(given, "fitted_") else clone(given)
    if isinstance(given, Path) or (Path(str(given)) / "run.json").is_file():
        return restore(given)
    return make(given)


class Clones(System):
    """One clone of a system for each part of the training set; each gets an equal share of the budget."""

    def __init__(self, system: Any = None):
        self.system = system

    @property
    def CARD(self):
        """The inner card: a wrapper adds conditions, not needs."""
        return resolve(self.system).CARD

    def parts_of(self, train: TrainView) -> dict[int, np.ndarray]:
        """Key of a clone -> its training rows."""
        raise TypeError("use PerClass or PerImage")

    def fit(self, train: ImageSet | None = None, *, budget: Any = None, seed: int = 0, **rest: Any) -> System:
        """Fit one clone a part; with a run folder, each clone gets a folder of its own inside it."""
        from ganaug.core.loop import Budget
        from ganaug.core.system import as_view

        view = as_view(train, self)
        parts = self.parts_of(view)
        budget = (
            budget
            if isinstance(budget, Budget)
            else Budget(self.default_steps() if budget is None else budget)
        )
        each = Budget(
            None if budget.steps is None else max(1, budget.steps // len(parts)),
            None if budget.seconds is None else budget.seconds / len(parts),
        )
        run = rest.pop("run", None)
        self.clones: dict[int, System] = {}
        for key, rows in parts.items():
            folder = None if run is None else Path(run) / f"part-{key}"
            self.clones[key] = resolve(self.system).fit(
                view.select(rows), budget=each, seed=seed + key, run=folder, **rest
            )
        self.spec = view.spec
        self.fitted_ = {
            "seed": seed,
            "steps": sum(c.fitted_["steps"] for c in self.clones.values()),
            "retry": 0,
        }
        return self

    def default_steps(self) -> int:
        return resolve(self.system).default_steps()


class PerClass(Clones):
    """An unconditional system made class-conditional: one clone a class, on that class's rows only."""

    @property
    def conditional(self) -> bool:
        return True

    def parts_of(self, train: TrainView) -> dict[int, np.ndarray]:
        if train.label is None:
            raise InputError("PerClass needs labels, and this set has none.")
        present = np.unique(train.label[train.label >= 0])
        return {int(k): np.flatnonzero(train.label == k) for k in present}

    def stream(
        self,
        n: int | None = None,
        *,
        per_class: int | Mapping[str, int] | None = None,
        like: ImageSet | None = None,
        start: int = 0,
        seed: int = 0,
    ) -> Iterator[Batch]:
        """As System.stream; a plain number of images is spread evenly over the classes."""
        if per_class is None:
            per_class = -(-(len(like) if like is not None else n or 0) // max(len(self.clones), 1))
        for k, count in self._class_counts(per_class).items():
            for batch in self.clones[k].stream(count, start=start, seed=seed):
                yield batch.but(label=torch.full((len(batch),), k))


class PerImage(Clones):
    """A single-image system for a whole set: one clone an image; samples carry their image's label."""

    @property
    def conditional(self) -> bool:
        return False

    def parts_of(self, train: TrainView) -> dict[int, np.ndarray]:
        return {row: np.array([row]) for row in range(len(train))}

    def stream(self, n: int | None = None, *, start: int = 0, seed: int = 0, **_: Any) -> Iterator[Batch]:
        """n images spread evenly over the clones."""
        each = -(-(n or 0) // max(len(self.clones), 1))
        for key, clone in self.clones.items():
            for batch in clone.stream(each, start=start, seed=seed):
                yield batch.but(parents=torch.full((len(batch), 1), key))
