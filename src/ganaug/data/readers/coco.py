# SPDX-License-Identifier: Apache-2.0
"""COCO: annotations.json or instances_*.json beside images, or in annotations/ (Lin et al. 2014, arXiv 1405.0312).

Every object gives its box (corners x0, y0, x1, y1, pixel edges) and, where it has an outline, its category to the
mask and its number to `instances`; the last of overlapping ones is on top. Object n of an image has row n - 1 of its
boxes. Crowds (`iscrowd`) have a category but no number and no box, and lie below single objects. Pixels of no object
are background. An object with a box but no outline makes the pixels of its box unknown (255).
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from ganaug.data import manifest
from ganaug.data.batch import UNKNOWN
from ganaug.data.decode import header
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.names import FOLD_NAMES
from ganaug.data.outlines import Object, painted
from ganaug.data.readers.listing import Row, as_set, some, written_order
from ganaug.data.sizes import Fit, Size, moved, nearest_to
from ganaug.data.threads import in_threads

WHOLE, PARTS = "annotations.json", "instances_*.json"
BACKGROUND = "background"
NOBODY = {"id": 255, "name": "unknown"}  # the category of pixels whose class is not known
FARTHEST = 10**9  # pixels that a box may lie outside its image
MOST_NUMBERS = 65_535  # of objects, so that a file can't ask for any memory


class Picture(NamedTuple):
    """An image that a file names, with what is annotated in it."""

    row: Row
    size: Size  # pixels, as stored
    objects: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Document:
    """One annotation file."""

    file: Path
    images: Sequence[Mapping[str, Any]]
    objects: Mapping[Any, Sequence[Mapping[str, Any]]]  # by the id of their image
    categories: Mapping[int, str]

    @property
    def ours(self) -> bool:
        """Whether `instance` is the number of an object: by the category that ganaug writes, and the numbers."""
        numbers = [found.get("instance", 1) for own in self.objects.values() for found in own]
        legal = all(isinstance(number, int) and 1 <= number <= MOST_NUMBERS for number in numbers)
        return legal and is_nobody(NOBODY["id"], self.categories.get(NOBODY["id"], ""))


def recognise(path: Path) -> bool:
    """A .json file, or a folder with annotations."""
    return bool(files_of(path))


def files_of(path: Path) -> list[Path]:
    """The annotation files: one for all images, or one a part."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".json" else []
    for place in (path, path / "annotations"):
        found = [place / WHOLE] if (place / WHOLE).is_file() else sorted(place.glob(PARTS))
        if found:
            return found
    return []


def read(path: Path, size: Size | None, fit: Fit) -> ImageSet:
    """The images that annotation files name, with boxes and, where any object has an outline, masks and instances.

    The files of several parts (instances_train2017.json, instances_val2017.json) give folds. InputError for files
    that are no COCO or do not fit their images.
    """
    documents = [document(file) for file in files_of(path)]
    refuse_other_categories(documents)
    folder = base_of(documents[0].file)
    pictures = [p for d in documents for p in pictures_of(d, folder, fold_of(d.file) if len(documents) > 1 else -1)]
    by_name = {picture.row.name: picture for picture in pictures}
    rows = written_order(some([picture.row for picture in pictures], path), folder)
    pictures = [by_name[row.name] for row in rows]
    data = as_set(rows, folder, size, fit)
    written = manifest.read(folder)
    ours = written is not None or all(found.ours for found in documents)
    if written is None:
        data = data.but(boxes=boxes_of(pictures, size, fit, ours))
    columns = with_outlines(pictures) if written is None else written.facts["columns"]
    if "mask" not in columns:
        return data
    if data.image.shape[0] is None:
        raise InputError(f"the images of {path} have different sizes, and masks need one: pass --size 64.")
    classes = data.mask_classes or (BACKGROUND, *names_of(documents[0].categories))
    mask, instances = maps_of(pictures, documents[0].categories, classes, size, fit, ours)
    data = data.but(mask=mask, mask_classes=classes)
    return data.but(instances=instances.astype(columns["instances"])) if "instances" in columns else data


# --- the files --------------------------------------------------------------------------------------------------


