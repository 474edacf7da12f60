# SPDX-License-Identifier: Apache-2.0
"""What a pipeline of another library is given, and how what comes back becomes a batch again.

Three things go through the pipeline, whatever the batch holds: the image in [0, 1]; the numbers of its pixels, as a
mask, so that mask, instances and valid are read off afterwards in their own types and what was uncovered is known;
and points, that is keypoints and the four corners of every box, so that one convention holds (`geometry`).
"""

from __future__ import annotations

import difflib
import importlib
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganaug.data.batch import UNKNOWN, Batch
from ganaug.data.errors import InputError

FIRST = 256  # number of the first pixel: whatever a library fills uncovered pixels with lies below
MOST = 2**24 - FIRST  # pixels that float32 can number
UNCOVERED = {"mask": UNKNOWN, "valid": False, "instances": 0}
MIXES = "brings other images in, whose labels are not known"
SCALES = "changes the type or the scale of the values, which ganaug does itself"


def library(name: str) -> Any:
    """An optional library's module; InputError with the command that installs it."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else it asks the network for its newest version
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise InputError(f"{package} can't be imported ({error}): install it by `pip install {package}`.") from None


@contextmanager
def told(id: str, what: str) -> Iterator[None]:
    """Turns any error of the library into one sentence."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:200].rstrip(". ")
        raise InputError(f"{id}: {what} ({type(error).__name__}: {said}).") from error


def running(id: str, batch: Batch) -> Any:
    """`told` for a pipeline that meets a batch; with other than 3 channels it names what works on any number."""
    channels, height, width = batch.image.shape[1:]
    advice = "" if channels == 3 else " or, as many operations need 3 channels, use basic_ops, which takes any number"
    size = f"{channels} channels, {height}x{width} pixels"
    return told(id, f"the pipeline fails on images of {size}: leave out the operation that can't{advice}")


# --- a pipeline as plain data -----------------------------------------------------------------------------------


def steps(
    pipeline: Any, exported: Mapping[str, type], refused: Mapping[str, str], id: str, make: Callable[..., Any]
) -> list[Any]:
    """The library's transforms for a list of {"name": class, argument: value, ...}.

    Lists among the arguments become tuples; "transforms" of a container is such a list itself. `make(class, inner
    transforms or None, arguments)` creates one. InputError for anything else, for names that the library does not
    export (the nearest are given), for the `refused` ones (with the reason) and for arguments that it does not take.
    """
    if not isinstance(pipeline, (list, tuple)) or not pipeline:
        found = "an empty one" if pipeline in ([], ()) else type(pipeline).__name__
        raise InputError(f'{id}: pipeline must be a list such as [{{"name": "...", "p": 0.5}}], found {found}.')
    made = []
    for step in pipeline:
        if not isinstance(step, Mapping) or "name" not in step:
            raise InputError(f'{id}: each step of the pipeline is {{"name": "...", argument: value}}, found {step}.')
        refuse(id, [step["name"]], exported, refused)
        arguments = {name: as_tuple(value) for name, value in step.items() if name not in ("name", "transforms")}
        inner = steps(step["transforms"], exported, refused, id, make) if "transforms" in step else None
        with told(id, f"{step['name']} does not take its arguments; see that library's documentation"):
            made.append(make(exported[step["name"]], inner, arguments))
    return made


