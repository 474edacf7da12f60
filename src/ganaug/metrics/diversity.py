# SPDX-License-Identifier: Apache-2.0
"""How much of the variety of the real images do the generated ones show, over all and within each class?"""

from __future__ import annotations

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from ganaug.data.errors import InputError
from ganaug.metrics.inception import class_scores
from ganaug.parts.distances import intra_class_diversity, prdc


def diversity(
    real: Float[Tensor, "n d"],
    fake: Float[Tensor, "m d"],
    *,
    k: int = 5,
    real_labels: Int[Tensor, " n"] | None = None,
    fake_labels: Int[Tensor, " m"] | None = None,
    log_probs: Float[Tensor, "m classes"] | None = None,
) -> dict[str, Any]:
    """Precision, recall, density and coverage; with labels and with class probabilities also what they allow.

    intra_class_ratio: for each class, named by its number as text, the mean pairwise distance of generated over
    real rows; 1 is as varied as real, 0 one repeated image. With `log_probs` of the generated images the scores of
    `inception.class_scores`. Raises `InputError` where a set has k rows or fewer, or one set only has labels.
    """
    found: dict[str, Any] = prdc(real, fake, k)
    if (real_labels is None) != (fake_labels is None):
        raise InputError("labels: expected labels of both sets or of none, found those of one; give both.")
    if real_labels is not None and fake_labels is not None:
        found["intra_class_ratio"] = intra_class_ratio(real, fake, real_labels, fake_labels)
    if log_probs is not None:
        found |= class_scores(log_probs)
    return found


def intra_class_ratio(
    real: Float[Tensor, "n ..."],
    fake: Float[Tensor, "m ..."],
    real_labels: Int[Tensor, " n"],
    fake_labels: Int[Tensor, " m"],
) -> dict[str, float]:
    """Mean pairwise distance within each class, generated over real; classes with two different rows in both."""
    expected = intra_class_diversity(real, real_labels)
    own = intra_class_diversity(fake, fake_labels)
    return {str(c): own[c] / expected[c] for c in own if expected.get(c, 0) > 0}
