# SPDX-License-Identifier: Apache-2.0
"""Masks that lie with their images: cell.png and cell_mask.png in one folder, or a folder for each image.

The second has images/ with one image and masks/ with a mask for each object, as collections of cells are handed out;
its objects become `instances`. Folders of few images each (patients, slides) are groups, which no split tears apart.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Int32
from numpy import ndarray

from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.names import FOLD_NAMES
from ganaug.data.readers import masks
from ganaug.data.readers.listing import Row, as_set, some
from ganaug.data.readers.walk import folders, image_names
from ganaug.data.sizes import Fit, Size, nearest_to
from ganaug.data.threads import in_threads

MARK = re.compile(r"(.+?)[ _-]?(?:mask|label|seg|segmentation|gt)(?:[ _-]?\d+)?", re.IGNORECASE)
LOOKED_AT = 600  # files of a folder by which it is told
LEAST_MARKED = 1 / 3  # of them, masks: an image or two of that name do not make a set of masks
GROUP_SHARE = 0.2  # of the images at most in the largest folder, where folders are groups


def recognise(path: Path) -> bool:
    """Masks beside images of their names, or folders of one image each."""
    if not path.is_dir():
        return False
    looked = list(islice(map(Path, image_names(path)), LOOKED_AT))
    marked = sum(file is not image for file, image in partners(looked))
    return marked > 0 and marked >= LEAST_MARKED * len(looked)


def recognise_objects(path: Path) -> bool:
    """Whether the folders of a set, at least two, hold one image and masks each."""
    if not path.is_dir():
        return False
    parts = list(islice(of_one_image(path), 2))
    return len(parts) == 2


def of_one_image(path: Path) -> Iterator[tuple[Path, list[str], int]]:
    """(folder with images/ and masks/, its images, fold) of every folder that holds no more than one image.

    Stops at the first that is another kind of folder.
    """
    for top in folders(path):
        fold = FOLD_NAMES.get(top.name.lower(), -1)
        for part in [top] if fold < 0 else folders(top):
            images = list(islice(image_names(masks.images_in(part)), 2)) if masks.has_masks(part) else []
            if len(images) != 1:
                return
            yield part, images, fold


def partners(files: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Each file with the image that it is the mask of, by its name and folder; an image with itself."""
    images = {file.with_suffix(""): file for file in files}
    for file in files:
        marked = MARK.fullmatch(file.stem)
        image = images.get(file.with_name(marked[1])) if marked else None  # no suffix: names may hold dots
        yield file, image or file


def read(path: Path, size: Size | None, fit: Fit) -> ImageSet:
    """Images with the masks beside them as a set; InputError for an image without one."""
    found: dict[Path, list[Path]] = {}
    for file, image in partners([Path(name) for name in image_names(path)]):
        found.setdefault(image, []).extend([file] * (file is not image))
    bare = next((image for image, own in found.items() if not own), None)
    if bare is not None:
        raise InputError(f"the image {bare} has no mask {bare.stem}_mask.png beside it: add it or remove the image.")
    rows = in_groups([row_of(image, path) for image in found])
    return with_masks(rows, list(found.values()), path, size, fit)


def read_objects(path: Path, size: Size | None, fit: Fit) -> ImageSet:
    """Folders of one image each as a set, with the objects of each image numbered from 1."""
    rows, files = [], []
    for part, (image,), fold in of_one_image(path):
        rows.append(Row(Path(image), relative(image, path), fold=fold))
        maps = masks.inside(part, masks.MASKS)
        files.append([Path(name) for name in image_names(maps)] if maps else [])
    bare = next((row for row, own in zip(rows, files, strict=True) if not own), None)
    if bare is not None:
        raise InputError(f"the image {bare.file} has no mask in the folder beside its own: add one or remove it.")
    data = with_masks(some(rows, path), files, path, size, fit)
    numbers = list(in_threads(lambda own: objects(own, size, fit), files, "reading instances"))
    return data.but(instances=np.stack(numbers))


def objects(files: Sequence[Path], size: Size | None, fit: Fit) -> Int32[ndarray, "h w"]:
    """The number of the object, 1 to len(files), that each pixel belongs to, the later one where two overlap."""
    found = np.maximum.reduce([(masks.numbers_in(file) > 0) * np.int32(k) for k, file in enumerate(files, 1)])
    return found if size is None else nearest_to(found, size, fit, 0)


def row_of(image: Path, path: Path) -> Row:
    """An image with its fold, and the folder that it lies in as its group."""
    name = relative(image, path)
    above = Path(name).parts[:-1]
    fold = FOLD_NAMES.get(above[0].lower(), -1) if above else -1
    return Row(image, name, fold=fold, values={"group": "/".join(above)})


def in_groups(rows: Sequence[Row]) -> Sequence[Row]:
    """The rows, without groups where a folder holds so many images that it is no patient or slide."""
    _, counts = np.unique([row.values["group"] for row in rows], return_counts=True)
    if counts.max(initial=0) <= GROUP_SHARE * len(rows):
        return rows
    return [Row(row.file, row.name, row.label, row.fold) for row in rows]


def relative(file: str | Path, path: Path) -> str:
    """A file's path inside the set."""
    return os.path.relpath(file, path).replace(os.sep, "/")


def with_masks(
    rows: Sequence[Row], files: Sequence[Sequence[Path]], path: Path, size: Size | None, fit: Fit
) -> ImageSet:
    """Images with one or several mask files each as a set."""
    each = [(row, file) for row, of in zip(rows, files, strict=True) for file in of]
    masks.refuse_other_sizes([row for row, _ in each], [file for _, file in each], "mask")
    data = as_set(rows, path, size, fit)
    if data.image.shape[0] is None:
        raise InputError(f"the images of {path} have different sizes, and masks need one: pass --size 64.")
    found = masks.codes(files, size, fit, masks.PADDING, "reading masks")
    mask, names = masks.numbered(found, [of[0] for of in files], path, [path])
    return data.but(mask=mask, mask_classes=names)
