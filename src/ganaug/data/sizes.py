# SPDX-License-Identifier: Apache-2.0
"""Bringing images of any size to one size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch.nn import functional

from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.pixels import ArrayPixels, FilePixels

Fit = Literal["resize", "pad"]
PLACED = ("mask", "valid", "instances", "boxes", "keypoints", "depth")  # columns that live in pixel coordinates


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
    shrink = min(1.0, size[0] / image.shape[0], size[1] / image.shape[1])
    inner = [min(side, max(1, round(old * shrink))) for side, old in zip(size, image.shape, strict=False)]
    canvas = np.zeros((*size, image.shape[2]), image.dtype)
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    canvas[top : top + inner[0], left : left + inner[1]] = brought_to(image, (inner[0], inner[1]))
    return canvas


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
    """The same rows at another size; InputError when a column in pixel coordinates would no longer fit."""
    if size is None or data.image.shape[:2] == size or not len(data):
        return data
    refuse_placed(data.columns(), size)
    if isinstance(data.image, FilePixels):
        reader = Sized(data.image.read, size, fit)
        return data.but(image=FilePixels(data.image.paths, reader, (*size, data.image.shape[2]), data.image.dtype))
    images = [brought_to(data.image.at(row), size, fit) for row in range(len(data))]
    return data.but(image=ArrayPixels(np.stack(images)))


def refuse_placed(columns: list[tuple[str, np.ndarray]], size: tuple[int, int]) -> None:
    """InputError when columns hold masks, boxes or keypoints, which a change of size would not move along."""
    placed = [name for name, _ in columns if name in PLACED]
    if placed:
        raise InputError(
            f"the set has a column '{placed[0]}' in pixel coordinates: load it without --size {size[0]}x{size[1]}."
        )
