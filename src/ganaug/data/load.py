# SPDX-License-Identifier: Apache-2.0
"""`load`: whatever a user points at, as an ImageSet."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ganaug.data.embedded import DRAWN, EMBEDDED
from ganaug.data.errors import InputError
from ganaug.data.image_set import FOLDS, ImageSet
from ganaug.data.readers import (
    arrays,
    class_folders,
    coco,
    domains,
    geotiff,
    identities,
    marked_masks,
    masks,
    pairs,
    sen12ms,
    shards,
    tables,
)
from ganaug.data.readers.walk import folders, tell_of_unread
from ganaug.data.sizes import Fit, as_size, resized_set
from ganaug.data.tiles import in_tiles, tiled

Source = ImageSet | str | os.PathLike
Recognise = Callable[[Path], bool]
Read = Callable[[Path, tuple[int, int] | None, Fit], ImageSet]

# The first layout that recognises a path reads it.
LAYOUTS: tuple[tuple[Recognise, Read], ...] = (
    (arrays.recognise, arrays.read),
    (shards.recognise, shards.read),
    (sen12ms.recognise, sen12ms.read),
    (geotiff.recognise, geotiff.read),
    (masks.recognise, masks.read),
    (pairs.recognise, pairs.read),
    (domains.recognise, domains.read),
    (coco.recognise, coco.read),
    (tables.recognise, tables.read),
    (marked_masks.recognise_objects, marked_masks.read_objects),
    (marked_masks.recognise, marked_masks.read),
    (identities.recognise, identities.read),
    (geotiff.recognise_classes, geotiff.read_classes),
    (class_folders.recognise_wrapped, lambda path, size, fit: from_path(folders(path)[0], size, fit)),
    (class_folders.recognise, class_folders.read),
    (class_folders.recognise_flat, class_folders.read_flat),
)
ARCHIVES = (".zip", ".7z", ".rar", ".gz", ".tgz", ".xz", ".bz2")
NOT_OF_A_POOL = (
    *("label", "soft_label", "mask", "instances", "boxes", "keypoints", "depth", "attributes", "identity", "fold"),
)


def load(
    source: Source,
    *,
    size: int | tuple[int, int] | None = None,
    fit: Fit = "resize",
    tiles: int | None = None,
    unlabelled: Source | None = None,
    name: str | None = None,
) -> ImageSet:
    """An image set from an ImageSet, an embedded name or a path.

    Paths: class folders (also below train/, val/, test/, or all inside one more folder), `.npz` (also train.npz and
    test.npz in a folder), a CSV or metadata.jsonl beside images (`readers.tables`), WebDataset tars, images/ beside
    masks/ (`readers.masks`), masks with their images (`readers.marked_masks`), COCO annotations (`readers.coco`),
    pairs (`readers.pairs`: A/ and B/ with equal names, B is `views["b"]`), two kinds of images (`readers.domains`:
    trainA/ and trainB/, B is `others["b"]`), a plain folder of images, georeferenced TIFF in class folders, beside
    a table, beside masks or alone (`readers.geotiff`; needs rasterio), SEN12MS (`readers.sen12ms`), and the re-
    identification layouts of `readers.identities` (Market-1501, MSMT17, VeRi and others), whose sets have
    identities instead of labels. `size` (pixels, or height and width) brings all images to one size: `fit="resize"`
    squeezes them, `"pad"` keeps their shape and adds zeros (to rasters, pixels that are not valid); masks, boxes,
    keypoints, views and places move along. `tiles` then cuts each into squares of that many pixels, which stay
    together in splits (`data.tiles`). The images of `unlabelled`, any such source, become `others["unlabelled"]`;
    labels there are dropped, and images of its test fold left out.

    A text that is the name of an embedded set means that set, `./NAME` and a Path mean a folder.

    Raises InputError for everything that cannot be read, naming the file.
    """
    sides = as_size(size, fit)
    data = resized_set(source, sides, fit) if isinstance(source, ImageSet) else from_name(source, sides, fit)
    if name is not None:
        data = data.but(name=name)
    if tiles is not None:
        data = tiled(data, tiles)
    if unlabelled is None:
        return data
    more = learnable(load(unlabelled, size=size, fit=fit), unlabelled)
    more = more if tiles is None else in_tiles(more, tiles)
    return data.but(others={**data.others, "unlabelled": pool(more, data, unlabelled)})


def from_name(source: str | os.PathLike, size: tuple[int, int] | None, fit: Fit) -> ImageSet:
    """A set by its embedded name or its path; InputError for a name that is both."""
    path = Path(source).expanduser()
    if isinstance(source, str) and source in EMBEDDED:
        if path.exists():
            raise InputError(
                f"'{source}' is an embedded set, and {path.resolve()} exists too: write ./{source} for what lies "
                "there, or rename it to use the embedded set."
            )
        if source in DRAWN and size is not None:
            return EMBEDDED[source](size=size)
        return resized_set(EMBEDDED[source](), size, fit)
    if not path.exists():
        raise InputError(
            f"there is no file or folder '{source}', and no embedded set of that name: "
            f"give a path or one of {', '.join(sorted(EMBEDDED))}."
        )
    if path.suffix.lower() in ARCHIVES:
        raise InputError(f"{path} is an archive: unpack it, and give the folder.")
    if path.is_dir():
        tell_of_unread(path)
    return from_path(path, size, fit).but(name=place_of(path).stem)


def from_path(path: Path, size: tuple[int, int] | None, fit: Fit) -> ImageSet:
    """What lies at a path, in the first layout that recognises it."""
    for recognise, read in LAYOUTS:
        if recognise(path):
            return read(path, size, fit)
    raise InputError(
        f"{path} is no image set: a folder of class folders, .npz, .csv, .jsonl, .tar or an image is needed."
    )


def place_of(path: Path) -> Path:
    """What a set is named after: the file or folder, but the folder of a table that has one of the usual names."""
    full = path.resolve()
    return full.parent if full.name in tables.NAMES else full


def learnable(images: ImageSet, source: Source) -> ImageSet:
    """The images that may be learnt from: all but those of a test fold; InputError where none is left."""
    if images.fold is None:
        return images
    kept = images.select(images.fold != FOLDS.index("test"))
    if not len(kept):
        raise InputError(f"the unlabelled images {source} are all of a test fold: give images to learn from.")
    return kept


def pool(images: ImageSet, data: ImageSet, source: Source) -> ImageSet:
    """Further images without their labels, scaled as the set they stand beside.

    Raises InputError when their size, channels or dtype differ from the set's.
    """
    ours, theirs = ((*s.image.shape, s.image.dtype) for s in (data, images))
    if ours != theirs:
        raise InputError(
            f"the unlabelled images {source} are {described(images)}, the labelled ones {described(data)}: "
            "they must be alike; --size brings both to one size."
        )
    return images.but(
        **dict.fromkeys(NOT_OF_A_POOL), classes=(), mask_classes=(), attribute_names=(), scaling=data.scaling
    )


def described(data: ImageSet) -> str:
    """`28x28x1 uint8`."""
    height, width, channels = data.image.shape
    return f"{height or 'mixed'}x{width or 'sizes'}x{channels} {data.image.dtype}"
