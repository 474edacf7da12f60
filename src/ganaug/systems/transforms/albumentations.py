# SPDX-License-Identifier: Apache-2.0
"""Any Albumentations pipeline as a transform.

Alexander Buslaev, Vladimir Iglovikov, Eugene Khvedchenya, Alex Parinov, Mikhail Druzhinin, Alexandr Kalinin,
"Albumentations: Fast and Flexible Image Augmentations", Information 11(2), 2020, arXiv 1809.06839.

The pipeline is given as that library's object or as the plain data that its `to_dict` makes. Each image goes through
it by itself, as float32 in [0, 1]. Masks, keypoints and boxes move with it.

Labels: hard, unchanged; so leave out flips where they change the class.
Deviations: all transforms of the pipeline share one stream of random numbers that follows ganaug's seed, because a
seeded Compose gives every transform the same stream, in which two flips of probability 1/2 happen both or not at all;
the pipeline's own seed, bbox_params, keypoint_params, additional_targets and mask_interpolation are not used; a mask
is 255 wherever a constant was filled in, whatever fill_mask says; a keypoint that leaves the image keeps its
coordinates. Where there are boxes or keypoints, distortions are refused, which move them a pixel off or lose them, and
borders filled by reflection, which mirror them too, so that one becomes several.
Cost: the library's own time and about 50 microseconds an image of 32 px.
"""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from ganaug.core.card import Card
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.spec import Spec
from ganaug.parts.ops import foreign

READS_MASKS = "reads masks or changes them, which only pass through it by their pixels' places"
REFUSED = {
    **dict.fromkeys(("Mosaic", "OverlayElements", "MixUp"), foreign.MIXES),
    **dict.fromkeys(("Normalize", "ToFloat", "FromFloat", "ToTensorV2", "ToTensor3D"), foreign.SCALES),
    **dict.fromkeys(("MaskDropout", "ConstrainedCoarseDropout", "Morphological"), READS_MASKS),
}
DISTORTS = (
    *("ElasticTransform", "GridDistortion", "GridElasticDeform", "OpticalDistortion", "PiecewiseAffine"),
    *("RandomGridShuffle", "ThinPlateSpline"),
)
NEAREST, REFLECTS = 0, (2, 4)  # OpenCV's numbers
AFFINE = {"rotate": [-15, 15], "scale": [0.9, 1.1], "translate_percent": [-0.1, 0.1], "fill": 0.5, "p": 1.0}
LIGHT = {"brightness_limit": 0.1, "contrast_limit": 0.1, "p": 1.0}
DEFAULT = {
    "transform": {
        "__class_fullname__": "Compose",
        "transforms": [
            {"__class_fullname__": "Affine", **AFFINE},
            {"__class_fullname__": "RandomBrightnessContrast", **LIGHT},
        ],
        "p": 1.0,
    }
}


class Albumentations(System):
    """A pipeline of Albumentations (see the module's first lines for what happens to it).

    Parameters
    ----------
    pipeline : a Compose or any transform of Albumentations 2, or the dict that `albumentations.to_dict` makes of it
        (and `albumentations.save` writes as JSON), which a run folder keeps as it is. Default: rotation by up to 15
        degrees, scale, shift, brightness and contrast by up to 0.1, over mid grey.
    """

    CARD = Card(
        id="albumentations",
        kind="transform",
        title="Albumentations pipeline",
        paper="Albumentations: Fast and Flexible Image Augmentations",
        arxiv="1809.06839",
        year=2020,
        lists=("002",),
        task=("classification", "segmentation", "reid"),
        can=("augment",),
        sizes=(1, 4000),
        online=True,
        moves=("mask", "valid", "instances", "boxes", "keypoints"),
        deviations=(
            "one stream of random numbers for all transforms",
            "masks are 255 where a constant was filled in",
            "keypoints outside the image are kept",
        ),
        cost="the library's own time and about 50 microseconds an image of 32 px",
        shows="flips give the image, mask, boxes and keypoints of ganaug's own flip, and two flips are independent.",
    )
    PRESETS = {"tiny": {}}

    def __init__(self, *, pipeline: Any = DEFAULT):
        self.pipeline = pipeline

    def plain_params(self) -> dict[str, Any]:
        return {"pipeline": described(self.pipeline)}

    def build(self, spec: Spec) -> None:
        self.described_ = described(self.pipeline)
        self.compose = composed(self.described_)

    def vary(self, batch: Batch) -> Batch:
        id = self.CARD.id
        foreign.refuse_fields(id, batch)
        foreign.refuse_left_behind(id, batch, distorting(self.described_["transform"]), ("boxes", "keypoints"))
        self.compose.set_random_state(*foreign.generators(self.numpy_rng()))
        with foreign.running(id, batch):
            rows = [self.compose(**row) for row in rows_of(batch)]
        images = [torch.from_numpy(np.atleast_3d(row["image"])).permute(2, 0, 1) for row in rows]
        numbers, points = (
            [torch.from_numpy(row[name]) for row in rows] if name in rows[0] else None for name in ("mask", "keypoints")
        )
        return foreign.received(id, batch, images, numbers, points)


