# SPDX-License-Identifier: Apache-2.0
"""Bringing images of any size to one size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch.nn import functional

from ganaug.data.errors import InputError
from ganaug.data.geo import place_of, with_place
from ganaug.data.image_set import ImageSet
from ganaug.data.pixels import ArrayPixels, FilePixels

Fit = Literal["resize", "pad"]
Size = tuple[int, int]
PLACED = ("boxes", "keypoints", "depth")  # columns in pixel coordinates that do not move along
OUTSIDE = {"mask": 255, "valid": 0, "instances": 0}  # of maps that do, where padding is added


def as_size(size: int | tuple[int, int] | None, fit: str) -> tuple[int, int] | None:
    """(height, width) from one number or a pair; InputError for anything else, and for an unknown `fit`."""
    if fit not in ("resize", "pad"):
        raise InputError(f"fit must be 'resize' or 'pad', found '{fit}'.")
    if size is None:
        return None
    height, width = (size, size) if isinstance(size, (int, np.integer)) else size
    if min(height, width) < 1:
        raise InputError(f"size must be at least 1 pixel, found {height}x{width}.")
    return int(height), int(width)


def brought_to(image: np.ndarray, size: tuple[int, int], fit: Fit = "resize") -> np.ndarray:
    """One image [H, W, C] at another size, same dtype.

    `resize` squeezes it (antialiased bilinear). `pad` keeps its shape: shrunk if it is larger, centred on zeros.
    """
    if image.shape[:2] == size:
        return image
    if fit == "resize":
        return resized(image, size)
    inner = shrunk(image.shape[:2], size)
    canvas = np.zeros((*size, image.shape[2]), image.dtype)
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    canvas[top : top + inner[0], left : left + inner[1]] = brought_to(image, inner)
    return canvas


def nearest_to(numbers: np.ndarray, size: Size, fit: Fit, outside: int) -> np.ndarray:
    """A map of numbers [H, W] at another size, each pixel the nearest of the old ones; `outside` in the padding."""
    if numbers.shape == size:
        return numbers
    inner = size if fit == "resize" else shrunk(numbers.shape, size)  # type: ignore[arg-type]
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(inner, numbers.shape, strict=True)
    )
    canvas = np.full(size, outside, numbers.dtype)
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    canvas[top : top + inner[0], left : left + inner[1]] = numbers[np.ix_(rows, columns)]
    return canvas


def shrunk(old: Size, size: Size) -> Size:
    """The largest size of the old shape, not above the old one, that fits into `size`."""
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


def resized_set(data: ImageSet, size: tuple[int, int] | None, fit: Fit) -> ImageSet:
    """The same rows at another size, masks, instances and validity by nearest pixels.

    InputError when a column in pixel coordinates would no longer fit.
    """
    if size is None or data.image.shape[:2] == size or not len(data):
        return data
    refuse_placed(data.columns(), size)
    maps = {name: column for name, column in data.columns() if name in OUTSIDE}
    if data.origin is not None:
        data = data.but(origin=np.array([replaced(data, row, size, fit) for row in range(len(data))]))
    data = data.but(**{n: np.stack([nearest_to(m, size, fit, OUTSIDE[n]) for m in maps[n]]) for n in maps})
    if isinstance(data.image, FilePixels):
        reader = Sized(data.image.read, size, fit)
        return data.but(image=FilePixels(data.image.paths, reader, (*size, data.image.shape[2]), data.image.dtype))
    images = [brought_to(data.image.at(row), size, fit) for row in range(len(data))]
    return data.but(image=ArrayPixels(np.stack(images)))


def replaced(data: ImageSet, row: int, size: tuple[int, int], fit: Fit) -> str:
    """The origin of a row whose image is brought to `size`, with the place that it then has."""
    assert data.origin is not None
    text = str(data.origin[row])
    place = place_of(text)
    if place is None:
        return text
    height, width = data.image.shape[:2]
    old = data.image.at(row).shape[:2] if height is None or width is None else (height, width)
    return with_place(text, place.fitted(old, size if fit == "resize" else shrunk(old, size), size))


def refuse_placed(columns: list[tuple[str, np.ndarray]], size: tuple[int, int]) -> None:
    """InputError when columns hold boxes, keypoints or depth, which a change of size would not move along."""
    placed = [name for name, _ in columns if name in PLACED]
    if placed:
        raise InputError(
            f"the set has a column '{placed[0]}' in pixel coordinates: load it without --size {size[0]}x{size[1]}."
        )
