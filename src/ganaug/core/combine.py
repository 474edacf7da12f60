# SPDX-License-Identifier: Apache-2.0
"""Systems made of systems: one clone a class, one clone an image, and systems as hyperparameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import clone

from ganaug.core import run_folder, sampling
from ganaug.core.catalogue import make
from ganaug.core.loop import Budget, LogCallback
from ganaug.core.seeding import derive
from ganaug.core.system import System, as_view, legal_seed
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.view import TrainView


def resolve(given: Any) -> System:
    """A system from an id (unfitted), a run folder (restored) or a System (itself if fitted, else a clone).

    Raises InputError for anything else.
    """
    if isinstance(given, System):
        return given if hasattr(given, "fitted_") else clone(given)
    if not isinstance(given, (str, Path)):
        raise InputError(f"a system is an id, a run folder or a System, found {type(given).__name__}.")
    if isinstance(given, Path) or (Path(given) / "run.json").is_file():
        return run_folder.restore(given)
    return make(given)


class Clones(System):
    """One clone of a system for each part of the training set; each gets an equal share of the budget."""

    wrapper = ""

    def __init__(self, system: Any = None):
        self.system = system

    def inner(self) -> System:
        """An unfitted system as each clone is one."""
        return clone(resolve(self.system))

    @property
    def CARD(self):
        """The inner card: a wrapper adds conditions, not needs."""
        return (self.system if isinstance(self.system, System) else self.inner()).CARD

    @property
    def conditional(self) -> bool:
        """Whether classes can be asked for: each clone's class is known."""
        return any(label >= 0 for label in getattr(self, "labels_", {}).values())

    def parts_of(self, train: TrainView) -> dict[int, np.ndarray]:
        """Key of a clone -> its training rows."""
        raise TypeError("use PerClass or PerImage")

    def default_steps(self) -> int:
        return self.inner().default_steps()

    def build(self, spec: Any) -> None:
        self.clones = {key: self.inner() for key in self.labels_}

    def fit(
        self,
        train: ImageSet | None = None,
        *,
        budget: Budget | int | None = None,
        seed: int = 0,
        run: str | Path | None = None,
        resume: bool = False,
        log: LogCallback | None = None,
    ) -> System:
        """Fit one clone a part; with a run folder, each clone has a run folder `part-KEY` of its own inside it."""
        seed, folder = legal_seed(seed), None if run is None else Path(run)
        view = self.train = as_view(train, self.inner())
        self.spec = view.spec
        try:
            parts = self.parts_of(view)
            if folder is not None:
                run_folder.open_run(self, folder, resume, seed)
        except Exception:
            del self.spec  # not fitted
            raise
        finally:
            del self.train
        self.labels_ = {key: -1 if view.label is None else int(view.label[rows[0]]) for key, rows in parts.items()}
        self.build(self.spec)
        each = split(budget if isinstance(budget, Budget) else Budget(budget), len(parts), self.default_steps())
        for key, rows in parts.items():
            own, part = derive(seed, "clone", key), folder and folder / f"part-{key}"
            self.clones[key].fit(view.select(rows), budget=each, seed=own, run=part, resume=resume, log=log)
        steps = sum(part.fitted_["steps"] for part in self.clones.values())
        self.fitted_ = {"seed": seed, "steps": steps, "retry": 0}
        if folder is not None:
            run_folder.save(self, folder)
        return self

    def stream(
        self,
        n: int | None = None,
        *,
        per_class: int | Mapping[str, int] | None = None,
        like: ImageSet | None = None,
        start: int = 0,
        seed: int = 0,
    ) -> Iterator[Batch]:
        """As System.stream; the clones, of a class or all, take turns. Refuses `like`."""
        sampling.refuse_unfitted(self)
        if per_class is not None:
            for k, count in sampling.class_counts(self, per_class).items():
                own = [key for key, label in self.labels_.items() if label == k]
                yield from self._in_turn(own, start, start + count, seed)
        elif n is None or like is not None:
            raise InputError(f"clones of {self.CARD.id} are asked for a number of images: n=... or per_class=...")
        else:
            yield from self._in_turn(list(self.clones), start, start + n, seed)

    def _in_turn(self, keys: Sequence[int], start: int, stop: int, seed: int) -> Iterator[Batch]:
        """Images start..stop of the sequence in which the clones take turns."""
        size = self.chunk * len(keys)
        for first in range(start, stop, size):
            last = min(first + size, stop)
            made = [batch for turn in range(len(keys)) for batch in self._turns(keys, turn, first, last, seed)]
            whole = Batch.cat(made)
            assert whole.index is not None
            yield whole.select(whole.index.argsort())

    def _turns(self, keys: Sequence[int], turn: int, first: int, last: int, seed: int) -> Iterator[Batch]:
        """The images among first..last that are the turn of one clone."""
        key, own = keys[turn], derive(seed, "clone", keys[turn])
        low, high = (-(-(edge - turn) // len(keys)) for edge in (first, last))
        for batch in self.clones[key].stream(high - low, start=low, seed=own):
            assert batch.index is not None
            yield self.named(batch.but(index=batch.index * len(keys) + turn), key)

    def named(self, batch: Batch, key: int) -> Batch:
        """A clone's images with what is known of them."""
        known = self.labels_[key] >= 0
        return batch.but(label=torch.full((len(batch),), self.labels_[key])) if known else batch

    def seen_classes(self) -> list[int]:
        return sorted({label for label in self.labels_.values() if label >= 0})


class PerClass(Clones):
    """An unconditional system made class-conditional: one clone a class, on that class's rows only."""

    wrapper = "per_class"
    conditional = True  # type: ignore[assignment]

    def parts_of(self, train: TrainView) -> dict[int, np.ndarray]:
        if train.label is None or not (train.label >= 0).any():
            raise InputError("PerClass needs labels, and this set has none: give labels, or ask for no classes.")
        return {int(k): np.flatnonzero(train.label == k) for k in np.unique(train.label[train.label >= 0])}


class PerImage(Clones):
    """A single-image system for a whole set: one clone an image; samples carry their image's id and label."""

    wrapper = "per_image"

    def parts_of(self, train: TrainView) -> dict[int, np.ndarray]:
        assert train.index is not None
        return {int(id): np.array([row]) for row, id in enumerate(train.index)}

    def named(self, batch: Batch, key: int) -> Batch:
        return super().named(batch, key).but(parents=torch.full((len(batch), 1), key))


def split(budget: Budget, parts: int, default: int) -> Budget:
    """An equal share of a budget, at least one step where there are any."""
    if budget.steps is None and budget.seconds is not None:
        return Budget(seconds=budget.seconds / parts)
    steps = default if budget.steps is None else budget.steps
    return Budget(steps=max(steps // parts, min(steps, 1)))


WRAPPERS = {kind.wrapper: kind for kind in (PerClass, PerImage)}
