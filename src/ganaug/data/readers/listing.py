# SPDX-License-Identifier: Apache-2.0
"""Image files with what is known about each, whatever the layout they were found in, as an ImageSet."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ganaug.data import manifest
from ganaug.data.decode import header
from ganaug.data.errors import InputError
from ganaug.data.formats.raw import ImageFile
from ganaug.data.gather import pixels_of
from ganaug.data.image_set import ImageSet
from ganaug.data.names import UNKNOWN, folder_names, in_order
from ganaug.data.sizes import Fit, Size, moved_columns
from ganaug.data.threads import in_threads

NUMBERED = ("group", "identity", "camera", "domain")


@dataclass(frozen=True)
class Row:
    """One image file: its name relative to the set's folder, class (None: unknown), fold and further values."""

    file: ImageFile
    name: str
    label: str | None = None
    fold: int = -1
    values: Mapping[str, str] = field(default_factory=dict)


def as_set(
    rows: Sequence[Row],
    folder: Path,
    size: tuple[int, int] | None,
    fit: Fit,
    classes: Sequence[str] = (),
    from_folders: bool = False,
) -> ImageSet:
    """Rows as a set; `classes` and `from_folders` as in `known`."""
    rows, columns = known(rows, folder, classes, from_folders)
    files = [row.file for row in rows]
    columns |= moved_columns(columns, lambda: header_sizes(files), size, fit)
    if columns.get("origin") is None:
        columns["origin"] = np.array([json.dumps({"file": row.name}) for row in rows])
    pixels = pixels_of(files, size, fit)
    if "scaling" in columns and columns["scaling"].dtype != str(pixels.dtype):
        del columns["scaling"]
    return ImageSet(image=pixels, **columns)


def header_sizes(files: Sequence[ImageFile]) -> list[Size]:
    """Height and width of every file, by its header."""
    return [found[:2] for found in in_threads(header, files, "reading image sizes")]


def known(
    rows: Sequence[Row], folder: Path, classes: Sequence[str] = (), from_folders: bool = False
) -> tuple[Sequence[Row], dict[str, Any]]:
    """The rows in their order, and all that is known beside their pixels, as arguments of an ImageSet.

    `classes` are those known beforehand, and names not among them follow in order. With `from_folders` labels are names
    of folders. A folder that ganaug wrote gives back what was written: its order, class names, columns and scaling.
    Rows that are not in its manifest keep what the layout says about them; the other columns are then left out.
    """
    written = manifest.read(folder)
    columns: dict[str, Any] = {}
    if written is not None:
        rows = written_order(rows, folder)
        if from_folders:
            rows = named_back(rows, written.facts["classes"])
        columns = manifest.from_facts(written.facts)
    names = columns.pop("classes", tuple(classes))
    if written is not None and all(row.name in written.lines for row in rows):
        columns |= written.columns([row.name for row in rows])
    else:
        names = (*names, *in_order({row.label for row in rows if row.label is not None} - set(names)))
        columns |= columns_of(rows, names)
    return rows, {"classes": names, **columns}


def written_order(rows: Sequence[Row], folder: Path) -> Sequence[Row]:
    """Rows in the order in which ganaug wrote them, other rows after them by name; as they are in other folders."""
    written = manifest.read(folder)
    if written is None:
        return rows
    place = {name: k for k, name in enumerate(written.lines)}
    return sorted(rows, key=lambda row: (place.get(row.name, len(place)), row.name))


def named_back(rows: Sequence[Row], classes: Sequence[str]) -> list[Row]:
    """Rows whose label is a folder name that ganaug wrote, with the class name instead."""
    meant: dict[str | None, str | None] = dict(zip(folder_names(classes), classes, strict=True))
    meant[UNKNOWN] = None
    return [Row(row.file, row.name, meant.get(row.label, row.label), row.fold, row.values) for row in rows]


def columns_of(rows: Sequence[Row], classes: Sequence[str]) -> dict[str, np.ndarray]:
    """Label, fold and numbered columns, each only where a row says something."""
    columns: dict[str, np.ndarray] = {}
    if any(row.label is not None for row in rows):
        number = {name: k for k, name in enumerate(classes)}
        columns["label"] = np.array([-1 if row.label is None else number[row.label] for row in rows], np.int64)
    if any(row.fold >= 0 for row in rows):
        columns["fold"] = np.array([row.fold for row in rows], np.int8)
    for name in NUMBERED:
        if any(row.values.get(name) for row in rows):
            columns[name] = numbered([row.values.get(name, "") for row in rows], name)
    return columns


def numbered(values: Sequence[str], name: str) -> np.ndarray:
    """Whole numbers of up to 18 digits as they are, other texts by their rank.

    An empty one is unknown (-1), a group of its own.
    """
    given = [value for value in values if value]
    if all(re.fullmatch(r"-?\d{1,18}", value, re.ASCII) for value in given):
        numbers = np.array([int(value) if value else -1 for value in values], np.int64)
    else:
        rank = {value: k for k, value in enumerate(in_order(given))}
        numbers = np.array([rank.get(value, -1) for value in values], np.int64)
    if name == "group":
        alone = np.array([not value for value in values])
        numbers[alone] = numbers.max() + 1 + np.arange(alone.sum())
    return numbers


def some(rows: Sequence[Row], place: Path) -> Sequence[Row]:
    """The rows; InputError when there are none."""
    if not rows:
        raise InputError(f"{place} holds no images: give a folder with PNG, JPEG, TIFF, WebP, BMP or .npy files.")
    return rows
