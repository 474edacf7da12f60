# SPDX-License-Identifier: Apache-2.0
"""images/ beside masks/ of equal names, train/, val/ and test/ above or inside them or not: sets for segmentation.

The folders may have another usual name (img/ and labels/, JPEGImages/ and SegmentationClass/).

A mask holds class numbers (255 unknown), as grey values or palette indices; 0 and 255 alone mean background and
foreground; colours are classes too. `classes.txt` (a name a line) or `classes.csv` (name and value, or name, red,
green, blue) beside masks/ names them. `instances/` (numbers of single objects) and `valid/` (0 where there is no
data) may stand beside. Masks are resized to the nearest pixel, never blended.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from ganaug.data import manifest
from ganaug.data.batch import UNKNOWN
from ganaug.data.decode import decode_mask, header
from ganaug.data.errors import InputError
from ganaug.data.gather import stacked
from ganaug.data.image_set import ImageSet
from ganaug.data.names import FOLD_NAMES
from ganaug.data.readers import tables
from ganaug.data.readers.listing import Row, as_set, some, written_order
from ganaug.data.readers.walk import folders, has_images, image_names
from ganaug.data.sizes import Fit, Size, nearest_to
from ganaug.data.threads import in_threads

IMAGES = ("images", "image", "imgs", "img", "jpegimages")  # in any capitals
MASKS = (
    *("masks", "mask", "labels", "label", "segmentationclass", "segmentations", "segmentation"),
    *("annotations", "annotation", "groundtruth", "ground_truth", "gt"),
)
INSTANCES, VALID = ("instances",), ("valid",)
PADDING = -1  # a value of no mask file: what was added around a mask is unknown, even where 255 is a class
MOST_CLASSES = 64
ENDINGS = ("", "_mask", "_label", "_seg", "_segmentation", "_gt")  # of a mask's name behind its image's
LOSSY = (".jpg", ".jpeg")
SUFFIXES = (".png", ".tif", ".tiff", ".npy", ".bmp", *LOSSY)
NEARLY = 32  # levels between black or white and what a lossy format makes of it
MOST_BETWEEN = 0.05  # share of the pixels, along the edges, that may lie further from both


def recognise(path: Path) -> bool:
    """images/ beside masks/, here or in train/ and so on."""
    return bool(parts_of(path))


def parts_of(path: Path) -> list[tuple[Path, int]]:
    """Where images/ and masks/ lie, with the fold: here (-1) or in train/, val/ and test/."""
    if not path.is_dir():
        return []
    inner = [(part, FOLD_NAMES[part.name.lower()]) for part in folders(path) if part.name.lower() in FOLD_NAMES]
    return [(place, fold) for place, fold in ((path, -1), *inner) if has_masks(place)]


def has_masks(place: Path) -> bool:
    """Whether images/ and masks/ lie directly in a folder; under other names, masks/ must hold images."""
    maps = inside(place, MASKS)
    named = maps is not None and (maps.name == MASKS[0] or has_images(maps))
    return named and inside(place, IMAGES) is not None


def inside(place: Path, names: Sequence[str]) -> Path | None:
    """The folder of one of these names in a folder, one with images rather than one without."""
    found = {folder.name.lower(): folder for folder in folders(place)}
    there = [found[name] for name in names if name in found]
    return next((folder for folder in there if has_images(folder)), there[0] if there else None)


def images_in(part: Path) -> Path:
    """The folder of the images of a part."""
    found = inside(part, IMAGES)
    assert found is not None  # `parts_of` has looked
    return found


def read(path: Path, size: Size | None, fit: Fit) -> ImageSet:
    """Images with their masks as a set."""
    return from_parts(parts_of(path), path, size, fit)


def from_parts(parts: Sequence[tuple[Path, int]], path: Path, size: Size | None, fit: Fit) -> ImageSet:
    """The images and masks of some folders inside `path`, each with its fold, as one set."""
    rows = written_order(some([row for part, fold in parts for row in rows_of(part, fold, path)], path), path)
    masks = masks_of(rows, path)
    refuse_lonely_masks([part for part, _ in parts], masks)
    refuse_other_sizes(rows, masks, "mask")
    data = as_set(rows, path, size, fit)
    if data.image.shape[0] is None:
        raise InputError(f"the images of {path} have different sizes, and masks need one: pass --size 64.")
    found = codes([[mask] for mask in masks], size, fit, PADDING, "reading masks")
    mask, names = numbered(found, masks, path, [path, *(part for part, _ in parts)])
    return data.but(mask=mask, mask_classes=names, **beside(rows, path, size, fit))


def rows_of(part: Path, fold: int, path: Path) -> list[Row]:
    """The images of one part; a table beside them, or above all parts, tells labels, folds and groups."""
    table = next((place for place in (part, path) if tables.recognise(place)), None)
    named = {row.name: row for row in tables.rows(table)} if table else {}
    found, images = [], images_in(part)
    folds = {folder.name: FOLD_NAMES.get(folder.name.lower(), -1) for folder in folders(images)}
    inner = folds if -1 not in folds.values() else {}  # images/train/ and so on
    for file in map(Path, image_names(images)):
        names = [os.path.relpath(file, above).replace(os.sep, "/") for above in (images, part, path)]
        known = next((named[name] for name in names if name in named), Row(file, names[-1]))
        own = fold if fold >= 0 else inner.get(names[0].split("/")[0], known.fold)
        found.append(Row(file, names[-1], known.label, own, known.values))
    return found


def companions(rows: Sequence[Row], path: Path, folders: Sequence[str]) -> list[Path | None]:
    """The files that stand for images in another folder beside images/; None where there is none."""
    places: dict[Path, Path | None] = {}
    found = []
    for row in rows:
        name = Path(row.name)
        at = next(k for k, part in enumerate(name.parts) if part.lower() in IMAGES)
        above = path.joinpath(*name.parts[:at])
        if above not in places:
            places[above] = inside(above, folders)
        found.append(companion(name, places[above], name.parts[at + 1 : -1]))
    return found


def companion(name: Path, folder: Path | None, inner: Sequence[str]) -> Path | None:
    """The file of an image's name, or with one of ENDINGS behind it, in folders inside another folder."""
    if folder is None:
        return None
    suffixes = dict.fromkeys((name.suffix, *SUFFIXES, *map(str.upper, SUFFIXES)))
    files = (folder.joinpath(*inner, f"{name.stem}{end}{suffix}") for end in ENDINGS for suffix in suffixes)
    return next((file for file in files if file.is_file()), None)


