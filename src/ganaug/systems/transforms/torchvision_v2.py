# SPDX-License-Identifier: Apache-2.0
"""Any pipeline of torchvision.transforms.v2 as a transform.

Software of the PyTorch project, without a single paper.

The pipeline is a list of that library's transforms as plain data, which `described` makes of its objects. Each image
goes through it by itself, as float32 in [0, 1], because one call gives all images of a batch the same parameters.
Masks, keypoints and boxes move with it.

Labels: hard, unchanged; so leave out flips where they change the class.
Deviations: `fill` holds for images, as a share of the range, and what it fills is unknown (255) in masks; keypoints go
through as boxes without extent, because that library's own keypoints turn about a centre half a pixel off (by up to
1.4 pixels, measured); boxes and keypoints are not cut to the image on the way. ElasticTransform, which moves points by
whole pixels, is refused where there are boxes or keypoints.
Cost: the library's own time and about 50 microseconds an image of 32 px.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from ganaug.core.card import Card
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.spec import Spec
from ganaug.parts.ops import foreign

SEVERAL = "gives several images for one"
CODE = "is code and no data"
DROPS = "drops boxes or keypoints, which keep their places in ganaug"
REFUSED = {
    **dict.fromkeys(("CutMix", "MixUp"), foreign.MIXES),
    **dict.fromkeys(("FiveCrop", "TenCrop"), SEVERAL),
    **dict.fromkeys(("Lambda", "LinearTransformation"), CODE),
    **dict.fromkeys(("Normalize", "ToDtype", "ConvertImageDtype", "ToTensor", "PILToTensor"), foreign.SCALES),
    **dict.fromkeys(("ToImage", "ToPILImage", "ToPureTensor", "RGB"), foreign.SCALES),
    **dict.fromkeys(("SanitizeBoundingBoxes", "SanitizeKeyPoints"), DROPS),
}
AROUND = {"degrees": 15, "translate": [0.1, 0.1], "scale": [0.9, 1.1], "interpolation": "bilinear", "fill": 0.5}
DEFAULT = [{"name": "RandomAffine", **AROUND}]  # ColorJitter takes 1 or 3 channels only


class TorchvisionV2(System):
    """A pipeline of torchvision.transforms.v2 (see the module's first lines for what happens to it).

    Parameters
    ----------
    pipeline : the steps in order, each {"name": a class that torchvision.transforms.v2 exports, argument: value, ...};
        RandomApply, RandomChoice and RandomOrder have such a list as "transforms". Default: rotation by up to 15
        degrees, scale and shift by up to 0.1, over mid grey.
    """

    CARD = Card(
        id="torchvision",
        kind="transform",
        title="torchvision v2 pipeline",
        paper="software of the PyTorch project, without a single paper",
        task=("classification", "segmentation", "reid"),
        can=("augment",),
        sizes=(1, 4000),
        online=True,
        moves=("mask", "valid", "instances", "boxes", "keypoints"),
        deviations=(
            "masks are 255 where a constant was filled in",
            "keypoints go through as boxes without extent",
            "boxes and keypoints are not cut to the image on the way",
        ),
        cost="the library's own time and about 50 microseconds an image of 32 px",
        shows="a keypoint turned by half a turn stays on its spot, where the library's own is off by over a pixel.",
    )
    PRESETS = {"tiny": {}}

    def __init__(self, *, pipeline: Any = DEFAULT):
        self.pipeline = pipeline

    def build(self, spec: Spec) -> None:
        self.compose = v2.Compose(foreign.steps(self.pipeline, exported(), REFUSED, self.CARD.id, made))

    def vary(self, batch: Batch) -> Batch:
        id = self.CARD.id
        elastic = [name for name in foreign.names(self.pipeline) if name == "ElasticTransform"]
        foreign.refuse_fields(id, batch)
        foreign.refuse_left_behind(id, batch, elastic, ("boxes", "keypoints"))
        with foreign.running(id, batch):
            rows = [self.compose(row) for row in rows_of(batch)]
        numbers = [row["mask"][0].as_subclass(torch.Tensor) for row in rows] if "mask" in rows[0] else None
        points = [row["boxes"][:, :2].as_subclass(torch.Tensor) - 0.5 for row in rows] if "boxes" in rows[0] else None
        return foreign.received(id, batch, [untyped(row["image"]) for row in rows], numbers, points)


def rows_of(batch: Batch) -> Iterator[dict[str, Any]]:
    """What the library takes for each row: image [C, H, W] and, where there is something to move, mask and boxes."""
    images, numbers, points = foreign.unit(batch), foreign.pixel_numbers(batch), foreign.points_of(batch)
    alone = numbers is None and points is None
    for i, image in enumerate(images):
        row = {"image": image if alone else tv_tensors.Image(image)}  # plain tensors are faster
        if numbers is not None:
            row["mask"] = tv_tensors.Mask(numbers[None].to(image.device))
        if points is not None:
            row["boxes"] = boxes(points[i] + 0.5, batch.image.shape[-2:])
        yield row


def boxes(points: torch.Tensor, size: Sequence[int]) -> Any:
    """Boxes without extent at points [n, 2] given from the image's edges, that nothing cuts to the image."""
    try:
        return tv_tensors.BoundingBoxes(points.repeat(1, 2), format="XYXY", canvas_size=tuple(size), clamping_mode=None)
    except TypeError:
        raise InputError("boxes and keypoints need torchvision 0.24 or newer: pip install -U torchvision.") from None


def untyped(value: Any) -> Any:
    """A tensor of the library as a plain one."""
    return value.as_subclass(torch.Tensor) if isinstance(value, torch.Tensor) else value


# --- the pipeline as data ---------------------------------------------------------------------------------------


def exported() -> dict[str, type]:
    """The transforms that the library exports, by name."""
    kinds = {name: kind for name, kind in vars(v2).items() if inspect.isclass(kind)}
    return {name: kind for name, kind in kinds.items() if issubclass(kind, v2.Transform) and kind is not v2.Transform}


def made(kind: type, inner: list[Any] | None, arguments: Mapping[str, Any]) -> Any:
    """One transform of the library; `fill` is for images, plain or typed, and pixel numbers get 0."""
    own = dict(arguments) if inner is None else {"transforms": inner, **arguments}
    if own.get("fill") is not None:
        own["fill"] = {torch.Tensor: own["fill"], tv_tensors.Image: own["fill"], "others": 0}
    return kind(**own)


def described(pipeline: Any) -> list[dict[str, Any]]:
    """The steps of a torchvision v2 pipeline as plain data, for `pipeline=`.

    InputError for a transform that its attributes do not describe: write the list by hand then.
    """
    steps = pipeline.transforms if isinstance(pipeline, v2.Compose) else [pipeline]
    return [step for each in steps for step in (described(each) if isinstance(each, v2.Compose) else [one(each)])]


def one(transform: Any) -> dict[str, Any]:
    """One transform as {"name": ..., argument: value}; arguments at their default are left out."""
    name, kind = type(transform).__name__, type(transform)
    if exported().get(name) is not kind:
        raise InputError(f"{name} is no transform that torchvision.transforms.v2 exports: write the list by hand.")
    try:
        arguments = arguments_of(transform)
        alike = repr(kind(**arguments)) == repr(transform)
        inner = {"transforms": described(v2.Compose(list(transform.transforms)))} if "transforms" in arguments else {}
        plain = json.loads(json.dumps({"name": name, **arguments, **inner}, default=as_text))
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"the arguments of {name} can't be read off it ({error}): write the list by hand.") from None
    if not alike:
        raise InputError(f"the arguments of {name} can't be read off it: write the list by hand.")
    return plain


def arguments_of(transform: Any) -> dict[str, Any]:
    """The arguments that make a transform, as its attributes of the same names tell them."""
    parameters = inspect.signature(type(transform)).parameters.values()
    found = {p.name: (getattr(transform, p.name), p.default) for p in parameters}
    return {name: value for name, (value, default) in found.items() if value is not default and value != default}


def as_text(value: Any) -> str:
    """A way of interpolation by its name; TypeError for any other object."""
    if isinstance(value, v2.InterpolationMode):
        return value.value
    raise TypeError(f"a {type(value).__name__} is no plain value")
