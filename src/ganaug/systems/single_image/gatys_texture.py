# SPDX-License-Identifier: Apache-2.0
"""Neural texture synthesis: new textures of any size with the feature statistics of an exemplar.

Leon A. Gatys, Alexander S. Ecker, Matthias Bethge, "Texture Synthesis Using Convolutional Neural Networks", NIPS 2015,
arXiv 1505.07376. Random filters: Ustyuzhaninov et al., arXiv 1606.00021. Sliced Wasserstein: Heitz et al., arXiv
2006.07229.

White noise is changed until the products of its feature maps, averaged over all places, are those of the exemplar. The
places are averaged out, so the result has the exemplar's texture and none of its layout, and may have any size. With
`loss="sliced"` the whole distribution of the features is matched instead of their second moments.

Labels: hard, the class of the exemplar, which is drawn anew for every sample among the training images of the class
that is asked for; without labels among all. A crop of a texture has the class of the whole. Right for surfaces (bare
ground, canopy, tissue); a class that is an object with a place and a shape does not survive.
Deviations: random filters on a pyramid unless `features` brings a trained network; each map counts relative to its own
size, by a logarithm, so filters are not scaled to a mean activation of one; means of features are matched too; colours
are made uncorrelated first, for random filters and for the histogram that is matched at the end; a projected L-BFGS
that takes a whole batch with a step length for each image, in place of L-BFGS-B; fewer iterations.
Cost: preset small, 64 px, one core: about 1.2 s a texture; `loss="sliced"` five times that. Fitting takes no time.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganaug.core import sampling
from ganaug.core.card import Card
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.spec import Spec
from ganaug.data.view import TrainView
from ganaug.parts.textures.colours import Palette
from ganaug.parts.textures.features import Features, Maps, RandomPyramid, name_of, octaves_of, refuse_other
from ganaug.parts.textures.losses import gram, sliced
from ganaug.parts.textures.optimisers import adam, histogram_matched, lbfgs

Images = Float[Tensor, "n c h w"]
WAYS = {"gram": (gram, lbfgs), "sliced": (sliced, adam)}  # a loss, and what can minimise it


class GatysTexture(System):
    """Texture synthesis (see the module's first lines for paper and mechanism).

    Besides `sample` there is `random`, for textures of another size. What is learnt is the exemplars themselves.

    Parameters
    ----------
    loss : "gram" (paper) or "sliced".
    iterations : evaluations of the loss for a batch of textures (authors' code: 2000).
    filters : random filters an octave, where `features` is None.
    exemplars : training images of each class that are kept, at random, as exemplars.
    features : images [B, C, H, W] in [-1, 1] -> list of maps, None for random filters. The paper's are
        `ganaug.parts.textures.features.VGGMaps`. A restored system has to be given them again (`set_params`).
    """

    CARD = Card(
        id="gatys_texture",
        title="Neural texture synthesis",
        paper="Texture Synthesis Using Convolutional Neural Networks",
        arxiv="1505.07376",
        year=2015,
        lists=("004",),
        can=("sample",),
        sizes=(8, 512),
        min_rows=1,
        labels="hard",
        parents=("exemplar",),
        deviations=(
            "random filters on a pyramid unless a trained network is given",
            "every map counts relative to its own size",
            "means of features are matched too",
            "works in uncorrelated colours",
            "a projected L-BFGS for whole batches",
        ),
        cost="1.2 s a texture of 64 px, preset small, one core",
        shows="textures are at most half as far from the exemplar's wavelet statistics as its shuffled pixels are.",
    )
    PRESETS = {
        "paper": {"iterations": 2000},
        "small": {},
        "tiny": {"iterations": 3, "filters": 4, "exemplars": 8},
    }
    rows_per_step = 1  # no step draws any, but size and channels of the images matter
    chunk = 8

    def __init__(
        self,
        *,
        loss: str = "gram",
        iterations: int = 120,
        filters: int = 32,
        exemplars: int = 64,
        features: Features | None = None,
    ):
        self.loss = loss
        self.iterations = iterations
        self.filters = filters
        self.exemplars = exemplars
        self.features = features

    @property
    def needs(self) -> tuple[str, ...]:
        """Labels where the training set has them: then classes can be asked for."""
        return ("label",) if hasattr(self, "spec") and "label" in self.spec.fields else ()

    # --- learning -------------------------------------------------------------------------------------------------

    def build(self, spec: Spec) -> None:
        if self.loss not in WAYS:
            raise InputError(f"loss: expected one of {', '.join(WAYS)}, found '{self.loss}': choose one.")
        self.net = RandomPyramid(spec.channels, octaves=octaves_of(spec.size), filters=self.filters)
        self.provider_ = name_of(self.features)

    def prepare(self, train: TrainView) -> None:
        """Keep some images of each class, with their lasting ids."""
        label = np.full(len(train), -1) if train.label is None else train.label
        rows = few_of_each(label, self.exemplars, self.numpy_rng())
        self.kept = torch.as_tensor(train.images(rows)).clone(memory_format=torch.contiguous_format)  # as from a file
        self.kept_label, self.kept_id = torch.as_tensor(label[rows]), torch.as_tensor(train.index[rows])

    # --- making ---------------------------------------------------------------------------------------------------

    def maps(self, images: Images, palette: Palette, border: str = "reflect") -> Maps:
        """The feature maps of images in the palette's channels; given features see the colours as they are.

        Raises InputError where the features of the fit are not at hand.
        """
        refuse_other("gatys_texture", self.features, self.provider_)
        return self.net(images, border) if self.features is None else self.features(palette.together(images))

    def synthesised(self, exemplars: Images, size: tuple[int, int]) -> Float[Tensor, "n c h2 w2"]:
        """One texture of each exemplar (section 3), from noise with its colours."""
        distance, minimise = WAYS[self.loss]
        palette = Palette(exemplars)
        aim = palette.apart(exemplars)
        wanted = distance(self.maps(aim, palette))
        low, high = (edge[..., None, None] for edge in aim.flatten(2).aminmax(dim=2))
        noise = torch.randn(*aim.shape[:2], *size) * aim.std((2, 3), keepdim=True)
        made = minimise(lambda x: wanted(self.maps(x, palette, "circular")), noise, low, high, self.iterations)
        return palette.together(histogram_matched(made, aim)).clamp(-1, 1)

    def drawn(self, labels: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
        """An exemplar of each wanted class; any for the label -1."""
        fits = (labels[:, None] == self.kept_label) | (labels[:, None] < 0)
        return torch.multinomial(fits.float(), 1)[:, 0]

    def generate(self, want: Batch) -> Batch:
        rows = self.drawn(torch.full((len(want),), -1) if want.label is None else want.label)
        image = self.synthesised(self.kept[rows], self.spec.size)
        return want.but(image=image, parents=self.kept_id[rows, None])

    def random(
        self, n: int = 1, *, size: tuple[int, int] | None = None, label: int = -1, seed: int = 0
    ) -> Float[Tensor, "n c h2 w2"]:
        """n textures of any size (height, width), the training images' by default.

        With random filters their opposite borders fit each other; given features see the border as they do.
        `label` is the number of the exemplars' class, -1 for any. Raises InputError for a class without exemplars and
        for a size that is too small for the features.
        """
        with sampling.working(self, seed, "random"):
            if label >= 0 and not bool((self.kept_label == label).any()):
                known = ", ".join(str(k) for k in self.kept_label.unique().tolist())
                raise InputError(f"label: there are exemplars of the classes {known}, found {label}: choose one.")
            rows = self.drawn(torch.full((n,), label))
            return self.synthesised(self.kept[rows], size or self.spec.size).cpu()


def few_of_each(label: Int[np.ndarray, " n"], most: int, rng: np.random.Generator) -> Int[np.ndarray, " m"]:
    """At most `most` rows of each label, at random, in order."""
    kept = [rng.permutation(np.flatnonzero(label == k))[:most] for k in np.unique(label)]
    return np.sort(np.concatenate(kept))
