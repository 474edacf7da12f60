# SPDX-License-Identifier: Apache-2.0
"""All quality figures of a generated set in one JSON-ready table that names the feature extractor.

Papers: Frechet distance (Heusel et al. 2017), kernel distance (Binkowski et al. 2018, arXiv 1801.01401), precision
and recall (Kynkaanniemi et al. 2019, arXiv 1904.06991), density and coverage (Naeem et al. 2020, arXiv 2002.09797).
Deviations: any extractor, since features of a network trained on the task say more about small images than
those of ImageNet; hence the names FID and KID are kept for Inception features.
"""

from __future__ import annotations

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from ganaug.metrics.diversity import diversity
from ganaug.metrics.realism import realism

CARD = dict(  # noqa: C408 - cards are read keyword by keyword
    id="gan_metrics",
    kind="metric",
    title="Frechet and kernel distance, precision, recall, density and coverage",
    paper="GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium",
    arxiv="1706.08500",
    year=2017,
    shows="Generated sets that drop half of the modes keep their precision and lose recall and coverage, and "
    "their Frechet distance rises above the floor of real against real.",
)


def quality(
    real_features: Float[Tensor, "n d"],
    fake_features: Float[Tensor, "m d"],
    *,
    extractor: str,
    k: int = 5,
    real_labels: Int[Tensor, " n"] | None = None,
    fake_labels: Int[Tensor, " m"] | None = None,
    log_probs: Float[Tensor, "m classes"] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """`realism` and `diversity` of two feature sets in one flat table, with the name of the extractor.

    `extractor` is the `name` of what made the features. Only where it is `inception` does the table hold `fid`
    and `kid` too: figures of other extractors are not comparable with published ones. Use real images that the
    generator did not see, or its copies of training images look like quality. Raises `InputError` as its parts.
    """
    table: dict[str, Any] = {"extractor": extractor}
    table |= realism(real_features, fake_features, seed=seed)
    if extractor == "inception":
        table |= {"fid": table["frechet_distance"], "kid": table["kernel_distance"]}
    labels = {"real_labels": real_labels, "fake_labels": fake_labels}
    return table | diversity(real_features, fake_features, k=k, log_probs=log_probs, **labels)