def masks_of(rows: Sequence[Row], path: Path) -> list[Path]:
    """The mask of each image; InputError when there is none."""
    found = companions(rows, path, MASKS)
    for row, file in zip(rows, found, strict=True):
        if file is None:
            raise InputError(
                f"the image {path / row.name} has no mask {Path(row.name).stem}.png in {MASKS[0]}/: add it or remove "
                "the image."
            )
    return found  # type: ignore[return-value]


def refuse_lonely_masks(parts: Sequence[Path], masks: Sequence[Path]) -> None:
    """InputError for a mask without an image."""
    used = set(masks)
    for part in parts:
        maps = inside(part, MASKS)
        alone = next((file for file in map(Path, image_names(maps) if maps else ()) if file not in used), None)
        if alone is not None:
            raise InputError(
                f"the mask {alone} has no image of its name in {images_in(part)}: add it or remove the mask."
            )


def refuse_other_sizes(rows: Sequence[Row], maps: Sequence[Path], what: str) -> None:
    """InputError when a mask or another map has another size than its image."""
    pairs = [(row.file, file) for row, file in zip(rows, maps, strict=True)]
    sizes = in_threads(lambda pair: [header(file)[:2] for file in pair], pairs, "comparing sizes")
    for (image, file), (ours, theirs) in zip(pairs, sizes, strict=True):
        if ours != theirs:
            raise InputError(
                f"the {what} {file} has {theirs[0]}x{theirs[1]} pixels (height x width), its image {image} "
                f"{ours[0]}x{ours[1]}: they must be equal."
            )


def codes(
    files: Sequence[Sequence[Path]], size: Size | None, fit: Fit, outside: int, title: str
) -> Int[ndarray, "n h w"]:
    """The numbers that mask files hold, colours as 0xRRGGBB + 2^24; `outside` where padding was added.

    Of several masks of one image the largest number counts: what any of them marks is marked.
    """

    def one(of: Sequence[Path]) -> ndarray:
        found = np.maximum.reduce([numbers_in(file) for file in of])
        return found if size is None else nearest_to(found, size, fit, outside)

    found = iter(in_threads(one, files, title))
    first = next(found)
    return stacked(chain([first], found), (len(files), *first.shape), first.dtype)


