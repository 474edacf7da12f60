# SPDX-License-Identifier: Apache-2.0
"""Pairs of images of one scene: A/ and B/ with equal names, also below train/, val/ and test/, or above them.

The set is A, and B is `views["b"]`, row by row. The kinds of files may differ: A/7.jpg and B/7.png are a pair.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ganaug.data import manifest
from ganaug.data.decode import header
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.names import FOLD_NAMES
from ganaug.data.readers import geotiff, masks
from ganaug.data.readers.domains import A, B, folds_in, rows_of
from ganaug.data.readers.listing import Row
from ganaug.data.readers.walk import folders, image_names
from ganaug.data.sizes import Fit, Size
from ganaug.data.threads import in_threads


class Part(NamedTuple):
    """Two folders whose images belong to each other, and their fold."""

    first: Path
    second: Path
    fold: int


def recognise(path: Path) -> bool:
    """A/ and B/ with equal names and nothing beside them, or both in each of train/, val/ and test/."""
    if not path.is_dir() or (path / manifest.SET).is_file():
        return False
    if not is_both(path):
        return bool(below_folds(path))
    plain = not masks.recognise(path / A) and not masks.recognise(path / B)
    names = [{stem(file, path / letter) for file in image_names(path / letter)} for letter in (A, B)]
    return plain and bool(names[0]) and names[0] == names[1]


def is_both(path: Path) -> bool:
    """Whether a folder has the folders A/ and B/ and no other."""
    return {folder.name for folder in folders(path)} == {A, B}


def below_folds(path: Path) -> list[Part]:
    """train/A and train/B and so on, where all folders are so."""
    parts = folders(path)
    if any(part.name.lower() not in FOLD_NAMES or not is_both(part) for part in parts):
        return []
    return [Part(part / A, part / B, FOLD_NAMES[part.name.lower()]) for part in parts]


def read(path: Path, size: Size | None, fit: Fit) -> ImageSet:
    """A as a set with B as its view; InputError for images without a partner or with one of another size."""
    pairs = [pair for part in parts_of(path) for pair in pairs_of(part, path)]
    refuse_other_sizes(pairs)
    both = zip((A, B), zip(*pairs, strict=True), strict=True)
    first, second = (geotiff.read_rows(rows, path, path / letter, size, fit) for letter, rows in both)
    return first.but(views={"b": second})


def parts_of(path: Path) -> list[Part]:
    """A/ and B/ with the folds inside them, or the folds with A/ and B/ inside."""
    if not is_both(path):
        return below_folds(path)
    return [Part(part, path / B / part.relative_to(path / A), fold) for part, fold in folds_in(path / A)]


def pairs_of(part: Part, path: Path) -> list[tuple[Row, Row]]:
    """The images of two folders, name by name; the fold stands with the first."""
    ours, theirs = by_stem(part.first, path, part.fold), by_stem(part.second, path, -1)
    for mine, others, here, there in ((ours, theirs, *part[:2]), (theirs, ours, part.second, part.first)):
        alone = next((row for name, row in mine.items() if name not in others), None)
        if alone is not None:
            raise InputError(
                f"the image {alone.file} has no partner of its name in {there} ({len(mine)} images in {here.name}/, "
                f"{len(others)} in {there.name}/): add it, or remove the image."
            )
    return [(row, theirs[name]) for name, row in ours.items()]


def by_stem(folder: Path, path: Path, fold: int) -> dict[str, Row]:
    """The images of a folder by their names without the ending; InputError for two of one name."""
    found: dict[str, Row] = {}
    for row in rows_of(folder, path, fold):
        name = stem(row.file, folder)  # type: ignore[arg-type]
        if name in found:
            raise InputError(f"{found[name].file} and {row.file} have one name, so pairs are unclear: remove one.")
        found[name] = row
    return found


def stem(file: str | Path, folder: Path) -> str:
    """A file's place in a folder without its ending."""
    return os.path.splitext(os.path.relpath(file, folder))[0]


def refuse_other_sizes(pairs: Sequence[tuple[Row, Row]]) -> None:
    """InputError when the images of a pair have different sizes."""
    sizes = in_threads(lambda pair: [header(row.file)[:2] for row in pair], pairs, "comparing sizes")
    for (ours, theirs), (one, other) in zip(pairs, sizes, strict=True):
        if one != other:
            raise InputError(
                f"{ours.file} has {one[0]}x{one[1]} pixels (height x width) and its partner {theirs.file} "
                f"{other[0]}x{other[1]}: the images of a pair must be of one size."
            )
