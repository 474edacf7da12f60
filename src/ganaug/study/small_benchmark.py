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
from dataclasses import dataclass, replace
from typing import Any

from ganaug.core.card import Card
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.study.folds import Fold, fold
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
    """A study at the survey's training sizes; further parameters are those of `Study`.

    Parameters
    ----------
    shots : training sizes, at least two of them for a curve.
    unit : what they count: images a "class", or images in "total" (one of each class at least, then in proportion).

    `run` raises InputError for sizes that the set does not have.
    """

    shots: int | Sequence[int] | None = SIZES
    unit: str = "class"

    def check_settings(self) -> None:
        """InputError for a setting that means nothing."""
        super().check_settings()
        if self.unit not in ("class", "total"):
            raise InputError(f"unit must be 'class' or 'total', found '{self.unit}'.")
        if self.unit == "total" and self.labels_from:
            raise InputError("unit='total' can't be combined with labels_from: leave one of them out.")

    def fold(self, data: ImageSet, shots: int | None, repeat: int) -> Fold:
        """The rows of one repeat."""
        if self.unit == "class":
            return super().fold(data, shots, repeat)
        found = fold(data, shots, repeat, repeats=self.repeats, seed=self.seed, cut=self.cut, unit=self.unit)
        return replace(found, offered=found.pool) if self.offer_rest else found

    def repeats_matter(self, data: ImageSet) -> Any:
        """What the folds depend on besides the seed."""
        return [*super().repeats_matter(data), *(["total"] if self.unit == "total" else [])]
