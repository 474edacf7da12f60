# SPDX-License-Identifier: Apache-2.0
"""Learning curves on small training sets: from which size on does an arm help, and how many real images is it worth?

Connor Shorten and Taghi Khoshgoftaar, "A survey on Image Data Augmentation for Deep Learning", Journal of Big Data
6:60, 2019, proposes to compare augmentations, and combinations of GAN samples with them, on 50, 80, 100, 200 and 500
training images. This is a `Study` with these sizes: the subsets of a repeat are nested, all arms share them and the
seeds, every arm takes equally many updates, and no test image decides anything. What comes of it is in the study's
results as `learning_curve` (see that module): a curve for each arm, and for each arm and size the number of real images
that it is worth.

Deviations: the survey leaves open whether its sizes are images a class or images altogether, so `unit` says which; its
comparison of GANs at higher resolutions is none of training sizes and is left out.
Cost: that of a study at one size, for each of the sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ganaug.core.card import Card
from ganaug.study.study import Study

CARD = Card(
    id="small_benchmark",
    kind="protocol",
    title="Learning curves on small training sets",
    paper="A survey on Image Data Augmentation for Deep Learning",
    year=2019,
    lists=("002",),
    deviations=("sizes a class or altogether, as the user says", "no comparison of resolutions"),
    cost="that of a study, for each of the sizes",
    shows="a smaller training set lies inside the larger ones of its repeat, and an arm that scores as its baseline "
    "does is worth no real images.",
)
SIZES = (50, 80, 100, 200, 500)


@dataclass(kw_only=True)
class SmallBenchmark(Study):
    """A study at the survey's training sizes (`shots`); further parameters, `unit` among them, are those of `Study`."""

    shots: int | Sequence[int] | None = SIZES