def names(pipeline: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of all steps, inner ones included."""
    return [name for step in pipeline for name in (step["name"], *names(step.get("transforms", ())))]


def as_tuple(value: Any) -> Any:
    """Lists as tuples, which every library takes."""
    return tuple(as_tuple(part) for part in value) if isinstance(value, (list, tuple)) else value


def refuse(id: str, names: Iterable[str], exported: Iterable[str], refused: Mapping[str, str]) -> None:
    """InputError for a transform that the library does not have, or that can't be used here."""
    known = list(exported)
    for name in names:
        if name in refused:
            raise InputError(f"{id}: {name} {refused[name]}, so it can't be used here: leave it out.")
        if name not in known:
            near = ", ".join(difflib.get_close_matches(str(name), known, n=3, cutoff=0.0))
            raise InputError(f"{id}: the library has no transform '{name}': the nearest are {near}.")


def refuse_left_behind(id: str, batch: Batch, names: Iterable[str], fields: Sequence[str]) -> None:
    """InputError for a batch with fields that some transform of the pipeline leaves behind."""
    held = [name for name in fields if getattr(batch, name) is not None]
    for name in names if held else ():
        raise InputError(f"{id}: {name} does not move {' and '.join(held)} well: leave it out, or them.")


# --- there ------------------------------------------------------------------------------------------------------


def unit(batch: Batch) -> Float[Tensor, "b c h w"]:
    """The images in [0, 1]."""
    return ((batch.image + 1) / 2).clamp_(0, 1)


def refuse_fields(id: str, batch: Batch) -> None:
    """InputError for what no foreign pipeline moves: depth, and views of other sizes and scales."""
    for name in ("depth", "views"):
        if getattr(batch, name) is not None and getattr(batch, name) != {}:
            raise InputError(f"{id} can't move {name} with the image: leave them out, or use basic_ops.")


def pixel_numbers(batch: Batch) -> Float[Tensor, "h w"] | None:
    """FIRST, FIRST + 1, ... row by row, where a batch holds something to be read off; InputError above MOST pixels."""
    height, width = batch.image.shape[-2:]
    if all(getattr(batch, name) is None for name in UNCOVERED):
        return None
    if height * width > MOST:
        raise InputError(f"masks of {height}x{width} pixels are too large for another library: cut them (--tiles).")
    return torch.arange(FIRST, FIRST + height * width, dtype=torch.float32, device="cpu").view(height, width)


def points_of(batch: Batch) -> Float[Tensor, "b n 2"] | None:
    """Keypoints, then the corners of boxes as if they were keypoints; missing ones stand at 0."""
    found = [] if batch.keypoints is None else [batch.keypoints]
    if batch.boxes is not None:
        found.append(batch.boxes[..., [0, 1, 2, 1, 0, 3, 2, 3]].unflatten(-1, (4, 2)).flatten(1, 2) - 0.5)
    return torch.cat(found, 1).nan_to_num(0.0).float() if found else None


def generators(rng: np.random.Generator) -> tuple[np.random.Generator, random.Random]:
    """numpy's and Python's kind of generator, both following `rng`."""
    return rng, random.Random(int(rng.integers(2**62)))


# --- and back ---------------------------------------------------------------------------------------------------


def received(
    id: str,
    batch: Batch,
    images: Iterable[Tensor],
    numbers: Sequence[Tensor] | Tensor | None,
    points: Sequence[Tensor] | Tensor | None,
) -> Batch:
    """The batch with what came back row by row: images [C, H, W] in [0, 1], pixel numbers [H, W], points [n, 2].

    InputError where images have another size, number of channels or type, and where points were dropped.
    """
    new: dict[str, Any] = {"image": torch.stack([checked(id, image, batch) for image in images])}
    new["image"] = new["image"].to(batch.image).clamp_(0, 1).mul_(2).sub_(1)
    if numbers is not None:
        new |= read_off(batch, torch.stack(list(numbers)).to(batch.image.device))
    if points is not None:
        count = points_of(batch).shape[1]
        if any(len(row) != count for row in points):
            raise InputError(f"{id}: the pipeline drops keypoints or corners of boxes: leave that operation out.")
        new |= put_points(batch, torch.stack(list(points)).to(batch.image.device))
    return batch.but(**new)


def checked(id: str, image: Any, batch: Batch) -> Tensor:
    """An image of the given size as it came back; InputError for another one."""
    channels, height, width = batch.image.shape[1:]
    if not isinstance(image, Tensor) or not image.is_floating_point():
        raise InputError(f"{id}: the pipeline {SCALES}: leave that operation out.")
    if image.shape != (channels, height, width):
        found = f"{image.shape[-3]} channels, {image.shape[-2]}x{image.shape[-1]} pixels"
        raise InputError(
            f"{id}: the pipeline turns images of {channels} channels, {height}x{width} pixels into {found}: leave out "
            "that operation, or set its size and number of channels to the given ones."
        )
    return image


def read_off(batch: Batch, numbers: Float[Tensor, "b h w"]) -> dict[str, Tensor]:
    """mask, valid and instances at the pixels that the numbers name; 255, False and 0 where nothing is known."""
    origin = numbers.round().long() - FIRST
    uncovered, at = origin < 0, origin.clamp(min=0).flatten(1)
    fields = {name: getattr(batch, name) for name in UNCOVERED if getattr(batch, name) is not None}
    return {
        name: field.flatten(1).gather(1, at).view_as(field).masked_fill(uncovered, UNCOVERED[name])
        for name, field in fields.items()
    }


def put_points(batch: Batch, points: Float[Tensor, "b n 2"]) -> dict[str, Tensor]:
    """keypoints and boxes from moved points; a box is the one around its corners, cut to the image, as `geometry`'s."""
    new, count = {}, 0
    if batch.keypoints is not None:
        count = batch.keypoints.shape[1]
        new["keypoints"] = points[:, :count].to(batch.keypoints).masked_fill(batch.keypoints.isnan(), torch.nan)
    if batch.boxes is not None:
        corners = (points[:, count:] + 0.5).unflatten(1, (-1, 4)).to(batch.boxes)
        side = batch.boxes.new_tensor(batch.image.shape[:-3:-1])  # width, height
        low, high = (torch.minimum(edge.clamp(min=0), side) for edge in (corners.amin(2), corners.amax(2)))
        gone = batch.boxes.isnan().any(-1, keepdim=True) | (high <= low).any(-1, keepdim=True)
        new["boxes"] = torch.cat([low, high], -1).masked_fill(gone, torch.nan)
    return new
