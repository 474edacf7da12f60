# SPDX-License-Identifier: Apache-2.0
"""What every format tells about a file before decoding it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Protocol

import numpy as np

TURNED = range(5, 9)  # EXIF orientations that exchange height and width


class ImageFile(Protocol):
    """What can be decoded: a pathlib.Path, or an entry of an archive."""

    @property
    def name(self) -> str: ...
    @property
    def suffix(self) -> str: ...
    def open(self, mode: str) -> IO[bytes]: ...


@dataclass(frozen=True)
class Raw:
    """An opened file as it is stored: `pixels()` decodes it to [height, width, channels] of `dtype`."""

    height: int
    width: int
    channels: int
    dtype: np.dtype
    pixels: Callable[[], np.ndarray]
    orientation: int = 1  # the EXIF tag, 1..8


class TooLargeError(Exception):
    """A library refused the size before we saw it."""


def channels_first(shape: tuple[int, ...]) -> bool:
    """Whether an array of three axes is [C, H, W] rather than [H, W, C].

    The two equal axes of a square image are its sides; otherwise the channels are the smaller of first and last axis.
    """
    first, middle, last = shape
    if (first == middle) != (middle == last):
        return middle == last
    return first < last


def as_hwc(array: np.ndarray, first: bool) -> np.ndarray:
    """[H, W], [C, H, W] (where `first`) or [H, W, C] -> [H, W, C]."""
    if array.ndim == 2:
        return array[..., None]
    return array.transpose(1, 2, 0) if first else array


def from_shape(shape: tuple[int, ...], dtype: np.dtype, pixels: Callable, first: bool, orientation: int = 1) -> Raw:
    """A Raw for stored arrays of two or three axes; ValueError for others."""
    if len(shape) not in (2, 3):
        raise ValueError(f"it has {len(shape)} axes, an image has two or three")
    if len(shape) == 2:
        (height, width), channels = shape, 1
    else:
        height, width, channels = (shape[1], shape[2], shape[0]) if first else shape
    return Raw(height, width, channels, np.dtype(dtype), lambda: as_hwc(pixels(), first), orientation)