def document(file: Path) -> Document:
    """One annotation file, read; InputError when it is no COCO."""
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
        objects: dict[Any, list] = {image["id"]: [] for image in content["images"]}
        categories = {int(kind["id"]): str(kind["name"]) for kind in content["categories"]}
        for found in content["annotations"]:
            objects[found["image_id"]].append(found)
            if found["category_id"] not in categories:
                raise KeyError(f"category {found['category_id']}")
        named = [str(image["file_name"]) for image in content["images"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{file} is no complete COCO file ({type(error).__name__}: {error}): it needs images (id, file_name), "
            "categories (id, name) and annotations whose image_id and category_id are among them."
        ) from None
    twice = [name for name, n in Counter(named).items() if n > 1]
    if twice:
        raise InputError(f"{file} names the image {twice[0]} twice: give each image one entry.")
    wrong = next((found for found in content["annotations"] if not has_legal_box(found)), None)
    if wrong is not None:
        raise InputError(
            f"{file} has the bbox {str(wrong['bbox'])[:60]} (annotation {wrong.get('id')}): "
            "x, y, width and height in pixels are needed."
        )
    return Document(file, content["images"], objects, categories)


def has_legal_box(found: Mapping[str, Any]) -> bool:
    """Whether the box of an annotation, where it has one, is four finite numbers."""
    box = found.get("bbox") or [0, 0, 0, 0]
    numbers = isinstance(box, list) and len(box) == 4 and all(isinstance(number, (int, float)) for number in box)
    return numbers and all(abs(number) <= FARTHEST for number in box)


def refuse_other_categories(documents: Sequence[Document]) -> None:
    """InputError when parts number their categories in other ways, or have more than a mask holds."""
    first = documents[0]
    for other in documents[1:]:
        if other.categories != first.categories:
            raise InputError(f"{first.file} and {other.file} have different categories: give both the same.")
    if len(first.categories) >= UNKNOWN:
        raise InputError(f"{first.file} has {len(first.categories)} categories, and a mask holds at most 254.")


def base_of(file: Path) -> Path:
    """The folder that images lie in or below."""
    return file.parent.parent if file.parent.name == "annotations" else file.parent


def word_of(file: Path) -> str:
    """`train2017` of instances_train2017.json."""
    return file.stem.removeprefix("instances_")


def fold_of(file: Path) -> int:
    """The fold that a file's name states; -1 for others."""
    return FOLD_NAMES.get(word_of(file).rstrip("0123456789").lower(), -1)


def pictures_of(found: Document, folder: Path, fold: int) -> list[Picture]:
    """The images of one file with their true sizes; InputError where one is missing or of another size than stated."""
    word = word_of(found.file)
    places = [folder / "images", folder / word, folder, folder / "images" / word]
    names = [str(image["file_name"]) for image in found.images]
    place = next((place for place in places if names and (place / names[0]).is_file()), folder)
    below = [inside(place.relative_to(folder), name, found.file) for name in names]
    missing = [folder / name for name in below if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{found.file} names {len(missing)} missing image{'s' * (len(missing) > 1)}, the first is {missing[0]}: "
            "copy them beside it or into images/."
        )
    sizes = in_threads(lambda name: header(folder / name)[:2], below, "reading image sizes")
    rows = [Row(folder / name, name, fold=fold) for name in below]
    pictures = []
    for row, (height, width), image in zip(rows, sizes, found.images, strict=True):
        stated = image.get("height", height), image.get("width", width)
        if stated != (height, width):
            raise InputError(
                f"{found.file} says that {row.file} has {stated[0]}x{stated[1]} pixels (height x width), and it has "
                f"{height}x{width}: annotate the images as they are."
            )
        pictures.append(Picture(row, (height, width), found.objects[image["id"]]))
    return pictures


def inside(place: Path, name: str, file: Path) -> str:
    """The path of an image from the set's folder; InputError for one that leads out of it."""
    path = PurePath(os.path.normpath(place / name))
    if path.is_absolute() or ".." in path.parts:
        raise InputError(f"{file} names the image {name}, which is not below its folder: name it from there.")
    return path.as_posix()


# --- what is annotated ------------------------------------------------------------------------------------------


def names_of(categories: Mapping[int, str]) -> list[str]:
    """Class names by rising id, without background and unknown."""
    return [name for id, name in sorted(categories.items()) if name != BACKGROUND and not is_nobody(id, name)]


def is_nobody(id: int, name: str) -> bool:
    """Whether a category is that of unknown pixels."""
    return (id, name) == (NOBODY["id"], NOBODY["name"])


def with_outlines(pictures: Sequence[Picture]) -> dict[str, str]:
    """The columns that need outlines with their dtypes, where any object has one."""
    there = any(found.get("segmentation") for picture in pictures for found in picture.objects)
    return {"mask": "uint8", "instances": "int32"} if there else {}


def numbered(objects: Sequence[Mapping[str, Any]], ours: bool) -> list[tuple[int, Mapping[str, Any]]]:
    """Objects with their numbers: 0 for crowds, 1, 2, ... in their order or, where ganaug wrote them, as written."""
    found, n = [], 0
    for each in objects:
        n += not each.get("iscrowd")
        found.append((0 if each.get("iscrowd") else int(each.get("instance", n)) if ours else n, each))
    return found


def boxes_of(pictures: Sequence[Picture], size: Size | None, fit: Fit, ours: bool) -> Float[ndarray, "n most 4"]:
    """Corners of every object's box, NaN where an image has fewer."""
    found = [[(n, each["bbox"]) for n, each in numbered(p.objects, ours) if n and each.get("bbox")] for p in pictures]
    most = max((n for boxes in found for n, _ in boxes), default=0)
    made = np.full((len(pictures), most, 4), np.nan, np.float32)
    for row, boxes in enumerate(found):
        for n, (x, y, width, height) in boxes:
            made[row, n - 1] = x, y, x + width, y + height
    return moved(made, [picture.size for picture in pictures], size, fit)


def maps_of(
    pictures: Sequence[Picture],
    categories: Mapping[int, str],
    classes: Sequence[str],
    size: Size | None,
    fit: Fit,
    ours: bool,
) -> tuple[Int[ndarray, "n h w"], Int[ndarray, "n h w"]]:
    """(masks uint8, instances int32) of all images."""
    value = {id: classes.index(name) for id, name in categories.items() if not is_nobody(id, name) and name in classes}
    ground = classes.index(BACKGROUND) if BACKGROUND in classes else UNKNOWN
    masks, instances = [], []
    for picture in pictures:
        try:
            found = numbered(picture.objects, ours)
            objects = [Object(value.get(each["category_id"], UNKNOWN), n, each) for n, each in found]
            mask, numbers = painted(objects, picture.size, ground)
        except (ValueError, TypeError, OverflowError, IndexError) as error:
            raise InputError(f"an outline in {picture.row.file} cannot be read: {error}.") from None
        masks.append(mask if size is None else nearest_to(mask, size, fit, UNKNOWN))
        instances.append(numbers if size is None else nearest_to(numbers, size, fit, 0))
    return np.stack(masks), np.stack(instances)
