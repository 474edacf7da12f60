# SPDX-License-Identifier: Apache-2.0
"""Neural style transfer: the training images painted in the manner of other images (`stylise`).

Leon A. Gatys, Alexander S. Ecker, Matthias Bethge, "A Neural Algorithm of Artistic Style", 2015, arXiv 1508.06576 (CVPR
2016: "Image Style Transfer Using Convolutional Neural Networks"). Sliced Wasserstein: Heitz et al., arXiv 2006.07229.

An image is changed until the statistics of its feature maps are those of a style image, while one of the maps, place
by place, stays that of the content image. Texture and colour change, shapes stay. With `loss="sliced"` the whole
distribution of the style's features is matched instead of their second moments.

Styles come from a further set `styles` where the data have one (others={"styles": ...}, of any size), otherwise from
the other training images, whatever their class.
Labels: kept, as are masks, boxes and all that describes places. Only right where texture is not what tells the classes
apart: measure each class.
Deviations: random filters on a pyramid unless `features` brings a trained network; start at the content image (paper:
noise); both losses relative to the size of the features, so the ratio of their weights differs from the paper's; the
content's map is that of half the resolution with random filters, which know no objects; a projected L-BFGS that takes
a whole batch; fewer iterations.
Cost: preset small, 64 px, one core: about 0.6 s an image; `loss="sliced"` five times that. Fitting takes no time.
"""

from __future__ import annotations

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
from ganaug.parts.textures.features import Features, Maps, RandomPyramid, name_of, octaves_of, refuse_other
from ganaug.parts.textures.losses import gram, sliced
from ganaug.parts.textures.optimisers import adam, lbfgs

Images = Float[Tensor, "n c h w"]
WAYS = {"gram": (gram, lbfgs), "sliced": (sliced, adam)}  # a loss of style, and what can minimise it
FURTHER = "styles"
HALF = 2  # the pyramid gives the image, full, half and quarter resolution


