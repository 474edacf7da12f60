# SPDX-License-Identifier: Apache-2.0
"""annotations.json of a set: an annotation an object, with its run lengths and its box, as `readers.coco` reads it.

Where the set has `instances`, every number is an object; its box is row number - 1 of `boxes`, or the box around its
pixels. Pixels of a class without a number are one crowd (`iscrowd`). Pixels of unknown class are of the category
"unknown", those of the class "background" of none. "instance" is no field of COCO's; other tools leave it out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from ganaug.data.batch import UNKNOWN
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.outlines import as_runs
from ganaug.data.readers.coco import BACKGROUND, NOBODY

MOST_CLASSES = 254


def document(data: ImageSet, names: Sequence[str]) -> dict[str, Any]:
    """The content of annotations.json; `names` [N] are the images' files.

    Raises InputError for instances without masks or on background, and for more classes than a mask holds.
    """
    if data.mask is None and data.instances is not None:
        raise InputError("the format 'coco' needs the class of every instance, and the set has no masks.")
    classes = classes_of(data)
    kinds = [{"id": k + 1, "name": name} for k, name in enumerate(classes) if name != BACKGROUND]
    images, found = [], []
    for row, name in enumerate(names):
        height, width = data.image.at(row).shape[:2]
        images.append({"id": row + 1, "file_name": name, "height": height, "width": width})
        found += [{"image_id": row + 1, **each} for each in (*outlined(data, row, classes), *bare(data, row))]
    categories = [*kinds, NOBODY, *([] if data.mask is not None else [{"id": 1, "name": "object"}])]
    return {
        "images": images,
        "annotations": [{"id": k + 1, **each} for k, each in enumerate(found)],
        "categories": categories,
    }


def classes_of(data: ImageSet) -> tuple[str, ...]:
    """The names of the values of masks; without names, 0 is background and the others are called by their numbers."""
    if data.mask is None or data.mask_classes:
        names = data.mask_classes if data.mask is not None else ()
    else:
        top = int(data.mask[data.mask != UNKNOWN].max(initial=0))
        names = (BACKGROUND, *map(str, range(1, top + 1)))
    if len(names) > MOST_CLASSES:
        raise InputError(f"the format 'coco' holds at most {MOST_CLASSES} mask classes, found {len(names)}.")
    return names


def outlined(data: ImageSet, row: int, classes: Sequence[str]) -> Iterator[dict[str, Any]]:
    """An annotation for each number and class of one image that occur together."""
    if data.mask is None:
        return
    mask = data.mask[row]
    numbers = np.zeros(mask.shape, int) if data.instances is None else data.instances[row]
    for n, value in np.unique(np.stack([numbers.ravel(), mask.ravel()]), axis=1).T.tolist():
        inside = (numbers == n) & (mask == value)
        known = value != UNKNOWN
        if known and classes[value] == BACKGROUND:
            if n:
                raise InputError(f"instance {n} of image {row} lies on background: give its pixels a class.")
            continue
        own = {"iscrowd": 0, "instance": n} if n else {"iscrowd": 1}
        yield {
            "category_id": value + 1 if known else NOBODY["id"],
            "segmentation": as_runs(inside),
            "area": int(inside.sum()),
            "bbox": as_bbox(box_of(data, row, n, inside)),
            **own,
        }


def box_of(data: ImageSet, row: int, n: int, inside: Bool[ndarray, "h w"]) -> Float[ndarray, " 4"]:
    """The box of an object as the set has it, or the one around its pixels."""
    if n and data.boxes is not None and n <= data.boxes.shape[1] and not np.isnan(data.boxes[row, n - 1]).any():
        return data.boxes[row, n - 1]
    y, x = np.nonzero(inside)
    return np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])


def bare(data: ImageSet, row: int) -> Iterator[dict[str, Any]]:
    """An annotation for each box of one image without pixels of its own."""
    if data.boxes is None:
        return
    shown = set() if data.instances is None else set(np.unique(data.instances[row]).tolist())
    for k, box in enumerate(data.boxes[row]):
        if k + 1 in shown or np.isnan(box).any():
            continue
        x, y, width, height = as_bbox(box)
        hidden = data.mask is not None  # what the mask shows does not change
        yield {
            "category_id": NOBODY["id"] if hidden else 1,
            "segmentation": [],
            "area": 0 if hidden else width * height,
            "bbox": [x, y, width, height],
            "iscrowd": 0,
            "instance": k + 1,
        }


def as_bbox(corners: Float[ndarray, " 4"]) -> list[float]:
    """x0, y0, x1, y1 -> x, y, width, height."""
    x, y, right, low = (float(v) for v in corners)
    return [x, y, right - x, low - y]
