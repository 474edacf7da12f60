# SPDX-License-Identifier: Apache-2.0
"""A folder a class, optionally below train/, val/ and test/; and a plain folder of images without classes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from ganaug.data import manifest
from ganaug.data.decode import is_image
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.names import FOLD_NAMES, in_order
from ganaug.data.readers.listing import Row, as_set, some
from ganaug.data.readers.walk import entries, folders, has_images, image_names
from ganaug.data.sizes import Fit


def recognise(path: Path) -> bool:
    """A folder with folders that hold images, or only folders."""
    return path.is_dir() and any(has_images(folder) for folder in folders(path))


def recognise_wrapped(path: Path) -> bool:
    """A folder with nothing in it but one that holds the folders with images, as archives often unpack."""
    if not path.is_dir() or (path / manifest.SET).is_file():
        return False
    inside = folders(path)
    if len(inside) != 1 or inside[0].name.lower() in FOLD_NAMES or any(is_image(e.name) for e in entries(path)):
        return False
    return sum(map(has_images, folders(inside[0]))) > 1 and not any(is_image(e.name) for e in entries(inside[0]))


def recognise_flat(path: Path) -> bool:
    """One image, or a folder whose images lie directly in it, or one without any image."""
    return path.is_dir() or (path.is_file() and is_image(path))


def read(path: Path, size: tuple[int, int] | None, fit: Fit) -> ImageSet:
    """Class folders as a set; the names of the folders are the classes."""
    rows, classes = listed(path)
    return as_set(rows, path, size, fit, classes, from_folders=True)


def listed(path: Path) -> tuple[Sequence[Row], Sequence[str]]:
    """The images of class folders, and the classes; none of a folder that ganaug wrote, which states its own."""
    ours = (path / manifest.SET).is_file()  # its classes are known, folders without images were not written
    parts = parts_of(path)
    if not ours:
        tell_of_tables(path)
    if len(parts) > 1 and not ours:
        refuse_different_classes([part for part, _ in parts])
    rows = [
        Row(Path(file), os.path.relpath(file, path).replace(os.sep, "/"), kind.name, fold)
        for part, fold in parts
        for kind in folders(part)
        for file in images_of(kind)
    ]
    classes = () if ours else in_order({kind.name for part, _ in parts for kind in folders(part)})
    return some(rows, path), classes


def tell_of_tables(path: Path) -> None:
    """A warning where a table lies beside the folders: it may be what holds the labels."""
    table = next((e.path for e in entries(path) if e.name.lower().endswith((".csv", ".tsv"))), None)
    if table is not None:
        said = f"{table} is not read, the folders are taken as classes; give the table itself if it holds the labels."
        warnings.warn(said, stacklevel=2)


def parts_of(path: Path) -> list[tuple[Path, int]]:
    """Where class folders lie, with the fold: train/, val/ and test/, or the folder itself (-1).

    InputError when other folders lie beside train/ and test/: they would be read as classes, or left out unseen.
    """
    tops = folders(path)
    folds = [(top, FOLD_NAMES[top.name.lower()]) for top in tops if top.name.lower() in FOLD_NAMES]
    other = [top for top in tops if top.name.lower() not in FOLD_NAMES]
    folds.sort(key=lambda top: top[1])
    if len(folds) > 1 and other and folds[0][1] == 0:
        named = " and ".join(f"{top.name}/" for top, _ in folds)
        raise InputError(f"{path} holds '{other[0].name}' beside {named}: remove or move it.")
    return [(path, -1)] if other else folds


def read_flat(path: Path, size: tuple[int, int] | None, fit: Fit) -> ImageSet:
    """Images without classes."""
    if path.is_file():
        return as_set([Row(path, path.name)], path.parent, size, fit)
    empty = folders(path)
    files = [Path(entry.path) for entry in entries(path) if entry.is_file() and is_image(entry.name)]
    if not files and empty:
        raise empty_class(empty[0])
    return as_set(some([Row(file, file.name) for file in files], path), path, size, fit)


def images_of(kind: Path) -> list[str]:
    """The images of one class; InputError when there is none."""
    found = list(image_names(kind))
    if not found:
        raise empty_class(kind)
    return found


def empty_class(kind: Path) -> InputError:
    """The sentence for a class folder without images."""
    return InputError(
        f"the class folder {kind} holds no images: add images (PNG, JPEG, TIFF, WebP, BMP, .npy) or remove it."
    )


def refuse_different_classes(parts: list[Path]) -> None:
    """InputError when train/, val/ and test/ do not hold the same class folders."""
    kinds = {part: {kind.name for kind in folders(part)} for part in parts}
    for part, names in kinds.items():
        if not names:
            raise InputError(f"{part} holds no class folders: every part needs a folder a class.")
        for other, others in kinds.items():
            if names - others:
                raise InputError(
                    f"the class '{min(names - others)}' is in {part} but not in {other}: "
                    "every part must have the same class folders."
                )