class GatysStyle(System):
    """Style transfer (see the module's first lines for paper and mechanism).

    Besides `augment` there is `stylise`, for chosen styles. What is learnt is the style images themselves.

    Parameters
    ----------
    strength : weight of the style's loss over the content's; more changes more.
    loss : "gram" (paper) or "sliced".
    iterations : evaluations of the loss for a batch of images (paper: 500 to 1000).
    filters : random filters an octave, where `features` is None.
    styles : images that are kept, at random, as styles.
    features : images [B, C, H, W] in [-1, 1] -> list of maps, the content's last, None for random filters. The paper's
        are `ganaug.parts.textures.features.VGGMaps` with the layers conv1_1, conv2_1, conv3_1, conv4_1, conv5_1,
        conv4_2. A restored system has to be given them again (`set_params`).
    """

    CARD = Card(
        id="gatys_style",
        title="Neural style transfer",
        paper="A Neural Algorithm of Artistic Style",
        arxiv="1508.06576",
        year=2015,
        lists=("004",),
        task=("classification", "segmentation"),
        can=("augment",),
        sizes=(8, 512),
        min_rows=2,
        labels="hard",
        moves=("mask", "valid", "instances", "depth", "boxes", "keypoints", "views"),
        parents=("content", "style"),
        deviations=(
            "random filters on a pyramid unless a trained network is given",
            "starts at the content image",
            "both losses relative to the size of the features",
            "with random filters the content stays at half the resolution",
            "a projected L-BFGS for whole batches",
        ),
        cost="0.6 s an image of 64 px, preset small, one core",
        shows="the style's distance falls below a tenth of the content's, and more strength keeps fewer edges.",
    )
    PRESETS = {
        "paper": {"iterations": 1000},
        "small": {},
        "tiny": {"iterations": 3, "filters": 4, "styles": 8},
    }
    rows_per_step = 1  # no step draws any, but size and channels of the images matter
    chunk = 8

    def __init__(
        self,
        *,
        strength: float = 1.0,
        loss: str = "gram",
        iterations: int = 60,
        filters: int = 32,
        styles: int = 64,
        features: Features | None = None,
    ):
        self.strength = strength
        self.loss = loss
        self.iterations = iterations
        self.filters = filters
        self.styles = styles
        self.features = features

    # --- learning -------------------------------------------------------------------------------------------------

    def build(self, spec: Spec) -> None:
        if self.loss not in WAYS:
            raise InputError(f"loss: expected one of {', '.join(WAYS)}, found '{self.loss}': choose one.")
        self.net = RandomPyramid(spec.channels, octaves=octaves_of(spec.size), filters=self.filters)
        self.provider_ = name_of(self.features)

    def prepare(self, train: TrainView) -> None:
        """Keep some style images; their lasting ids where they are training images, -1 elsewhere."""
        source = train.others.get(FURTHER, train)
        if source.spec.channels != train.spec.channels or source.spec.height is None:
            raise InputError(
                f"{FURTHER}: expected images of one size with {train.spec.channels} channels as the training images, "
                f"found {source}: convert or resize them."
            )
        rows = torch.randperm(len(source), device="cpu")[: self.styles].numpy()
        self.kept = torch.as_tensor(source.images(rows)).clone(memory_format=torch.contiguous_format)  # as from a file
        self.own_ = source is train
        self.kept_id = torch.as_tensor(train.index[rows]) if self.own_ else torch.full((len(rows),), -1)

    # --- making ---------------------------------------------------------------------------------------------------

    def maps(self, images: Images) -> Maps:
        """The feature maps; InputError where the features of the fit are not at hand."""
        refuse_other("gatys_style", self.features, self.provider_)
        return self.net(images) if self.features is None else self.features(images)

    def parted(self, maps: Maps) -> tuple[Float[Tensor, "n d h2 w2"], Maps]:
        """The content's map, the last of given features or the pyramid's at half the resolution, and the style's."""
        number = HALF if self.features is None and len(maps) > HALF else len(maps) - 1
        return maps[number], maps[:number] + maps[number + 1 :]

    def stylised(self, content: Images, style: Float[Tensor, "n c h2 w2"]) -> Images:
        """Each content image in the manner of its style (equation 7)."""
        distance, minimise = WAYS[self.loss]
        place, _ = self.parted(self.maps(content))
        manner = distance(self.parted(self.maps(style))[1])

        def loss(images: Images) -> Float[Tensor, " n"]:
            found, maps = self.parted(self.maps(images))
            return content_distance(found, place) + self.strength * manner(maps)

        return minimise(loss, content, torch.tensor(-1.0), torch.tensor(1.0), self.iterations)

    def vary(self, batch: Batch) -> Batch:
        """Every image in the manner of a style that is not itself; all that is known about it stays."""
        rows = self.drawn(batch)
        made = batch.but(image=self.stylised(batch.image, self.kept[rows]))
        if batch.index is None or not self.own_:
            return made
        return made.but(parents=torch.stack([batch.index, self.kept_id[rows]], 1))

    def drawn(self, batch: Batch) -> Int[Tensor, " n"]:
        """A style for each image; its own only where there is no other."""
        fits = torch.ones(len(batch), len(self.kept))
        if batch.index is not None:
            fits = (batch.index[:, None] != self.kept_id).float()
        return torch.multinomial(torch.where(fits.any(1, keepdim=True), fits, 1.0), 1)[:, 0]

    def stylise(self, images: Images, styles: Float[Tensor, "m c h2 w2"], *, seed: int = 0) -> Images:
        """Images in [-1, 1] in the manner of as many styles, or of one, of any size.

        Raises InputError for another number of styles, for other channels than the training images have and for images
        that are too small for the features.
        """
        if len(styles) not in (1, len(images)):
            raise InputError(f"styles: expected 1 or {len(images)}, one for each image, found {len(styles)}.")
        with sampling.working(self, seed, "stylise") as chosen:
            return self.stylised(images.to(chosen), styles.expand(len(images), -1, -1, -1).to(chosen)).cpu()


def content_distance(found: Float[Tensor, "b d h w"], wanted: Float[Tensor, "b d h w"]) -> Float[Tensor, " b"]:
    """|F - P|^2 / (2 |P|^2) for each image (equation 1, relative to the wanted features)."""
    apart = (found - wanted).square().mean((1, 2, 3))
    return apart / (2 * wanted.square().mean((1, 2, 3)) + 1e-6)
