# SPDX-License-Identifier: Apache-2.0
"""NumPy archives: one .npz, or train.npz and test.npz (and val.npz) in a folder.

`images` and `labels` may be called otherwise, x and y say, and the folds may be in one archive: train_images, x_test.
"""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganaug.data import manifest
from ganaug.data.errors import InputError
from ganaug.data.image_set import COLUMNS, ImageSet, finite
from ganaug.data.names import FOLD_NAMES, are_labels, in_order, numbers_as_names
from ganaug.data.pixels import ArrayPixels
from ganaug.data.readers import masks
from ganaug.data.readers.listing import NUMBERED, numbered
from ganaug.data.readers.walk import folders
from ganaug.data.sizes import Fit, resized_set

FACTS = "ganaug"  # the entry with the facts of a set that ganaug wrote
GROUPS = ("group", "patient", "source", "polygon")  # names for the parent that an image was cut from
OTHER_NAMES = {  # of archives that others made, without regard to capitals
    "images": ("images", "image", "imgs", "x", "data", "arr_0"),
    "labels": ("labels", "label", "y", "targets", "target", "arr_1"),
    "masks": ("masks", "mask"),
}
ARRAY = {"label": "labels"}  # columns that an archive calls otherwise
MEANT = ("images", "labels", "masks", "classes", "bands", "fold", FACTS, *GROUPS, *NUMBERED)  # in any archive
OURS = tuple(ARRAY.get(name, name) for name in COLUMNS)  # in one that ganaug wrote
MOST_BYTES = 16 * 2**30  # of the arrays that are read, all at once
Arrays = Mapping[str, Any]


def recognise(path: Path) -> bool:
    """An .npz file, or a folder with some and no folders beside them."""
    return path.suffix.lower() == ".npz" or (any(path.glob("*.npz")) and not folders(path))


def read(path: Path, size: tuple[int, int] | None, fit: Fit) -> ImageSet:
    """One archive, or one a fold, as a set."""
    folds = files_of_folds(path)
    if folds:
        parts = {k: checked(opened(file)[None], file) for k, file in folds.items()}
        return resized_set(to_set(joined(parts, folds), path), size, fit)
    file = path if path.is_file() else only(path)
    held = {k: checked(arrays, file) for k, arrays in opened(file).items()}
    return resized_set(to_set(held[None] if None in held else joined(held, dict.fromkeys(held, file)), file), size, fit)


def files_of_folds(path: Path) -> dict[int, Path]:
    """Fold -> its archive in a folder, by a word in the name: train.npz, patches_test.npz; {} where two share one."""
    found: dict[int, Path] = {}
    for file in sorted(path.glob("*.npz")) if path.is_dir() else ():
        fold = next((FOLD_NAMES[w] for w in re.split(r"[^a-z]+", file.stem.lower()) if w in FOLD_NAMES), None)
        if fold in found:
            return {}
        if fold is not None:
            found[fold] = file
    return dict(sorted(found.items()))


def only(folder: Path) -> Path:
    """The one archive of a folder; InputError when there are several."""
    files = sorted(folder.glob("*.npz"))
    if len(files) > 1:
        raise InputError(
            f"{folder} holds {len(files)} .npz files ({', '.join(f.name for f in files[:4])}): "
            "give one of them, or name them train.npz and test.npz."
        )
    return files[0]


def opened(file: Path) -> Mapping[int | None, Arrays]:
    """Fold (None: not told) -> the arrays of an archive whose meaning is known, by their usual names.

    InputError when it is damaged or holds pickled objects.
    """
    try:
        with np.load(file, allow_pickle=False) as archive:
            return {k: {as_: archive[name] for as_, name in of.items()} for k, of in meant(archive, file).items()}
    except InputError:
        raise
    except PermissionError:
        raise InputError(f"{file} may not be read (permission denied): change its permissions.") from None
    except Exception as error:  # zipfile and its decoders raise nearly everything on broken files
        if "allow_pickle" in str(error) and zipfile.is_zipfile(file):
            raise InputError(
                f"{file} holds pickled Python objects, which may run code: save its arrays as numbers or dtype=str."
            ) from None
        raise damaged(file, error) from None


