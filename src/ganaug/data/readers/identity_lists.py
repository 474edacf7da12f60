# SPDX-License-Identifier: Apache-2.0
"""Re-identification sets whose parts are lists in text files: MSMT17, VERI-Wild and VehicleID."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ganaug.data.errors import InputError
from ganaug.data.readers.identity_names import MSMT17, Found, camera_of
from ganaug.data.readers.walk import entries

SPLIT = "train_test_split"
IMAGE_AND_IDENTITY = re.compile(r"(\S.*?)\s+(\d+)", re.ASCII)
IDENTITY_AND_IMAGE = re.compile(r"(\d+)/([^/\s]+)", re.ASCII)
IMAGE_AND_CAMERA = re.compile(r"([^;]+/[^;]+);\s*(\d+)(?:;.*)?", re.ASCII)
MSMT17_FOLDERS = {"train": ("train", "mask_train_v2"), "test": ("test", "mask_test_v2")}  # version 1, version 2


def is_msmt17(path: Path) -> bool:
    """list_query.txt or list_gallery.txt."""
    return (path / "list_query.txt").is_file() or (path / "list_gallery.txt").is_file()


def msmt17(path: Path) -> list[Found]:
    """MSMT17 (Wei et al., CVPR 2018), both versions: a line is an image and its identity.

    Training and test identities both start at 0. Training identities are shifted by one, so that none is 0, and test
    identities go on after the last of them: k of the list is k + 1, and k + 1 + the number of training identities.
    list_val.txt, further images of the training identities, is the fold "val"; published scores train without it.
    """
    train, test = (folder_of(path, part) for part in MSMT17_FOLDERS)
    learnt = of_msmt17(path, "list_train.txt", train, "train")
    if (path / "list_val.txt").is_file():
        learnt += of_msmt17(path, "list_val.txt", train, "val")
    tested = of_msmt17(path, "list_query.txt", test, "query") + of_msmt17(path, "list_gallery.txt", test, "gallery")
    return [*shifted(learnt, 1), *shifted(tested, 2 + max(image.identity for image in learnt))]


def shifted(images: Sequence[Found], by: int) -> Iterator[Found]:
    """The same images under larger identities."""
    return (image._replace(identity=image.identity + by) for image in images)


def of_msmt17(path: Path, name: str, folder: str, part: str) -> list[Found]:
    """The images of one list."""
    pairs = matches(path / name, IMAGE_AND_IDENTITY, "0000/0000_000_01_0303morning_0015_0.jpg 0")
    found = [
        Found(f"{folder}/{image}", int(identity), camera_of(path / folder / image, MSMT17), part)
        for image, identity in pairs
    ]
    return existing(found, path, path / name)


def folder_of(path: Path, part: str) -> str:
    """The folder of the training or test images; InputError when there is none."""
    names = MSMT17_FOLDERS[part]
    found = next((name for name in names if (path / name).is_dir()), None)
    if found is None:
        raise InputError(f"{path} has no folder {names[0]}/ or {names[1]}/, which its lists speak of: copy it there.")
    return found


def is_veri_wild(path: Path) -> bool:
    """images/ beside train_test_split/."""
    return (path / "images").is_dir() and (path / SPLIT).is_dir()


def veri_wild(path: Path) -> list[Found]:
    """VERI-Wild (Lou et al., CVPR 2019): lists of vehicle/image, cameras in vehicle_info.txt.

    Of the test sets of 3000, 5000 and 10000 vehicles the smallest that is there is read; its queries are taken out
    of its gallery where both lists name them.
    """
    test = smallest(path / SPLIT, r"test_(\d+)\.txt", "test_3000.txt")
    camera = cameras(path)
    query = of_veri_wild(path, test.with_name(f"{test.stem}_query.txt"), camera, "query")
    asked = {image.name for image in query}
    gallery = [image for image in of_veri_wild(path, test, camera, "gallery") if image.name not in asked]
    return [*of_veri_wild(path, path / SPLIT / "train_list.txt", camera, "train"), *query, *gallery]


def of_veri_wild(path: Path, list_: Path, camera: dict[str, int], part: str) -> list[Found]:
    """The images of one list; InputError for one without a camera."""
    found = []
    for identity, image in matches(list_, IDENTITY_AND_IMAGE, "00001/000001"):
        name = f"{identity}/{image}"
        if name not in camera:
            raise InputError(f"{list_} names {name}, but vehicle_info.txt has no camera for it: add its line there.")
        found.append(Found(f"images/{name}.jpg", int(identity), camera[name], part))
    return existing(found, path, list_)


def cameras(path: Path) -> dict[str, int]:
    """Camera by vehicle/image, from vehicle_info.txt beside the lists or above them; its first line is a header."""
    info = next((p for p in (path / SPLIT, path) if (p / "vehicle_info.txt").is_file()), path / SPLIT)
    pairs = matches(info / "vehicle_info.txt", IMAGE_AND_CAMERA, "00001/000001;3;2018-03-01", header=True)
    return {image: int(camera) for image, camera in pairs}


def is_vehicle_id(path: Path) -> bool:
    """image/ beside train_test_split/."""
    return (path / "image").is_dir() and (path / SPLIT).is_dir()


def vehicle_id(path: Path) -> list[Found]:
    """PKU VehicleID (Liu et al., CVPR 2016): a line is an image and its vehicle; no cameras.

    Of the test sets of 800, 1600, 2400 and more vehicles the smallest that is there is read. The paper searches one
    image a vehicle, drawn anew ten times; here it is the first in the list, and the vehicle's other images ask.
    """
    tested, seen = [], set()
    for image in of_vehicle_id(path, smallest(path / SPLIT, r"test_list_(\d+)\.txt", "test_list_800.txt"), "query"):
        tested.append(image if image.identity in seen else image._replace(part="gallery"))
        seen.add(image.identity)
    return [*of_vehicle_id(path, path / SPLIT / "train_list.txt", "train"), *tested]


def of_vehicle_id(path: Path, list_: Path, part: str) -> list[Found]:
    """The images of one list."""
    pairs = matches(list_, IMAGE_AND_IDENTITY, "0000001 1234")
    return existing([Found(f"image/{image}.jpg", int(vehicle), None, part) for image, vehicle in pairs], path, list_)


# --- what all lists need ------------------------------------------------------------------------------------------


def smallest(folder: Path, pattern: str, example: str) -> Path:
    """The list with the smallest number in its name; InputError when there is none."""
    found = [(int(name[1]), entry.name) for entry in entries(folder) if (name := re.fullmatch(pattern, entry.name))]
    if not found:
        raise InputError(f"{folder} has no list of test images such as {example}: copy it there.")
    return folder / min(found)[1]


def matches(list_: Path, pattern: re.Pattern[str], example: str, header: bool = False) -> list[tuple[str, str]]:
    """The two values of each line, empty lines and a header left out; InputError for a line that is another kind."""
    found = []
    for number, line in enumerate(lines(list_)):
        values = pattern.fullmatch(line.strip())
        if values is not None:
            found.append((values[1], values[2]))
        elif line.strip() and not (header and number == 0):
            raise InputError(f"line {number + 1} of {list_} is '{line.strip()[:60]}': expected one like '{example}'.")
    if not found:
        raise InputError(f"{list_} names no images: copy this part of the set again.")
    return found


def lines(list_: Path) -> list[str]:
    """The lines of a text file; InputError when it is missing or may not be read."""
    try:
        return list_.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    except FileNotFoundError:
        raise InputError(f"{list_.parent} has no {list_.name}, which lists a part of the set: copy it there.") from None
    except PermissionError:
        raise InputError(f"{list_} may not be read (permission denied): change its permissions.") from None


def existing(images: list[Found], path: Path, list_: Path) -> list[Found]:
    """The images; InputError names the first that is missing and how many are."""
    missing = [image for image in images if not (path / image.name).is_file()]
    if missing:
        raise InputError(
            f"{list_} names {len(missing)} missing image{'s' * (len(missing) > 1)}, the first is "
            f"{path / missing[0].name}: copy them or remove their lines."
        )
    return images