def rows_of(batch: Batch) -> Iterator[dict[str, np.ndarray]]:
    """What the library takes for each row: image [H, W, C], and mask and keypoints where there is something to move."""
    images = foreign.unit(batch).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    numbers, points = foreign.pixel_numbers(batch), foreign.points_of(batch)
    for i, image in enumerate(images):
        row = {"image": image}
        if numbers is not None:
            row["mask"] = numbers.numpy().copy()
        if points is not None:
            row["keypoints"] = points[i].cpu().numpy()
        yield row


def described(pipeline: Any) -> dict[str, Any]:
    """A pipeline as plain data; InputError for anything that is none, or that the library can't describe."""
    library = foreign.library("albumentations")
    with foreign.told("albumentations", "the pipeline can't be described as plain data"):
        if isinstance(pipeline, (library.BaseCompose, library.BasicTransform)):
            return json.loads(json.dumps(library.to_dict(pipeline)))
        if isinstance(pipeline, Mapping) and isinstance(pipeline.get("transform"), Mapping):
            return json.loads(json.dumps(pipeline))
    raise InputError(
        "albumentations: pipeline must be a pipeline of that library or what its to_dict makes of one, found "
        f"{type(pipeline).__name__}: give A.to_dict(pipeline), or the content of the file that A.save wrote."
    )


def composed(plain: Mapping[str, Any]) -> Any:
    """The library's Compose for plain data, with ganaug's conventions for masks and keypoints."""
    library = foreign.library("albumentations")
    kinds = (library.BaseCompose, library.BasicTransform)
    exported = [name for name, kind in vars(library).items() if isinstance(kind, type) and issubclass(kind, kinds)]
    with foreign.told("albumentations", "the pipeline can't be made"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is an error below (strict) or does not matter
        foreign.refuse("albumentations", class_names(plain["transform"]), exported, REFUSED)
        top = library.from_dict({**plain, "transform": without_inherited(plain["transform"], library)})
        steps, p = (top.transforms, top.p) if isinstance(top, library.Compose) else ([top], 1.0)
        points = library.KeypointParams(format="xy", remove_invisible=False)
        made = library.Compose(steps, keypoint_params=points, p=p, strict=True, mask_interpolation=NEAREST)
    if not made.transforms:
        raise InputError("albumentations: the pipeline is empty: give it a transform.")
    return made


def without_inherited(node: Mapping[str, Any], library: Any) -> dict[str, Any]:
    """A described transform without the arguments that it names only since its base class takes them.

    The library writes such arguments and then refuses them (PadIfNeeded, SafeRotate, RGBShift).
    """
    own, *inherited = (arguments(kind) for kind in getattr(library, next(class_names(node))).__mro__)
    kept = {name: value for name, value in node.items() if name in own or name not in set().union(*inherited)}
    if "transforms" in node:
        kept["transforms"] = [without_inherited(inner, library) for inner in node["transforms"]]
    return kept


def arguments(kind: type) -> set[str]:
    """What the initialiser of a class takes by name."""
    return set(inspect.signature(kind.__init__).parameters)


def class_names(node: Mapping[str, Any]) -> Iterator[str]:
    """The names of a described transform and of those inside it."""
    yield node["__class_fullname__"].rpartition(".")[2]
    for inner in node.get("transforms", ()):
        yield from class_names(inner)


def distorting(node: Mapping[str, Any]) -> Iterator[str]:
    """The transforms inside a described one that do not move each point to one place."""
    (name, *_), border = class_names(node), node.get("border_mode")
    if name in DISTORTS or border in REFLECTS:
        yield name if name in DISTORTS else f"{name} with border_mode {border}"
    for inner in node.get("transforms", ()):
        yield from distorting(inner)
