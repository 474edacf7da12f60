# SPDX-License-Identifier: Apache-2.0
"""Any kornia pipeline as a transform.

Edgar Riba, Dmytro Mishkin, Daniel Ponsa, Ethan Rublee, Gary Bradski, "Kornia: an Open Source Differentiable Computer
Vision Library for PyTorch", WACV 2020, arXiv 1910.02190.

The pipeline is a list of that library's augmentations as plain data, as their objects do not tell their arguments.
The whole batch goes through it at once, as float32 in [0, 1], with parameters of its own for each image. Masks,
keypoints and boxes move with it.

Labels: hard, unchanged; so leave out flips where they change the class.
Deviations: same_on_batch is always off; a mask is 255 wherever a constant was filled in or RandomErasing erased;
boxes are moved by their corners as keypoints are, because the library counts the last pixel of a box differently.
RandomElasticTransform, RandomFisheye and RandomThinPlateSpline are refused where they would leave masks, boxes or
keypoints behind.
Cost: the library's own time and about 30 microseconds an image of 32 px.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ganaug.core.card import Card
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.spec import Spec
from ganaug.parts.ops import foreign

REFUSED = {
    **dict.fromkeys(("RandomMixUpV2", "RandomCutMixV2", "RandomMosaic", "RandomTransplantation"), foreign.MIXES),
    **dict.fromkeys(("Normalize", "Denormalize"), foreign.SCALES),
    **dict.fromkeys(("PatchMix", "RandomJigsaw"), "tears an image apart and leaves its mask whole"),
}
LEAVES = {
    "RandomElasticTransform": ("boxes", "keypoints"),
    "RandomFisheye": ("mask", "valid", "instances", "boxes", "keypoints"),
    "RandomThinPlateSpline": ("mask", "valid", "instances", "boxes", "keypoints"),
}
AROUND = {"degrees": 15.0, "translate": [0.1, 0.1], "scale": [0.9, 1.1], "padding_mode": "reflection", "p": 1.0}
DEFAULT = [
    {"name": "RandomAffine", **AROUND},
    {"name": "RandomBrightness", "brightness": [0.9, 1.1], "p": 1.0},
    {"name": "RandomContrast", "contrast": [0.9, 1.1], "p": 1.0},
]


class Kornia(System):
    """A pipeline of kornia.augmentation (see the module's first lines for what happens to it).

    Parameters
    ----------
    pipeline : the steps in order, each {"name": a two-dimensional augmentation that kornia.augmentation exports,
        argument: value, ...}; ImageSequential has such a list as "transforms"; AutoAugment, RandAugment and
        TrivialAugment are those of kornia.augmentation.auto. Default: rotation by up to 15 degrees, scale, shift,
        brightness and contrast by up to 0.1, as basic_ops has it.
    """

    CARD = Card(
        id="kornia",
        kind="transform",
        title="kornia pipeline",
        paper="Kornia: an Open Source Differentiable Computer Vision Library for PyTorch",
        arxiv="1910.02190",
        year=2020,
        task=("classification", "segmentation", "reid"),
        can=("augment",),
        sizes=(1, 4000),
        online=True,
        moves=("mask", "valid", "instances", "boxes", "keypoints"),
        deviations=(
            "same_on_batch is always off",
            "masks are 255 where a constant was filled in or an area erased",
            "boxes are moved by their corners",
        ),
        cost="the library's own time and about 30 microseconds an image of 32 px",
        shows="flips give the image, mask, boxes and keypoints of ganaug's own flip, drawn for each image.",
    )
    PRESETS = {"tiny": {}}

    def __init__(self, *, pipeline: Any = DEFAULT):
        self.pipeline = pipeline

    def build(self, spec: Spec) -> None:
        library = foreign.library("kornia.augmentation")
        steps = foreign.steps(self.pipeline, exported(library), REFUSED, self.CARD.id, made)
        self.compose = library.AugmentationSequential(*steps, data_keys=None, same_on_batch=False)

    def vary(self, batch: Batch) -> Batch:
        id = self.CARD.id
        foreign.refuse_fields(id, batch)
        for name in foreign.names(self.pipeline):
            foreign.refuse_left_behind(id, batch, [name], LEAVES.get(name, ()))
        with foreign.running(id, batch):
            found = self.compose(columns_of(batch))
        numbers = found["mask"][:, 0] if "mask" in found else None
        return foreign.received(id, batch, found["image"], numbers, found.get("keypoints"))


def columns_of(batch: Batch) -> dict[str, Tensor]:
    """What the library takes: image [B, C, H, W] and, where there is something to move, mask and keypoints."""
    found = {"image": foreign.unit(batch)}
    numbers, points = foreign.pixel_numbers(batch), foreign.points_of(batch)
    if numbers is not None:
        found["mask"] = numbers.to(batch.image.device).repeat(len(batch), 1, 1, 1)
    if points is not None:
        found["keypoints"] = points
    return found


def exported(library: Any) -> dict[str, type]:
    """The two-dimensional augmentations that the library exports, by name, its policies included."""
    kinds = (library.AugmentationBase2D, library.MixAugmentationBaseV2)
    found = {name: getattr(library, name) for name in library.__all__}
    found = {name: kind for name, kind in found.items() if inspect.isclass(kind) and issubclass(kind, kinds)}
    policies = {name: getattr(library.auto, name) for name in ("AutoAugment", "RandAugment", "TrivialAugment")}
    return {**found, **policies, "ImageSequential": library.ImageSequential}


def made(kind: type, inner: list[Any] | None, arguments: Mapping[str, Any]) -> Any:
    """One augmentation of the library."""
    return kind(*(inner or ()), **arguments)
