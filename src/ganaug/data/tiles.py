# SPDX-License-Identifier: Apache-2.0
"""Large images cut into square tiles that never straddle folds.

The tiles of an image stay together. Of one or two images, the area is divided instead: the far third of the longer
side is the test fold, and one line of tiles between it and the rest is left out, because neighbours look alike.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.pixels import ArrayPixels, Pixels, sizes_of
from ganaug.data.rasters import RasterPixels

MAPS = ("mask", "valid", "instances", "depth")
PLACED = ("boxes", "keypoints")
TEST_SHARE = 1 / 3
FEWEST = 3  # images whose tiles can be told apart by image; of fewer, the area is divided


def tiled(data: ImageSet, side: int) -> ImageSet:
    """`in_tiles`, and of one or two images without folds an area of their own as test fold."""
    made = in_tiles(data, side)
    return made if data.fold is not None or len(data) >= FEWEST else divided(made, side)


def in_tiles(data: ImageSet, side: int) -> ImageSet:
    """Each image as tiles of `side` x `side` pixels; what is left over at the right and lower edges is cut off.

    `group` is the image's group, or the image. Views are cut at the same places, `others` likewise. Tiles without any
    valid pixel are left out. Tiles of rasters above the memory bound are read from their files when they are asked for;
    those of other files are all decoded and held in memory. Raises InputError for images smaller than a tile, for
    columns and views that can't be cut.
    """
    refuse_uncut(data, side)
    parent, top, left = corners(data, side)
    spots = list(zip(parent, top, left, strict=True))
    columns: dict[str, Any] = {name: column[parent] for name, column in data.columns() if name not in MAPS}
    for name, maps in ((name, getattr(data, name)) for name in MAPS):
        if maps is not None:
            columns[name] = np.stack([maps[p, y : y + side, x : x + side] for p, y, x in spots])
    columns |= {"index": np.arange(len(parent)), "group": data.groups[parent], "parents": None}
    columns["origin"] = np.array([placed(data, *spot) for spot in spots])
    columns["others"] = {name: in_tiles(other, side) for name, other in data.others.items()}
    columns["views"] = {
        name: ImageSet(image=cut(view.image, parent, top, left, side), scaling=view.scaling, bands=view.bands)
        for name, view in data.views.items()
    }
    return data.but(image=cut(data.image, parent, top, left, side), **columns)


def refuse_uncut(data: ImageSet, side: int) -> None:
    """InputError for what can't be cut into tiles."""
    if side < 1:
        raise InputError(f"tiles must have at least 1 pixel a side, found {side}.")
    held = next((name for name, _ in data.columns() if name in PLACED), None)
    if held:
        raise InputError(f"the set has a column '{held}' in pixel coordinates, which can't be cut into tiles.")
    other = next((name for name, view in data.views.items() if view.image.shape[:2] != data.image.shape[:2]), None)
    if other:
        raise InputError(f"the view '{other}' has another size than the images: bring both to one size first.")


def corners(data: ImageSet, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, top and left of every tile, row by row."""
    found = []
    for row, (height, width) in enumerate(sizes_of(data.image)):
        if min(height, width) < side:
            raise InputError(f"image {row} has {height}x{width} pixels, smaller than a tile of {side}: choose less.")
        places = [(y, x) for y in range(0, height - side + 1, side) for x in range(0, width - side + 1, side)]
        found += [(row, y, x) for y, x in places if known(data, row, y, x, side)]
    if not found:
        raise InputError(f"no tile of {side} pixels holds a valid pixel: choose smaller tiles.")
    return tuple(np.array(found).T)  # type: ignore[return-value]


def known(data: ImageSet, row: int, top: int, left: int, side: int) -> bool:
    """Whether a tile has a valid pixel."""
    return data.valid is None or bool(data.valid[row, top : top + side, left : left + side].any())


def cut(pixels: Pixels, parent: np.ndarray, top: np.ndarray, left: np.ndarray, side: int) -> Pixels:
    """The tiles as pixels: windows of raster files that are read on demand, else in memory, an image at a time."""
    if isinstance(pixels, RasterPixels):
        return pixels.windows(parent, top, left, side)
    made = np.empty((len(parent), side, side, pixels.shape[2]), pixels.dtype)
    last = -1
    for k, (row, y, x) in enumerate(zip(parent.tolist(), top, left, strict=True)):
        if row != last:  # the tiles of an image follow each other
            image, last = pixels.at(row), row
        made[k] = image[y : y + side, x : x + side]
    return ArrayPixels(made)


def placed(data: ImageSet, parent: int, top: int, left: int) -> str:
    """How a tile came about: what is known of its image, and where it was cut from it."""
    known = json.loads(str(data.origin[parent])) if data.origin is not None else {}
    outer = known.get("top", 0), known.get("left", 0)  # of a tile that is cut again
    return json.dumps({**known, "top": int(top) + outer[0], "left": int(left) + outer[1]})


def divided(made: ImageSet, side: int) -> ImageSet:
    """Tiles of one or two images with a test fold at the far end of the longer side and a gap of one tile before it.

    Raises InputError for an area too small to be divided.
    """
    assert made.origin is not None
    spots = [json.loads(str(text)) for text in made.origin]
    top, left = (np.array([spot[name] for spot in spots]) for name in ("top", "left"))
    fold = np.full(len(made), -1, np.int8)
    for image in np.unique(made.groups):
        own = made.groups == image
        along = max((left, top), key=lambda place: np.ptp(place[own]))
        line = (along - along[own].min()) // side  # counted from the first tile that is there
        lines = int(line[own].max()) + 1
        first = lines - max(1, round(TEST_SHARE * lines))
        if first < 2:
            raise InputError(
                f"the image has {lines} tiles along its longer side, and 3 are needed for training, gap and test: "
                "choose smaller tiles."
            )
        fold[own & (line < first - 1)] = 0
        fold[own & (line >= first)] = 2
    return made.but(fold=fold, group=None).select(fold >= 0)
