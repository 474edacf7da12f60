# SPDX-License-Identifier: Apache-2.0
"""Inception Score, its logarithm and the modified score, from the class probabilities of any fixed classifier.

Paper: Salimans et al. 2016 (definition), Barratt and Sharma 2018, arXiv 1801.01973 (critique), Gurumurthy et al.
2017, arXiv 1706.02071 (modified score).
Deviations: the score of the whole set instead of ten splits, whose spread is no confidence interval; the
classifier is the caller's, because the one trained on ImageNet says little about other images.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from ganaug.parts.distances import inception_score, modified_inception_score

CARD = dict(  # noqa: C408 - cards are read keyword by keyword
    id="inception_score",
    kind="metric",
    title="Inception Score and the note on it",
    paper="Improved Techniques for Training GANs; A Note on the Inception Score",
    arxiv="1606.03498",
    year=2016,
    shows="One image a class, repeated, keeps the Inception Score of the real images although all diversity within "
    "classes is gone, while the modified score falls to exactly 1.",
)


def class_scores(log_probs: Float[Tensor, "n k"]) -> dict[str, float]:
    """inception_score (1 to k), ln_inception_score (0 to ln k) and modified_inception_score (1 and more).

    Takes the log-softmax outputs of one classifier on the generated images. The first two do not see missing
    diversity within a class: read them beside the third. They are biased downwards for a few hundred images or
    fewer, and comparable only for equal numbers of images. Raises `InputError` where rows are no probabilities.
    """
    score, information = inception_score(log_probs)
    return {
        "inception_score": score,
        "ln_inception_score": information,
        "modified_inception_score": modified_inception_score(log_probs),
    }