def numbers_in(file: Path) -> Int[ndarray, "h w"]:
    """The numbers of one file; a black and white mask in a lossy format is black and white again."""
    found = decode_mask(file)
    if file.suffix.lower() not in LOSSY:
        return found
    channels = (found >> np.array([16, 8, 0])[:, None, None]) & 255 if found.max() > UNKNOWN else found[None]
    between = (np.minimum(channels, UNKNOWN - channels) > NEARLY).any(0) | (np.ptp(channels, 0) > NEARLY)
    return np.where(channels[0] > UNKNOWN // 2, UNKNOWN, 0) if between.mean() <= MOST_BETWEEN else found


def beside(rows: Sequence[Row], path: Path, size: Size | None, fit: Fit) -> dict[str, ndarray]:
    """The columns `instances` and `valid`, where there are such files; InputError where one is missing."""
    written, found = manifest.read(path), {}
    for (name,), dtype in ((INSTANCES, "int32"), (VALID, "bool")):
        files = companions(rows, path, (name,))
        there = [file for file in files if file is not None]
        if not there:
            continue
        if len(there) < len(rows):
            raise InputError(
                f"the image {path / rows[files.index(None)].name} has no file of its name in {name}/, and others "
                f"have: add it or remove {name}/."
            )
        refuse_other_sizes(rows, there, "map")
        dtype = written.facts["columns"].get(name, dtype) if written else dtype
        found[name] = codes([[file] for file in there], size, fit, 0, f"reading {name}").astype(dtype)
    return found


# --- what the numbers mean --------------------------------------------------------------------------------------


def numbered(
    found: Int[ndarray, "n h w"], files: Sequence[Path], path: Path, places: Sequence[Path]
) -> tuple[Int[ndarray, "n h w"], tuple[str, ...]]:
    """(masks uint8 of 0..K-1 and 255, names [K]); InputError for values that no class has."""
    values = np.unique(np.concatenate([np.unique(mask) for mask in found]))
    held = values[(values != UNKNOWN) & (values != PADDING)]
    named = declared(places, values) or guessed(held, UNKNOWN in values, path)
    known = {PADDING: UNKNOWN, UNKNOWN: UNKNOWN, **{value: k for k, value in enumerate(named.values())}}
    foreign = next((value for value in values.tolist() if value not in known), None)
    if foreign is not None:
        row = int((found == foreign).any((1, 2)).argmax())
        raise InputError(
            f"the mask {files[row]} holds {shown(foreign)}, which is none of the {len(named)} classes "
            f"({', '.join(f'{name}: {shown(value)}' for name, value in list(named.items())[:6])}): correct it."
        )
    table = np.array([known[value] for value in values.tolist()], np.uint8)
    mask = np.empty(found.shape, np.uint8)
    for row, numbers in enumerate(found):  # one at a time: positions take eight bytes a pixel
        mask[row] = table[np.searchsorted(values, numbers)]
    return mask, tuple(named)


def declared(places: Sequence[Path], values: Int[ndarray, " v"]) -> Mapping[str, int]:
    """Class name -> value as a folder says: what ganaug wrote, classes.txt or classes.csv; {} without any."""
    for place in places:
        written = manifest.read(place)
        if written is not None and written.facts.get("mask_classes"):
            return {name: k for k, name in enumerate(written.facts["mask_classes"])}
        for file, read_names in ((place / "classes.txt", from_lines), (place / "classes.csv", from_table)):
            named = read_names(file, values) if file.is_file() else {}
            if len(named) > UNKNOWN:
                raise InputError(f"{file} names {len(named)} classes, and a mask holds at most {UNKNOWN}.")
            if named:
                return named
    return {}


def from_lines(file: Path, values: Int[ndarray, " v"]) -> Mapping[str, int]:
    """Class name -> its line's number; two names for masks of 0 and 255 alone are background and foreground."""
    try:
        names = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is no readable text ({error}): save it as UTF-8.") from None
    two = len(names) == 2 and UNKNOWN in values and set(values.tolist()) <= {0, UNKNOWN, PADDING}
    return dict(zip(names, (0, UNKNOWN) if two else range(len(names)), strict=True))


def from_table(file: Path, values: Int[ndarray, " v"]) -> Mapping[str, int]:
    """Class name -> value from rows of name and value, or name, red, green and blue."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            lines = [{str(k).strip().lower(): v for k, v in line.items()} for line in csv.DictReader(text)]
        if lines and "value" in lines[0]:
            return {line["name"].strip(): int(line["value"]) for line in lines}
        return {line["name"].strip(): colour(*(int(line[c]) for c in ("red", "green", "blue"))) for line in lines}
    except (KeyError, ValueError, TypeError, AttributeError):
        raise InputError(f"{file} needs the columns name and value, or name, red, green and blue.") from None


def guessed(values: Int[ndarray, " v"], unknown: bool, path: Path) -> Mapping[str, int]:
    """Class name -> value from the values alone; InputError when they are no class numbers."""
    if unknown and values.tolist() == [0]:
        return {"background": 0, "foreground": UNKNOWN}
    if len(values) and values.min() >= 2**24 and len(values) <= MOST_CLASSES:
        return {shown(value): value for value in values.tolist()}
    if len(values) and values.max() >= MOST_CLASSES:
        raise InputError(
            f"the masks of {path} hold {len(values)} different values up to {shown(int(values.max()))}, and class "
            "numbers 0, 1, 2, ... are needed: save them as PNG, or name the values in classes.csv (name, value)."
        )
    return {str(k): k for k in range(int(values.max(initial=0)) + 1)}


def colour(red: int, green: int, blue: int) -> int:
    """The number that stands for a colour of 0..255 each."""
    return 2**24 + (red << 16) + (green << 8) + blue


def shown(value: int) -> str:
    """A value as people write it: 7, or #ff0000."""
    return f"#{value - 2**24:06x}" if value >= 2**24 else str(value)
