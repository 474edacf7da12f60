# SPDX-License-Identifier: Apache-2.0
"""Fast AutoAugment: a policy for the images at hand, found by asking trained networks whether they still know them.

Sungbin Lim, Ildoo Kim, Taesup Kim, Chiheon Kim, Sungwoong Kim, "Fast AutoAugment", NeurIPS 2019, arXiv 1905.00397.

The training rows are split several times. A child network learns from one part without any augmentation; then policies
are tried on the other, held-out part, and the reward of a policy is how well the child recognises the images that it
changed: an augmentation is good when changed images still look like real ones (density matching). A Parzen estimator
proposes the policies, so that no network is trained for any of them; the best of each fold are merged, and every image
goes through one random sub-policy.

Labels: hard, unchanged. Masks, boxes, keypoints and views move with the image.
Deviations: the reward is the mean over passes, as the paper writes it; the released code takes the best pass of each
image, which lets any operation pass that is at times left out (reduce="max"). Operations are AutoAugment's without
Cutout and SamplePairing, and with both flips; of many bands neither colours nor inversions are tried. A third of the
rows is held out of each fold (paper: 40 %), groups stay whole. One round of search, as released. Of sub-policies with
the same operations in the same order only the first is kept, because the best trials of a fold are variants of each
other. Children learn without flips and crops, and preset small has shorter trainings, fewer trials, and keeps fewer
policies.
Cost: see the card. All networks are the task's own, trained as the study trains its classifiers.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ganaug.core.card import Card
from ganaug.core.catalogue import make
from ganaug.core.device import device
from ganaug.core.loop import Budget
from ganaug.core.protocols import Learner
from ganaug.core.system import Losses, System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.spec import Spec
from ganaug.data.view import TrainView
from ganaug.parts.ops.policy_ops import SubPolicy, apply_policy, meaningful
from ganaug.parts.ops.policy_words import in_words
from ganaug.parts.samplers import shuffled
from ganaug.parts.search import suggest

BINS = 101  # levels of an operation, in percent of its strongest magnitude
SUB_POLICIES, OPERATIONS = 5, 2  # of a policy that is tried
HELD_OUT = 1 / 3
TIMED = 3  # trials that are timed where a budget is a time


class RealRows:
    """What a child learns from: rows of a set as they are (a `Source`)."""

    def __init__(self, rows: ImageSet, learner: Learner, seed: int):
        self.rows, self.seed = rows, seed
        self.spec, self.outputs = rows.spec, len(rows.classes)
        self.batch_size, self.sampler = getattr(learner, "batch_size", 32), getattr(learner, "sampler", shuffled)

    def batch(self, t: int) -> Batch:
        return self.rows.batch(self.sampler(self.rows, self.batch_size, self.seed, t))

    def target(self, batch: Batch, logits: Tensor, t: int) -> tuple[Float[Tensor, "b k"], Float[Tensor, " b"]]:
        return F.one_hot(batch.label, self.outputs).float(), torch.ones(len(batch))

    def table(self, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        whole = self.rows.batch(np.arange(len(self.rows)))
        return whole.image.flatten(1).numpy(), whole.label.numpy(), np.ones(len(whole))


class FastAutoAugment(System):
    """Fast AutoAugment (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    task : the learner whose networks are the children; None: classification with the small network.
    folds : splits of the training rows, each with a child of its own (paper: 5).
    trials : policies tried in each fold, where no budget is given (paper: 200); a budget of steps is the trials of all
        folds, one of time holds the children's training too.
    keep : policies of each fold that are merged (paper: 10).
    passes : times that every held-out image is changed and looked at for a reward (paper: 5).
    held : held-out images of a fold that rewards are measured on, at most.
    child_steps : updates of each child (paper: 200 epochs of 2,400 images).
    reduce : "mean" over the passes, or "max", the best pass of each image, as released.
    """

    CARD = Card(
        id="fast_autoaugment",
        kind="transform",
        title="Fast AutoAugment",
        paper="Fast AutoAugment",
        arxiv="1905.00397",
        year=2019,
        lists=("001",),
        needs=("label",),
        can=("augment",),
        sizes=(8, 512),
        min_rows=6,
        online=True,
        moves=("mask", "valid", "instances", "depth", "boxes", "keypoints", "views"),
        deviations=(
            "the reward is the mean over passes; the released code's best pass is reduce='max'",
            "no Cutout and SamplePairing, but both flips; neither colours nor inversions for many bands",
            "a third of the rows is held out of each fold",
            "of sub-policies with the same operations in the same order only the first is kept",
            "children learn without flips and crops",
            "preset small: shorter trainings, fewer trials, fewer policies kept",
        ),
        cost="a search of preset small takes 150 s at 32 px with 200 images, 30 s at 8 px with 300, on one slow core",
        shows="on digits, slight turns and shears are rewarded above flips and inversion, found policies above random.",
    )
    PRESETS = {
        "paper": {"folds": 5, "trials": 200, "keep": 10, "passes": 5, "held": 2000, "child_steps": 3750},
        "small": {},
        "tiny": {"folds": 2, "trials": 3, "keep": 1, "passes": 2, "child_steps": 4},
    }
    uneven = True

    def __init__(
        self,
        *,
        task: Any = None,
        folds: int = 5,
        trials: int = 80,
        keep: int = 5,
        passes: int = 5,
        held: int = 200,
        child_steps: int = 200,
        reduce: str = "mean",
    ):
        self.task = task
        self.folds = folds
        self.trials = trials
        self.keep = keep
        self.passes = passes
        self.held = held
        self.child_steps = child_steps
        self.reduce = reduce

    def build(self, spec: Spec) -> None:
        if self.reduce not in ("mean", "max"):
            raise InputError(f"reduce must be mean or max, found '{self.reduce}'.")
        self.ops = [name for name in meaningful(spec.channels) if name != "Identity"]
        self.kinds = [len(self.ops), 0, 0] * OPERATIONS * SUB_POLICIES  # operation, probability, level of each place
        self.make_room()
        self.child = None
        self.policy_ = []

    def make_room(self) -> None:
        """For the points and rewards of all trials."""
        self.tried = torch.zeros(self.total, len(self.kinds), dtype=torch.float64)
        self.rewards = torch.zeros(self.total, dtype=torch.float64)

    def prepare(self, train: TrainView) -> None:
        """A seed for each fold, kept so that a resumed search trains the same child again."""
        self.seeds_ = torch.randint(2**31, (self.folds,)).tolist()

    def default_steps(self) -> int:
        return self.folds * self.trials

    def steps_in(self, seconds: float) -> int:
        """The trials that the time leaves beside the children's training, from one child and some trials of it.

        Raises InputError where it does not even hold that.
        """
        started = perf_counter()
        self.child_of(0)
        trained = perf_counter()
        for _ in range(TIMED):
            self.trial(0, self.tried[:0], self.rewards[:0])
        each, children = (perf_counter() - trained) / TIMED, self.folds * (trained - started)
        self.total = int((seconds - children) / each)
        if self.total < self.folds:
            raise InputError(
                f"fast_autoaugment: training {self.folds} networks takes about {children:.0f} s here, a trial in each "
                f"{self.folds * each:.0f} s, and {seconds:.0f} s were given: give more, or fewer folds or child_steps."
            )
        self.make_room()
        return self.total

    @property
    def learner(self) -> Learner:
        """The task's recipe."""
        return make("classification") if self.task is None else self.task

    # --- the search -----------------------------------------------------------------------------------------------

    def step(self, batch: Batch, t: int) -> Losses:
        """One trial; the first of a fold trains the fold's child."""
        k = t * self.folds // self.total
        own = slice(self.first_of(k), t)
        self.tried[t], self.rewards[t] = self.trial(k, self.tried[own], self.rewards[own])
        self.policy_ = self.merged(t + 1)
        return {"reward": self.rewards[t]}

    def trial(self, k: int, tried: Tensor, rewards: Tensor) -> tuple[Float[Tensor, " d"], float]:
        """A policy that the trials so far suggest, and what the child of fold k says of it."""
        point = suggest(self.kinds, tried.cpu().numpy(), rewards.cpu().numpy(), self.numpy_rng())
        reward = self.density(k, lambda held: apply_policy(held, self.policy_of(point), BINS))
        return torch.from_numpy(point), reward

    def first_of(self, k: int) -> int:
        """The first trial of a fold."""
        return -(-k * self.total // self.folds)

    def density(self, k: int, change: Callable[[Batch], Batch]) -> float:
        """How well the child of fold k recognises changed held-out images: the score, over all passes at once."""
        model, held = self.child_of(k)
        several = held.to(device()).select(torch.arange(len(held)).repeat(self.passes))
        changed = ImageSet.from_batches([change(several)], self.spec)
        each = self.learner.score(model, changed).shares.reshape(self.passes, -1)
        return float((each.max(0) if self.reduce == "max" else each).mean())

    def child_of(self, k: int) -> tuple[Any, Batch]:
        """The trained child of a fold and the held-out rows that it never saw."""
        if self.child is None or self.child[0] != k:
            held, rest = self.split(k)
            model = self.learner.fit(RealRows(rest, self.learner, k), Budget(self.child_steps), self.seeds_[k])
            rows = held.batch(np.arange(len(held)))
            self.child = (k, model, Batch(image=rows.image, label=rows.label))
        return self.child[1:]

    def split(self, k: int) -> tuple[ImageSet, TrainView]:
        """(held-out rows, at most `held` of them; the rest) of the labelled training rows."""
        known = self.train.select(np.flatnonzero(self.train.label >= 0))
        held, rest = known.holdout(HELD_OUT, self.seeds_[k] % 2**31)
        some = np.random.default_rng(self.seeds_[k]).permutation(len(held))[: self.held]
        return held.select(np.sort(some)), rest

    def policy_of(self, point: Float[np.ndarray, " d"]) -> list[SubPolicy]:
        """A point of the search as sub-policies; probabilities and levels in whole percents."""
        places = point.reshape(SUB_POLICIES, OPERATIONS, 3).tolist()
        return [[[self.ops[int(op)], round(p, 2), round(100 * level)] for op, p, level in sub] for sub in places]

    def merged(self, n: int) -> list[SubPolicy]:
        """The sub-policies of the best trials of each fold among the first n; of the same operations the first."""
        found: dict[tuple, SubPolicy] = {}
        for k in range(self.folds):
            first = self.first_of(k)
            rewards = self.rewards[first : max(min(n, self.first_of(k + 1)), first)]
            for i in rewards.argsort(descending=True, stable=True)[: self.keep].tolist():
                for sub in self.policy_of(self.tried[first + i].cpu().numpy()):
                    found.setdefault(tuple(op for op, _, _ in sub), sub)
        return list(found.values())

    # --- what it yields -------------------------------------------------------------------------------------------

    def vary(self, batch: Batch) -> Batch:
        return apply_policy(batch, self.found(), BINS)

    def found(self) -> list[SubPolicy]:
        """The sub-policies; InputError before the first trial."""
        if not self.policy_:
            raise InputError("fast_autoaugment has tried no policy yet: fit it with a budget of at least one step.")
        return self.policy_

    def words(self) -> list[str]:
        """The found policy in plain English, one sentence a sub-policy."""
        return in_words(self.found(), BINS, self.spec.channels)
