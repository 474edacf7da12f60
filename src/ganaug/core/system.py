# SPDX-License-Identifier: Apache-2.0
"""System: what every generator, transform and policy learner is. A paper overrides a few methods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from ganaug.core import loop, run_folder, sampling, state
from ganaug.core.card import Card
from ganaug.core.loop import Budget, LogCallback
from ganaug.core.requirements import check_requirements
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.picture import save_picture, tiled
from ganaug.data.pixels import ArrayPixels
from ganaug.data.spec import Spec
from ganaug.data.view import TrainView
from ganaug.parts.samplers import shuffled

Losses = Mapping[str, Tensor]


class System(BaseEstimator):
    """A scikit-learn estimator that learns from a training fold and yields images, variants or a model.

    Hyperparameters are keyword-only and stored unchanged. A paper overrides `build, prepare, draw, step, generate,
    vary, model` as it needs; everything else is given. During `fit` a system has `spec`, `train` (the TrainView),
    `total` (steps) and `transform` (Batch -> Batch, set by a study's arm, to be used where it feeds a recogniser).
    """

    CARD: ClassVar[Card]
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    sampler = staticmethod(shuffled)
    stages: tuple[float, ...] = (1.0,)
    uneven = False
    mixed_precision = False  # True: on a CPU too, bfloat16 was found to give the same images in less time
    chunk = 64

    spec: Spec
    train: TrainView
    total: int = 0
    conditions: dict[str, Tensor]

    # --- the paper: override what applies ---------------------------------------------------------------------

    def build(self, spec: Spec) -> None:
        """Create every network and optimiser that the run will ever use."""

    def prepare(self, train: TrainView) -> None:
        """Whole-fold work, once before the first step (a teacher, class Gaussians, clusters)."""

    def steps_in(self, seconds: float) -> int:
        """How many steps fit into a time, asked of a system of `uneven` steps only; others are timed by the loop."""
        raise InputError(f"{self.CARD.id} has steps of unequal length: give --steps instead of a time.")

    def draw(self, data: ImageSet, rows: Tensor) -> Batch:
        """The rows with all partners that `step` or `vary` need."""
        return data.batch(rows)

    def step(self, batch: Batch, t: int) -> Losses:
        """One round of the paper's algorithm, in its order."""
        return {}

    def generate(self, want: Batch) -> Batch:
        """Conditions -> images; `len(want)` images with the labels, masks or views that `want` holds."""
        raise InputError(f"{self.CARD.id} makes no images from conditions: {self.offer()}.")

    def vary(self, batch: Batch) -> Batch:
        """Images -> variants of them."""
        raise InputError(f"{self.CARD.id} makes no variants of given images: {self.offer()}.")

    def offer(self) -> str:
        """What to ask of the system instead of what it can't do."""
        usable = [what for what in ("sample", "augment") if what in self.CARD.can]
        return f"use `ganaug {usable[0]}`" if usable else "it yields a recogniser alone, `system.model()` in Python"

    def model(self) -> nn.Module:
        """The recogniser that a joint system trained: logits, embedding or map."""
        raise InputError(f"{self.CARD.id} trains no recogniser.")

    def transform(self, batch: Batch) -> Batch:
        """Identity unless a study's arm sets another."""
        return batch

    @property
    def out_spec(self) -> Spec:
        """The spec of the images that it makes; a translator's differs from the training set's."""
        return self.spec

    def combine(self, images: Tensor) -> Tensor:
        """Images [n, C, H, W] combined with each other -> a table of (n + 1)^2 images, row by row, to look at."""
        raise InputError(f"{self.CARD.id} has no grid: it does not combine two images.")

    def preview(self) -> ImageSet | None:
        """A picture of where the training stands: samples, or variants of the first training rows."""
        first = self.train.select(np.arange(min(64, len(self.train))))
        if "sample" in self.CARD.can:
            return self.sample(like=first) if sampling.unseen(self) else self.sample(64)
        return self.augment(first) if "augment" in self.CARD.can else None

    # --- given: fitting ---------------------------------------------------------------------------------------

    @property
    def rows_per_step(self) -> int:
        """Training rows that one step draws; 0 where a step needs none."""
        return int(getattr(self, "batch_size", 0))

    @property
    def learns(self) -> bool:
        """Whether fitting takes anything from the images; a transform with fixed operations does not."""
        return type(self).step is not System.step or type(self).prepare is not System.prepare

    @property
    def needs(self) -> tuple[str, ...]:
        """The fields that a training set must have: the card's, unless a hyperparameter names others."""
        return self.CARD.needs

    @property
    def conditional(self) -> bool:
        """Whether images of a chosen class can be asked for."""
        return "label" in self.needs

    def default_steps(self) -> int:
        """The budget when none is given: 2,000 steps, or none for a system without steps."""
        return 2000 if type(self).step is not System.step else 0

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
        """Learn from the training fold.

        `budget` is a number of steps or a Budget. With `run`, checkpoints, previews and scalars go into that folder;
        `resume` goes on from its last checkpoint, to the same bits as a run that was never stopped.

        Raises InputError when the set lacks a field the card needs, when it has too few images, or when the run
        folder belongs to another system or data set or was started with another budget; Diverged when the losses
        become non-finite twice.
        """
        for name in state.stateful(self):  # nothing of an earlier fit may show in this one
            delattr(self, name)
        budget = budget if isinstance(budget, Budget) else Budget(budget)
        seed, folder = legal_seed(seed), Path(run) if run is not None else None
        self.train = as_view(train, self)
        self.spec = self.train.spec
        try:
            check_requirements(self, self.train)
            if folder is not None:
                run_folder.open_run(self, folder, resume, seed)
            self.recogniser_updates_ = 0
            self.conditions = sampling.condition_table(self.train, self.needs)
            at = loop.train(self, budget, seed, folder, resume, log)
        except Exception:
            del self.spec  # not fitted
            raise
        finally:
            del self.train
        self.set_mode(training=False)  # as after `restore`
        self.fitted_ = {"seed": seed, "steps": at.t, "retry": at.retry}
        if folder is not None:
            run_folder.save(self, folder)
        return self

    def rows_for(self, seed: int, t: int) -> Batch:
        """The batch of step t: a pure function of (seed, t)."""
        if not self.rows_per_step:
            return Batch()
        return self.draw(self.train, self.sampler(self.train, self.rows_per_step, seed, t))

    def update(self, loss: Tensor, optimiser: Any, *, recogniser: bool = False) -> None:
        """Zero, backward, step; `recogniser` counts the update of a downstream model against its budget."""
        optimisers = optimiser if isinstance(optimiser, (list, tuple)) else [optimiser]
        for each in optimisers:
            each.zero_grad(set_to_none=True)
        loss.backward()
        for each in optimisers:
            each.step()
        self.recogniser_updates_ += int(recogniser)

    def stage(self, t: int) -> tuple[int, float]:
        """(number of the stage of step t, progress 0..1 inside it); every stage gets at least one step."""
        order, total = np.arange(len(self.stages)), max(self.total, len(self.stages))
        ends = np.rint(np.cumsum(self.stages) / sum(self.stages) * total).astype(int)
        ends = np.maximum.accumulate(np.maximum(ends, 1) - order) + order  # each ends after the one before it
        ends = np.minimum(ends, total - order[::-1])  # and leaves a step for each that follows
        number = min(int(np.searchsorted(ends, t, side="right")), len(ends) - 1)
        start = int(ends[number - 1]) if number else 0
        return number, min((t - start) / max(int(ends[number]) - start, 1), 1.0)

    def numpy_rng(self) -> np.random.Generator:
        """A numpy generator that follows the seed of the step or chunk it is called in."""
        return np.random.default_rng(int(torch.randint(2**62, (), device="cpu")))

    # --- given: images out ------------------------------------------------------------------------------------

    def stream(
        self,
        n: int | None = None,
        *,
        per_class: int | Mapping[str, int] | None = None,
        like: ImageSet | None = None,
        start: int = 0,
        seed: int = 0,
    ) -> Iterator[Batch]:
        """Generated batches: n images as the training conditions were, or a number a class, or one for each row.

        Made in canonical chunks: image i is a pure function of (weights, parameters, seed, i), so any range can be
        made anywhere. Raises InputError for a class that is unknown or can't be chosen.
        """
        sampling.refuse_unfitted(self)
        if like is not None:
            rows = like if sampling.asks_nothing(self) else sampling.given(self, like)
            yield from sampling.chunks(self, "like", 0, len(rows), seed, partial(sampling.asked, self, rows))
        elif per_class is not None:
            for k, n in sampling.class_counts(self, per_class).items():
                want = partial(sampling.of_class, k)
                yield from sampling.chunks(self, k, start, start + n, seed, want)
        elif n is not None:
            yield from sampling.chunks(self, "all", start, start + n, seed, partial(sampling.seen, self))
        else:
            raise InputError("say how many images: n=..., per_class=... or like=...")

    def sample(
        self,
        n: int | None = None,
        *,
        per_class: int | Mapping[str, int] | None = None,
        like: ImageSet | None = None,
        start: int = 0,
        seed: int = 0,
    ) -> ImageSet:
        """As `stream`, collected into a set with the training set's dtype, scaling and class names.

        Images made from the rows of `like` lie where these lie on the ground.
        """
        batches = self.stream(n, per_class=per_class, like=like, start=start, seed=seed)
        made = sampling.collected(self, batches, seed)
        return made if like is None or sampling.asks_nothing(self) else sampling.placed(made, like)

    def augment(self, data: Any, *, seed: int = 0) -> Any:
        """Variants of given images: Batch -> Batch, ImageSet -> ImageSet (one variant a row, in order)."""
        sampling.refuse_unfitted(self)
        if type(self).vary is System.vary:
            self.vary(Batch())  # says so before partners are drawn
        if isinstance(data, Batch):
            return sampling.varied(self, data, seed)
        return sampling.varied_set(self, data, seed)

    def grid(self, data: ImageSet, n: int = 6) -> np.ndarray:
        """The first n images of a set combined with each other, as a picture uint8 [H, W, 3]."""
        sampling.refuse_unfitted(self)
        with sampling.working(self, 0, "grid") as chosen:
            table = self.combine(data.images(np.arange(min(n, len(data)))).to(chosen))
        return tiled(table.permute(0, 2, 3, 1).cpu().numpy(), min(n, len(data)) + 1)

    def save_grid(self, data: ImageSet, file: str | Path, n: int = 6) -> None:
        """`grid` as a PNG."""
        save_picture(Path(file), self.grid(data, n))

    def seen_classes(self) -> list[int]:
        """The class numbers that occurred in training."""
        return self.conditions["label"].unique().tolist()

    # --- given: networks and files ----------------------------------------------------------------------------

    def plain_params(self) -> dict[str, Any]:
        """Hyperparameters as they are written down; a system that takes objects tells here what stands for them."""
        return self.get_params(deep=False)

    def modules(self) -> list[nn.Module]:
        """Every network that the system has built, in lists and dicts too."""
        return list(networks(state.stateful(self)))

    def set_mode(self, *, training: bool) -> None:
        """Training or evaluation mode for every network."""
        for module in self.modules():
            module.train(training)

    def save(self, folder: str | Path) -> None:
        """Write the fitted system into a folder that `ganaug.restore` reads back."""
        run_folder.save(self, Path(folder))

    def get_state(self) -> Any:
        """The whole fitted system as nested plain values, for systems that hold a system."""
        return run_folder.portable(self)

    def set_state(self, stored: Any) -> None:
        """The inverse of `get_state`."""
        run_folder.put(self, stored)


def networks(value: Any) -> Iterator[nn.Module]:
    """The networks in a value or in nested lists and dicts."""
    if isinstance(value, nn.Module):
        yield value
    elif isinstance(value, (list, tuple, Mapping)):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from networks(part)


def legal_seed(seed: int) -> int:
    """The seed as a plain integer; InputError below 0."""
    if seed < 0:
        raise InputError(f"the seed must be 0 or more, found {seed}.")
    return int(seed)


def as_view(data: ImageSet | None, system: System) -> TrainView:
    """The training rows of a set; None is legal for systems that need no data."""
    if data is None:
        if system.CARD.needs or type(system).step is not System.step:
            raise InputError(f"{system.CARD.id} needs a training set: pass one to fit.")
        return TrainView(image=ArrayPixels(np.zeros((0, 8, 8, 3), np.uint8)))
    if isinstance(data, TrainView):
        return data
    held_out = len(data.in_fold("test", "val"))
    return TrainView.of(data, data.in_fold("train") if held_out else None)
