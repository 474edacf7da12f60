# SPDX-License-Identifier: Apache-2.0
"""Re-identification sets: training, query and gallery images of persons or vehicles, in the layouts of their papers.

The columns are identity, camera, query and fold: identity -1 is junk and stays in the gallery, 0 is a distractor
(Market-1501), query is True for test images that ask. Layouts without distractors that count identities from 0
(MSMT17) are shifted by one, so that 0 means nothing else. There are no classes: training and test identities differ.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ganaug.data import manifest
from ganaug.data.decode import is_image
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.readers import identity_lists
from ganaug.data.readers.identity_names import (
    FOLD,
    MARKET,
    PYTORCH,
    VERI,
    Found,
    Names,
    camera_of,
    identity_and_camera,
    refuse_shared,
)
from ganaug.data.readers.listing import Row, as_set
from ganaug.data.readers.walk import entries, folders
from ganaug.data.sizes import Fit

MARKET_PARTS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
VERI_PARTS = {"train": "image_train", "query": "image_query", "gallery": "image_test"}
CUHK03 = ("detected", "labeled")  # boxes of a detector, boxes by hand
MULTI_QUERY = "gt_bbox"
NEEDED = ("train", "query", "gallery")


def recognise(path: Path) -> bool:
    """A folder in one of the layouts below."""
    return path.is_dir() and any(known(path) for known, _ in LAYOUTS)


def read(path: Path, size: tuple[int, int] | None, fit: Fit) -> ImageSet:
    """The set with identities, cameras (None for layouts without), folds and queries; InputError in one sentence.

    An identity in both parts is refused, a query without a match in the gallery is not: evaluation counts those.
    """
    images = next(rows for known, rows in LAYOUTS if known(path))(path)
    for part in NEEDED if not (is_ours(path) or is_multi_query(path)) else ():
        if not any(image.part == part for image in images):
            raise InputError(f"{path} has no {part} images: training, query and gallery images are needed.")
    return checked(with_queries(as_set(rows_of(images, path), path, size, fit), images), path)


def rows_of(images: Sequence[Found], path: Path) -> list[Row]:
    """What was found, as the rows of a set."""
    return [
        Row(path / image.name, image.name, None, FOLD[image.part], values_of(image.identity, image.camera))
        for image in images
    ]


def values_of(identity: int, camera: int | None) -> dict[str, str]:
    """The columns of a row as texts."""
    return {"identity": str(identity)} | ({} if camera is None else {"camera": str(camera)})


def with_queries(data: ImageSet, images: Sequence[Found]) -> ImageSet:
    """The set with its column `query`, where it has test images and no manifest has said so already."""
    if data.query is not None or data.fold is None or not (data.fold == FOLD["query"]).any():
        return data
    asks = {image.name for image in images if image.part == "query"}
    assert data.origin is not None
    return data.but(query=np.array([json.loads(text)["file"] in asks for text in data.origin]))


def checked(data: ImageSet, path: Path) -> ImageSet:
    """The set, once no identity is in both parts."""
    if data.identity is not None and data.fold is not None and data.query is not None:
        refuse_shared(data.identity, data.fold, data.query, path)
    return data


def is_ours(path: Path) -> bool:
    """Whether ganaug wrote the folder: generated images alone have a training part only."""
    return (path / manifest.SET).is_file()


# --- Market-1501, DukeMTMC-reID, CUHK03-NP, VeRi-776: a folder a part ---------------------------------------------


def is_market(path: Path) -> bool:
    """bounding_box_train/ or bounding_box_test/; `query` alone could be anything."""
    return any((path / MARKET_PARTS[part]).is_dir() for part in ("train", "gallery"))


def market(path: Path) -> list[Found]:
    """Market-1501 (Zheng et al., ICCV 2015), DukeMTMC-reID and CUHK03-NP: identity and camera in the name.

    gt_bbox/ holds further images of queries, which are never searched; `load` reads it as a set of its own.
    """
    return in_folders(path, MARKET_PARTS, MARKET)


def is_multi_query(path: Path) -> bool:
    """gt_bbox/ of Market-1501, given itself."""
    return path.resolve().name == MULTI_QUERY


def multi_query(path: Path) -> list[Found]:
    """Hand-drawn boxes of Market-1501, all of them asking: averaged by identity and camera for multi-query scores."""
    return in_folders(path, {"query": ""}, MARKET)


def is_cuhk03(path: Path) -> bool:
    """The folder above detected/ or labeled/."""
    return any(is_market(path / boxes) for boxes in CUHK03)


def cuhk03(path: Path) -> list[Found]:
    """CUHK03 with the new protocol (Zhong et al., CVPR 2017); InputError when both kinds of boxes are there."""
    found = [boxes for boxes in CUHK03 if is_market(path / boxes)]
    if len(found) > 1:
        raise InputError(f"{path} holds detected/ and labeled/, the same persons twice: give one of the two folders.")
    return [image._replace(name=f"{found[0]}/{image.name}") for image in market(path / found[0])]


def is_veri(path: Path) -> bool:
    """Two of image_train/, image_query/ and image_test/."""
    return sum((path / folder).is_dir() for folder in VERI_PARTS.values()) > 1


def veri(path: Path) -> list[Found]:
    """VeRi-776 (Liu et al., ECCV 2016): vehicles, identity and three-digit camera in the name."""
    return in_folders(path, VERI_PARTS, VERI)


def in_folders(path: Path, parts: Mapping[str, str], names: Names) -> list[Found]:
    """Every image of the parts, each a flat folder."""
    there = [(part, name) for part, name in parts.items() if (path / name).is_dir() or not is_ours(path)]
    return [
        Found(f"{name}/{file.name}" if name else file.name, *identity_and_camera(file, names), part)
        for part, name in there
        for file in images_in(path / name)
    ]


def images_in(folder: Path) -> Iterator[Path]:
    """The images directly in a folder; InputError when it is missing or has none."""
    if not folder.is_dir():
        raise missing(folder)
    found = [folder / entry.name for entry in entries(folder) if is_image(entry.name) and entry.is_file()]
    if not found:
        raise InputError(f"{folder} holds no images: copy this part of the set again.")
    yield from found


def missing(folder: Path) -> InputError:
    """The sentence for a part that is not there."""
    return InputError(
        f"{folder.parent} has no folder {folder.name}/: training, query and gallery images are needed; "
        "copy the missing part."
    )


# --- pytorch/: a folder an identity -------------------------------------------------------------------------------


def pytorch_place(path: Path) -> Path | None:
    """The folder with query/ and gallery/ in it: pytorch/ or, where both and a training part are there, any other."""
    inner = path if path.resolve().name == "pytorch" else path / "pytorch"
    if any((inner / part).is_dir() for part in ("query", "gallery")):
        return inner
    whole = (path / "query").is_dir() and (path / "gallery").is_dir()
    return path if whole and any((path / name).is_dir() for name in ("train", "train_all")) else None


def is_pytorch(path: Path) -> bool:
    """pytorch/{train or train_all, query, gallery}, or these directly."""
    return pytorch_place(path) is not None


def pytorch(path: Path) -> list[Found]:
    """The layout that scripts of LSRO and DG-Net prepare: the folder is the identity, `c12` in the name the camera.

    train_all/ is train/ and val/ together, and is taken where it is there.
    """
    place = pytorch_place(path)
    assert place is not None
    above = "" if place == path else f"{place.name}/"
    train = "train_all" if (place / "train_all").is_dir() else "train"
    return [
        Found(f"{above}{folder}/{kind.name}/{file.name}", identity_of(kind), camera_of(file, PYTORCH), part)
        for part, folder in (("train", train), ("query", "query"), ("gallery", "gallery"))
        for kind in identities_in(place / folder)
        for file in images_in(kind)
    ]


def identities_in(part: Path) -> list[Path]:
    """The folders of a part, one an identity; InputError when there is none."""
    if not part.is_dir():
        raise missing(part)
    found = folders(part)
    if not found:
        raise InputError(f"{part} holds no images: a folder an identity is needed, such as {part.name}/0002/.")
    return found


def identity_of(folder: Path) -> int:
    """The number that a folder is called; InputError when it is none."""
    if not (folder.name.removeprefix("-").isdecimal() and folder.name.isascii()):
        raise InputError(f"the folder {folder} is no identity: expected a number as its name, such as 0002; rename it.")
    return int(folder.name)


LAYOUTS: tuple[tuple[Callable[[Path], bool], Callable[[Path], list[Found]]], ...] = (
    (is_multi_query, multi_query),
    (is_market, market),
    (is_cuhk03, cuhk03),
    (is_veri, veri),
    (identity_lists.is_msmt17, identity_lists.msmt17),
    (identity_lists.is_veri_wild, identity_lists.veri_wild),
    (identity_lists.is_vehicle_id, identity_lists.vehicle_id),
    (is_pytorch, pytorch),
)