def meant(archive: Any, file: Path) -> Mapping[int | None, Mapping[str, str]]:
    """Fold -> usual name -> name in the archive, of the arrays to read.

    InputError without images, and where the arrays take more than MOST_BYTES.
    """
    held = {entry.filename[:-4]: entry.file_size for entry in archive.zip.infolist() if entry.filename[-4:] == ".npy"}
    found = {None: {n: n for n in held if n in (MEANT if FACTS not in held else (*MEANT, *OURS))}}
    if "images" not in held:
        found = by_other_names(list(held))
    elif FACTS not in held and "mask" in held:
        found[None].setdefault("masks", "mask")
    if not found:
        raise InputError(f"{file} has no array 'images' [N, H, W, C]: it holds {', '.join(held) or 'nothing'}.")
    whole = sum(held[name] for names in found.values() for name in names.values())
    if whole > MOST_BYTES:
        raise InputError(
            f"the arrays of {file} take {whole / 2**30:.0f} GiB, and at most {MOST_BYTES // 2**30} are read at once: "
            "save the images as files, which are read when they are needed."
        )
    return found


def by_other_names(held: Sequence[str]) -> Mapping[int | None, Mapping[str, str]]:
    """Fold -> usual name -> name in the archive, for names such as X and y, train_images, or x_test; {} for others."""
    found: dict[int | None, dict[str, str]] = {}
    for name in held:
        words = name.lower().split("_") if not name.startswith("arr_") else [name]
        fold = next((FOLD_NAMES[word] for word in words if word in FOLD_NAMES), None)
        rest = "_".join(word for word in words if word not in FOLD_NAMES)
        usual = next((usual for usual, others in OTHER_NAMES.items() if rest in others), rest)
        if usual in MEANT:
            found.setdefault(fold, {}).setdefault(usual, name)
    whole = {fold: names for fold, names in found.items() if "images" in names}
    return {None: next(iter(whole.values()))} if len(whole) == 1 else whole


def damaged(file: Path, error: Exception) -> InputError:
    """The sentence for an archive that does not open."""
    return InputError(f"{file} cannot be read as .npz ({error or type(error).__name__}): copy or write it again.")


def checked(arrays: Arrays, file: Path) -> Arrays:
    """The arrays, once `images` and `labels` fit each other; floats as float32."""
    images = arrays["images"]
    if images.ndim not in (3, 4) or not images.size:
        raise InputError(f"'images' in {file} must be [N, H, W] or [N, H, W, C], found shape {images.shape}.")
    if images.ndim == 4 and images.shape[1] <= 4 < min(images.shape[2:]):
        raise InputError(f"'images' in {file} has shape {images.shape}: put the channels last, [N, H, W, C].")
    if images.dtype.kind != "f" and images.dtype not in (np.uint8, np.uint16):
        raise InputError(f"'images' in {file} are {images.dtype}: save them as uint8, uint16 or float32.")
    images = finite(images, f"'images' in {file}")
    labels = as_numbers(arrays["labels"]) if "labels" in arrays else None
    if labels is not None and labels.shape != (len(images),):
        raise InputError(f"'labels' in {file} has shape {labels.shape}: one label for each of {len(images)} images.")
    told = {} if labels is None else {"labels": labels}
    return {**arrays, **told, "images": images if images.ndim == 4 else images[..., None]}


