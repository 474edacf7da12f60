# SPDX-License-Identifier: Apache-2.0
"""Two kinds of images that belong to each other only as kinds: trainA/ and trainB/ (testA/, testB/), or A/ and B/.

The set is A, and B is `others["b"]`. Each holds images, or images/ beside masks/ (`readers.masks`); A/ and B/ may hold
train/, val/ and test/ of their own. A/ and B/ with equal names are pairs (`readers.pairs`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ganaug.data import manifest
from ganaug.data.decode import is_image
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.names import FOLD_NAMES
from ganaug.data.readers import geotiff, masks
from ganaug.data.readers.listing import Row
from ganaug.data.readers.walk import entries, folders, image_names
from ganaug.data.sizes import Fit, Size

A, B = "A", "B"
PARTS = {"train": 0, "val": 1, "test": 2}  # trainA, valA and testA, with their folds


def recognise(path: Path) -> bool:
    """trainA/ or trainB/, or A/ and B/ and no other folder; class folders that ganaug wrote are none."""
    if not path.is_dir() or (path / manifest.SET).is_file():
        return False
    names = {folder.name for folder in folders(path)}
    return names == {A, B} or bool(names & {f"train{A}", f"train{B}"})


def read(path: Path, size: Size | None, fit: Fit) -> ImageSet:
    """A as a set with B beside it; InputError where one of the two is missing or empty."""
    first, second = (domain(path, letter, size, fit) for letter in (A, B))
    return first.but(others={"b": second.but(name=f"{path.resolve().name} {B}")})


def domain(path: Path, letter: str, size: Size | None, fit: Fit) -> ImageSet:
    """One of the two as a set, with folds where its folders state them."""
    alone = path / letter
    if alone.is_dir():
        if not masks.recognise(alone):
            return plain(folds_in(alone), alone, size, fit)
        return (geotiff if geotiff.recognise(alone) else masks).read(alone, size, fit)
    parts = [(path / f"{word}{letter}", fold) for word, fold in PARTS.items()]
    parts = [(part, fold) for part, fold in parts if part.is_dir()]
    if not parts or parts[0][1] != 0:
        raise InputError(f"{path} has no folder train{letter}/: both train{A}/ and train{B}/ are needed.")
    masked = [part for part, _ in parts if masks.has_masks(part)]
    if 0 < len(masked) < len(parts):
        other = next(part for part, _ in parts if part not in masked)
        raise InputError(f"{masked[0]} has masks and {other} has none: give both masks/ beside images/, or neither.")
    return masks.from_parts(parts, path, size, fit) if masked else plain(parts, path, size, fit)


def folds_in(folder: Path) -> list[tuple[Path, int]]:
    """train/, val/ and test/ with their folds, where a folder holds nothing else; otherwise itself (-1)."""
    inner = folders(folder)
    images = any(is_image(entry.name) for entry in entries(folder))
    if not inner or images or any(part.name.lower() not in FOLD_NAMES for part in inner):
        return [(folder, -1)]
    return [(part, FOLD_NAMES[part.name.lower()]) for part in inner]


def plain(parts: Sequence[tuple[Path, int]], root: Path, size: Size | None, fit: Fit) -> ImageSet:
    """The images of some folders, at any depth; InputError for a folder without one."""
    rows = [row for part, fold in parts for row in rows_of(part, root, fold)]
    return geotiff.read_rows(rows, root, parts[0][0], size, fit)


def rows_of(part: Path, root: Path, fold: int) -> list[Row]:
    """Every image of a folder, at any depth, by name; InputError when there is none."""
    found = [Row(Path(file), os.path.relpath(file, root).replace(os.sep, "/"), fold=fold) for file in image_names(part)]
    if not found:
        raise InputError(f"{part} holds no images: add some (PNG, JPEG, TIFF, WebP, BMP or .npy).")
    return found
