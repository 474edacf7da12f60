# SPDX-License-Identifier: Apache-2.0
"""What the layers above promise each other: sources, learners, features, latent generators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from ganaug.core.loop import Budget
from ganaug.data.batch import Batch
from ganaug.data.image_set import ImageSet
from ganaug.data.spec import Spec


@dataclass(frozen=True)
class Scores:
    """How a model did on a test set.

    `main` is the score that verdicts compare (a fraction, higher is better), `table` every score by name,
    `per_class` each class's recall or IoU. `units` has one row a test unit, so that every score can be resampled:
    `reduce(units)` gives the main score. `shares` [rows of the test set] is what each test row adds: their mean is
    the main score, NaN for rows that are no unit of it. `note` says in a sentence what could not be scored.
    """

    main: float
    table: Mapping[str, float]
    units: np.ndarray
    reduce: Callable[[np.ndarray], float]
    shares: np.ndarray
    per_class: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


class Source(Protocol):
    """What a learner trains on, whatever the arm: pure in (seed, t)."""

    spec: Spec
    outputs: int

    def batch(self, t: int) -> Batch:
        """Real and generated rows, mixed and transformed, for update t."""
        ...

    def target(
        self, batch: Batch, logits: Float[Tensor, "b k"], t: int
    ) -> tuple[Float[Tensor, "b k"], Float[Tensor, " b"]]:
        """Soft labels [B, outputs] and weights [B] for update t."""
        ...

    def table(self, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """About n rows for learners without batches: features [M, D], labels [M], sample weights [M]."""
        ...


class Learner(Protocol):
    """A fixed downstream recipe. `network` gives an untrained model, `fit` a trained one.

    `prepared` gives a set as the task sees it (re-identification turns classes into identities), and raises InputError
    where the task can't be learnt from it.
    """

    def prepared(self, data: ImageSet) -> ImageSet: ...
    def network(self, spec: Spec, outputs: int | None = None) -> nn.Module: ...
    def fit(self, source: Source, budget: Budget, seed: int) -> Any: ...
    def score(self, model: Any, data: ImageSet) -> Scores: ...


class Features(Protocol):
    """Images [B, C, H, W] in [-1, 1] -> features [B, D]; the name goes into every result made with it."""

    name: str

    def __call__(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]: ...


class LatentGenerator(Protocol):
    """A generator whose latents other systems may move in."""

    def latent(self, noise: Tensor) -> Tensor: ...
    def paint(self, latent: Tensor) -> Float[Tensor, "b c h w"]: ...
