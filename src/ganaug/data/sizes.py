# SPDX-License-Identifier: Apache-2.0
"""Bringing images of any size to one size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch.nn import functional

from ganaug.data.errors import InputError
from ganaug.data.geo import place_of, with_place
from ganaug.data.image_set import ImageSet
from ganaug.data.pixels import ArrayPixels, FilePixels, Pixels, sizes_of

Fit = Literal["resize", "pad"]
Size = tuple[int, int]
CENTRES = {"boxes": 0.0, "keypoints": 0.5}  # where the zero of x and y lies in the first pixel: its edge or its centre
OUTSIDE = {"mask": 255, "valid": 0, "instances": 0, "depth": 0}  # of maps, where padding is added


def as_size(size: int | tuple[int, int] | None, fit: str) -> tuple[int, int] | None:
    """(height, width) from one whole number or a pair; InputError for anything else, and for an unknown `fit`."""
    if fit not in ("resize", "pad"):
        raise InputError(f"fit must be 'resize' or 'pad', found '{fit}'.")
    if size is None:
        return None
    whole = (int, np.integer)
    sides = (size, size) if isinstance(size, whole) else size
    pair = isinstance(sides, (tuple, list)) and len(sides) == 2
    if not (pair and all(isinstance(side, whole) and side >= 1 for side in sides)):
        raise InputError(f"size must be a whole number of pixels or (height, width), at least 1, found {size!r}.")
    height, width = sides
    return int(height), int(width)


def brought_to(image: np.ndarray, size: tuple[int, int], fit: Fit = "resize", fill: int | np.ndarray = 0) -> np.ndarray:
    """One image [H, W, C] at another size, same dtype.

    `resize` squeezes it (antialiased bilinear). `pad` keeps its shape: shrunk if it is larger, centred on zeros or
    `fill` [C].
    """
    if image.shape[:2] == size:
        return image
    if fit == "resize":
        return resized(image, size)
    inner = inner_size(image.shape[:2], size, fit)
    canvas = np.full((*size, image.shape[2]), fill, image.dtype)
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    canvas[top : top + inner[0], left : left + inner[1]] = brought_to(image, inner)
    return canvas


def nearest_to(numbers: np.ndarray, size: Size, fit: Fit, outside: int) -> np.ndarray:
    """A map of numbers [H, W] at another size, each pixel the nearest of the old ones; `outside` in the padding."""
    if numbers.shape == size:
        return numbers
    inner = inner_size(numbers.shape, size, fit)  # type: ignore[arg-type]
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(inner, numbers.shape, strict=True)
    )
    canvas = np.full(size, outside, numbers.dtype)
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    canvas[top : top + inner[0], left : left + inner[1]] = numbers[np.ix_(rows, columns)]
    return canvas


def inner_size(old: Size, size: Size, fit: Fit) -> Size:
    """What an image of `old` pixels takes of `size`: all of it or, padded, as much as its shape and pixels allow."""
    if fit == "resize":
        return size
    share = min(1.0, size[0] / old[0], size[1] / old[1])
    return min(size[0], max(1, round(old[0] * share))), min(size[1], max(1, round(old[1] * share)))


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """[H, W, C] -> [h, w, C] of the same dtype, antialiased bilinear, integers rounded."""
    planes = torch.from_numpy(image.astype(np.float32).transpose(2, 0, 1)[None])
    small = functional.interpolate(planes, size=size, mode="bilinear", antialias=True)[0].numpy().transpose(1, 2, 0)
    if image.dtype.kind == "f":
        return np.ascontiguousarray(small)
    limits = np.iinfo(image.dtype)
    return np.clip(np.rint(small), limits.min, limits.max).astype(image.dtype)


@dataclass(frozen=True)
class Sized:
    """A reader of images that brings each to one size."""

    read: Any  # path -> [H, W, C]
    size: tuple[int, int]
    fit: Fit

    def __call__(self, path: Any) -> np.ndarray:
        return brought_to(self.read(path), self.size, self.fit)


def resized_set(data: ImageSet, size: Size | None, fit: Fit) -> ImageSet:
    """The same rows at another size: maps by nearest pixels, boxes, keypoints and places moved along, views in step.

    A view that is larger or smaller than its images stays so. `others` are brought to `size` too.
    """
    if size is None or not len(data):
        return data
    others = {name: resized_set(other, size, fit) for name, other in data.others.items()}
    if data.image.shape[:2] == size:
        return data.but(others=others)
    columns = dict(data.columns())
    new: dict[str, Any] = moved_columns(columns, lambda: sizes_of(data.image), size, fit)
    for name in OUTSIDE.keys() & columns:
        new[name] = np.stack([nearest_to(numbers, size, fit, OUTSIDE[name]) for numbers in columns[name]])
    new["views"] = {name: resized_set(view, in_step(view, data, size), fit) for name, view in data.views.items()}
    return data.but(image=resized_pixels(data.image, size, fit), others=others, **new)


def in_step(view: ImageSet, data: ImageSet, size: Size) -> Size:
    """The size of a view whose images are brought to `size`, by the sizes of the first row."""
    ours, theirs = data.image.at(0).shape, view.image.at(0).shape
    height, width = (max(1, round(new * theirs[k] / ours[k])) for k, new in enumerate(size))
    return height, width


def resized_pixels(pixels: Pixels, size: Size, fit: Fit) -> Pixels:
    """Every image at another size; files are still read on demand."""
    if isinstance(pixels, FilePixels):
        return FilePixels(pixels.paths, Sized(pixels.read, size, fit), (*size, pixels.shape[2]), pixels.dtype)
    return ArrayPixels(np.stack([brought_to(pixels.at(row), size, fit) for row in range(len(pixels))]))


def moved_columns(
    columns: Mapping[str, Any], sizes: Callable[[], Sequence[Size]], size: Size | None, fit: Fit
) -> dict[str, ndarray]:
    """Boxes, keypoints and the places in `origin` once the images are brought to `size`; {} where nothing moves.

    `sizes` tells what the images had before, a row each, and is asked only where it is needed.
    """
    if size is None:
        return {}
    held = {name: columns[name] for name in CENTRES if columns.get(name) is not None}
    texts = [str(text) for text in columns["origin"]] if columns.get("origin") is not None else []
    placed = any(place_of(text) for text in texts)
    if not (held or placed):
        return {}
    old = sizes()
    found = {name: moved(column, old, size, fit, CENTRES[name]) for name, column in held.items()}
    if placed:
        found["origin"] = np.array([replaced(*each, size, fit) for each in zip(texts, old, strict=True)])
    return found


def moved(
    column: Float[ndarray, "n k xy"], old: Sequence[Size], size: Size | None, fit: Fit, centre: float = 0.0
) -> Float[ndarray, "n k xy"]:
    """Boxes (x0, y0, x1, y1) or points (x, y) once each image is brought from its old size to `size`.

    `centre` is how far, in pixels, x = 0 and y = 0 lie inside the edges of the image.
    """
    if size is None:
        return column
    inner = np.array([inner_size(each, size, fit) for each in old])
    factor, shift = inner / np.array(old), (np.array(size) - inner) // 2
    edges = (column.reshape(len(column), -1, 2) + centre) * factor[:, None, ::-1] + shift[:, None, ::-1]
    return (edges - centre).reshape(column.shape).astype(np.result_type(column, np.float32))


def replaced(text: str, old: Size, size: Size, fit: Fit) -> str:
    """The origin of a row whose image is brought to `size`, with the place that it then has."""
    place = place_of(text)
    return text if place is None else with_place(text, place.fitted(old, inner_size(old, size, fit), size))
