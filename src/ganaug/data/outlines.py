# SPDX-License-Identifier: Apache-2.0
"""Outlines of objects as COCO writes them, and the pixels inside: polygons and run lengths, plain or compressed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from ganaug.data.batch import UNKNOWN
from ganaug.data.sizes import Size

LONGEST = 30  # bits of a compressed run length that may lie before its last character: images are smaller than that


@dataclass(frozen=True)
class Object:
    """An annotation with its class in the mask and its number in the image (0 for a crowd)."""

    value: int
    number: int
    facts: Mapping[str, Any]


def painted(objects: Sequence[Object], size: Size, ground: int) -> tuple[Int[ndarray, "h w"], Int[ndarray, "h w"]]:
    """(mask uint8, instances int32) of one image: `ground`, then bare boxes, crowds and single objects in order."""
    mask, numbers = np.full(size, ground, np.uint8), np.zeros(size, np.int32)
    for each in sorted(objects, key=depth):
        inside = region(each.facts, size)
        mask[inside] = each.value if each.facts.get("segmentation") else UNKNOWN
        numbers[inside] = each.number if each.facts.get("segmentation") else 0
    return mask, numbers


def depth(found: Object) -> int:
    """Below 0 lies what says less than a single object's outline."""
    return 0 if not found.facts.get("segmentation") else 1 if not found.number else 2


def region(facts: Mapping[str, Any], size: Size) -> Bool[ndarray, "h w"]:
    """The pixels of an annotation; ValueError for an outline that is none.

    Without an outline those of the box, and none where the area is stated as 0: what is wholly hidden.
    """
    outline = facts.get("segmentation")
    if isinstance(outline, Mapping):
        return from_runs(outline, size)
    if outline:
        return np.logical_or.reduce([inside_polygon(np.asarray(part, float), size) for part in outline])
    if facts.get("area") == 0 or not facts.get("bbox"):
        return np.zeros(size, bool)
    x, y, width, height = facts["bbox"]
    return inside_polygon(np.array([x, y, x + width, y, x + width, y + height, x, y + height], float), size)


def inside_polygon(points: Float[ndarray, " xy"], size: Size) -> Bool[ndarray, "h w"]:
    """Pixels whose centre (column + 0.5, row + 0.5) lies inside x, y, x, y, ... by the even-odd rule."""
    if points.ndim != 1 or len(points) < 6 or len(points) % 2 or not np.isfinite(points).all():
        raise ValueError("a polygon needs three points or more, x, y, x, y, ..., of finite numbers")
    x, y = points[::2], points[1::2]
    x2, y2 = np.roll(x, -1), np.roll(y, -1)
    (left, right), (top, bottom) = extent(x, size[1]), extent(y, size[0])
    line = np.arange(top, bottom) + 0.5
    side, row = np.nonzero((y[:, None] <= line) != (y2[:, None] <= line))  # the sides that cross each line of centres
    at = x[side] + (line[row] - y[side]) / (y2 - y)[side] * (x2 - x)[side]
    column = np.clip(np.ceil(at - 0.5), left, right).astype(int)  # the first centre that is not left of the crossing
    crossed = np.zeros((bottom - top, right - left + 1), int)
    np.add.at(crossed, (row, column - left), 1)
    inside = np.zeros(size, bool)
    inside[top:bottom, left:right] = crossed.cumsum(1)[:, :-1] % 2 == 1
    return inside


def extent(values: Float[ndarray, " n"], side: int) -> tuple[int, int]:
    """The first pixel and the one behind the last that values reach, along a side of the image."""
    low, high = np.clip([np.floor(values.min()), np.ceil(values.max())], 0, side)
    return int(low), int(high)


def from_runs(outline: Mapping[str, Any], size: Size) -> Bool[ndarray, "h w"]:
    """Pixels of run lengths: outside, inside, outside, ..., column after column."""
    counts = outline.get("counts")
    counts = np.asarray(uncompressed(counts) if isinstance(counts, str) else counts, int)
    if tuple(outline.get("size", ())) != tuple(size):
        raise ValueError(f"its run lengths are for {outline.get('size')} pixels, the image has {list(size)}")
    if counts.ndim != 1 or counts.min(initial=0) < 0 or counts.sum() != size[0] * size[1]:
        raise ValueError(f"its run lengths don't make the {list(size)} pixels of the image")
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(size[::-1]).T


def uncompressed(text: str) -> list[int]:
    """Run lengths from COCO's compressed text; ValueError where it is damaged.

    Each character, less 48, is six bits: five of a number, the lowest first, and above them whether the number goes on.
    The top bit of a number is its sign. From the fourth on, what is written is the difference to the run before the
    last: runs of one kind are much alike.
    """
    counts: list[int] = []
    value = bits = 0
    for code in (ord(character) - 48 for character in text):
        if not 0 <= code < 64 or bits > LONGEST:
            raise ValueError("its compressed run lengths are damaged")
        value, bits = value | (code & 31) << bits, bits + 5
        if code < 32:
            value -= (code >> 4) << bits
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = bits = 0
    if bits:
        raise ValueError("its compressed run lengths are cut off")
    return counts


def as_runs(inside: Bool[ndarray, "h w"]) -> dict[str, Any]:
    """The inverse of `from_runs`."""
    flat = np.concatenate([[False], inside.T.ravel(), [not inside.T.ravel()[-1]]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return {"counts": np.diff(edges, prepend=0).tolist(), "size": list(inside.shape)}