def as_numbers(labels: np.ndarray) -> np.ndarray:
    """Labels [N, 1], or [N, K] of zeros and a one, as [N]; others as they are."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        return labels[:, 0]
    if labels.ndim == 2 and labels.dtype.kind in "biuf" and (np.sort(labels, 1) == np.eye(labels.shape[1])[-1]).all():
        return labels.argmax(1)
    return labels


def joined(parts: Mapping[int, Arrays], files: Mapping[int, Path]) -> Arrays:
    """Archives of several folds as one, with a column `fold`; InputError where they differ.

    Row ids of the parts may be equal, so what ganaug noted in them is left out.
    """
    first = next(iter(parts))
    for k, part in parts.items():
        for what, (one, other) in {
            "class names": (texts(parts[first].get("classes")), texts(part.get("classes"))),
            "bands": (texts(parts[first].get("bands")), texts(part.get("bands"))),
            "image shapes": (parts[first]["images"].shape[1:], part["images"].shape[1:]),
            "image dtypes": (parts[first]["images"].dtype, part["images"].dtype),
        }.items():
            if one != other:
                raise InputError(f"the {what} of {files[first]} and {files[k]} differ: folds of one set must agree.")
    shared = set.intersection(*(set(part) for part in parts.values()))
    whole = {name: array for name, array in parts[first].items() if name in ("classes", "bands")}
    rows = {n: np.concatenate([p[n] for p in parts.values()]) for n in shared if per_row(parts[first], n)}
    fold = np.concatenate([np.full(len(part["images"]), k, np.int8) for k, part in parts.items()])
    return {**whole, **rows, "fold": fold}


def per_row(arrays: Arrays, name: str) -> bool:
    """Whether an array has an entry for every image."""
    return name not in ("classes", "bands", FACTS) and arrays[name].shape[:1] == (len(arrays["images"]),)


def to_set(arrays: Arrays, file: Path) -> ImageSet:
    """Arrays as a set; of the further arrays only those become columns whose meaning is known."""
    ours = facts_of(arrays)
    if ours is not None:
        columns = {name: arrays[ARRAY.get(name, name)] for name in COLUMNS if name in ours["columns"]}
        return ImageSet(image=ArrayPixels(arrays["images"]), **manifest.from_facts(ours), **columns)
    columns = {name: array for name in NUMBERED if (array := column(arrays, name)) is not None}
    if "fold" in arrays and per_row(arrays, "fold") and arrays["fold"].dtype.kind in "iu":
        columns["fold"] = arrays["fold"].astype(np.int8)
    labels, classes = labels_of(arrays, file)
    columns |= masks_of(arrays, file)
    return ImageSet.of(arrays["images"], labels, classes, bands=texts(arrays.get("bands")), **columns)


def masks_of(arrays: Arrays, file: Path) -> dict[str, Any]:
    """Masks and the names of their classes, by the values as in mask files; {} without the array.

    An array that holds something else, flags of rows say, or numbers of objects, is told of and left out.
    """
    if "masks" not in arrays:
        return {}
    held, shape = arrays["masks"], arrays["images"].shape[:3]
    held = held[..., 0] if held.ndim == 4 and held.shape[3] == 1 else held
    try:
        if held.shape != shape or held.dtype.kind not in "iub":
            raise InputError(f"whole numbers {list(shape)} are needed, found {held.dtype} {list(held.shape)}.")
        mask, names = masks.numbered(held.astype(np.int32), [file] * len(held), file, [])
    except InputError as error:
        warnings.warn(f"the masks in {file} are not read: {error}", stacklevel=2)
        return {}
    return {"mask": mask, "mask_classes": names}


def facts_of(arrays: Arrays) -> dict | None:
    """The facts of a set that ganaug wrote, else None."""
    try:
        facts = json.loads(str(arrays[FACTS]))
        return facts if all(ARRAY.get(name, name) in arrays for name in facts["columns"]) else None
    except (KeyError, ValueError, TypeError, RecursionError):
        return None


def column(arrays: Arrays, name: str) -> np.ndarray | None:
    """A column int64 [N] from the array that means it; None without one."""
    for alias in GROUPS if name == "group" else (name,):
        if alias in arrays and arrays[alias].ndim == 1 and per_row(arrays, alias):
            values = arrays[alias]
            return values.astype(np.int64) if values.dtype.kind in "iu" else numbered([str(v) for v in values], name)
    return None


def labels_of(arrays: Arrays, file: Path) -> tuple[np.ndarray | None, Sequence[str]]:
    """Labels int64 [N] (-1 unknown) and class names; texts as labels name their classes themselves."""
    labels, classes = arrays.get("labels"), texts(arrays.get("classes"))
    if labels is None:
        return None, classes
    if labels.dtype.kind == "U":
        classes = classes or tuple(in_order(map(str, labels)))
        number = {name: k for k, name in enumerate(classes)}
        unknown = next((str(name) for name in labels if str(name) not in number), None)
        if unknown is not None:
            raise InputError(f"the label '{unknown}' in {file} is not among its classes: {', '.join(classes)}.")
        return np.array([number[str(name)] for name in labels]), classes
    if not are_labels(labels):
        raise InputError(f"'labels' in {file} must be whole numbers from 0 (-1: unknown), found {labels.dtype}.")
    top = int(labels.max())
    if classes and top >= len(classes):
        raise InputError(f"'labels' in {file} go up to {top}, but it names {len(classes)} classes.")
    return labels.astype(np.int64), classes or numbers_as_names(top, len(labels), f"'labels' in {file}")


def texts(array: Any) -> tuple[str, ...]:
    """An array of names as texts; () for None."""
    return () if array is None else tuple(str(value) for value in np.atleast_1d(array))
