# SPDX-License-Identifier: Apache-2.0
"""Has the generator collapsed: does it make (nearly) one image only, in all or within a class?

Paper: diversity within a class is measured against the real images' as Odena et al. 2017 do with MS-SSIM; here
by the mean pairwise distance of the pixels, which needs no window size and serves any number of channels.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganaug.data.errors import InputError
from ganaug.parts.distances import intra_class_diversity, mean_pairwise_distance

CARD = dict(  # noqa: C408 - cards are read keyword by keyword
    id="collapse",
    kind="audit",
    title="Collapse of a generator, in all and within classes",
    paper="Conditional Image Synthesis with Auxiliary Classifier GANs",
    arxiv="1610.09585",
    year=2017,
    shows="A set that repeats one image a class has within-class ratios near 0 and is called collapsed; "
    "a resample of real images has ratios near 1 and is not.",
)

LIMIT = 0.1  # of the diversity of real images
LEAST = 10  # generated images of a class that is judged
SAMPLE = 2000  # rows of a set, or of a class, that are compared


def collapse(
    fake: Float[Tensor, "n c h w"],
    real: Float[Tensor, "m c h w"],
    fake_labels: Int[Tensor, " n"] | None = None,
    real_labels: Int[Tensor, " m"] | None = None,
) -> dict[str, Any]:
    """Mean pairwise distance of generated over real images: `ratio`, and `per_class` where labels are given.

    `collapsed` where any of the ratios is below 0.1; `sentence` says which. JSON-ready; classes are named by
    their numbers as text, and need ten generated images, since two may be alike by chance, and two real ones. Large
    sets are thinned evenly to 2,000 rows (a class).
    Raises `InputError` on fewer than two images, on real images that are all alike, or on labels for one set only.
    """
    if min(len(fake), len(real)) < 2:
        raise InputError(f"images: expected at least 2 generated and 2 real, found {len(fake)} and {len(real)}.")
    expected = mean_pairwise_distance(_thin(real))
    if expected == 0:
        raise InputError("real: expected different images, found the same one in every row; check the files.")
    ratio = mean_pairwise_distance(_thin(fake)) / expected
    per_class = _per_class(fake, real, fake_labels, real_labels)
    low = [name for name, value in per_class.items() if value < LIMIT]
    return {
        "ratio": ratio,
        "per_class": per_class,
        "collapsed": ratio < LIMIT or bool(low),
        "sentence": _sentence(ratio, low),
    }


def _per_class(fake: Tensor, real: Tensor, fake_labels: Tensor | None, real_labels: Tensor | None) -> dict[str, float]:
    if fake_labels is None and real_labels is None:
        return {}
    if fake_labels is None or real_labels is None:
        raise InputError("labels: expected labels of both sets or of none, found those of one; give both.")
    own, expected = _diversity(fake, fake_labels), _diversity(real, real_labels)
    judged = [c for c in own if expected.get(c, 0) > 0 and int((fake_labels == c).sum()) >= LEAST]
    return {str(c): own[c] / expected[c] for c in judged}


def _diversity(x: Tensor, labels: Tensor) -> dict[int, float]:
    """`intra_class_diversity` with each class thinned."""
    rows = torch.cat([_thin((labels == c).nonzero()[:, 0]) for c in labels.unique()])
    return intra_class_diversity(x[rows], labels[rows])


def _thin(x: Tensor) -> Tensor:
    return x[torch.linspace(0, len(x) - 1, min(SAMPLE, len(x)), device=x.device).round().long()]


def _sentence(ratio: float, low: list[str]) -> str:
    measured = f"Generated images differ from one another {ratio:.0%} as much as real ones do"
    if ratio < LIMIT:
        return f"{measured}: the generator has collapsed."
    if low:
        return f"{measured}, but within class {', '.join(low)} less than {LIMIT:.0%}: it has collapsed there."
    return f"{measured}: no collapse."
