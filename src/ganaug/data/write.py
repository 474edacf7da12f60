# SPDX-License-Identifier: Apache-2.0
"""`write`: a set as files, in five layouts that other tools know, each with a manifest that gives it back equal."""

from __future__ import annotations

import csv
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from ganaug.data import manifest
from ganaug.data.atomic import atomic_folder
from ganaug.data.encode import encoded, suffix_for
from ganaug.data.errors import InputError
from ganaug.data.image_set import FOLDS, ImageSet
from ganaug.data.names import UNKNOWN, folder_names
from ganaug.data.pixels import ArrayPixels
from ganaug.data.threads import in_threads
from ganaug.data.write_coco import document
from ganaug.data.write_geotiff import write_geotiff
from ganaug.data.write_identities import market_files

HELD = {"geotiff": ("mask", "valid"), "coco": ("mask", "instances")}  # pixelwise columns of other formats
CELLS = ("group", "identity", "camera", "domain")  # columns of labels.csv beside file, label and fold
MAPS = {"mask": "masks", "instances": "instances", "valid": "valid"}  # columns that are folders beside images/
A_SHARD = 10_000  # images a tar
A_PIECE = 1_024  # images of an array written at a time


def write(data: ImageSet, folder: str | os.PathLike, format: str = "folder", *, overwrite: bool = False) -> Path:
    """Writes a set into a new or empty folder and returns its path; `load` of that folder gives an equal set.

    `format`: "folder" (class folders or, for a set with masks, images/ beside masks/ and instances/; below train/, val/
    and test/ where the set states folds), "npz" (one images.npz), "csv" (images/ and labels.csv), "webdataset" (tars),
    for sets with identities "market" (bounding_box_train/, query/ and bounding_box_test/), "geotiff" (a GeoTIFF an
    image, with its place where it has one: `data.write_geotiff`; needs rasterio) or "coco" (images/ and
    annotations.json with boxes and run lengths). Every format adds manifest.jsonl (a
    line an image: file, label, columns, and the system, version, seed and label policy that made it) and ganaug.json
    (class names, bands, scaling). Images are PNG or, for other kinds of numbers and bands, TIFF; both without loss.
    The folder appears only when it is complete. Views and `others` are sets of their own: write them apart.

    Raises InputError when the folder holds other content, when a layout cannot hold the set, and when the disk is
    full. `overwrite` replaces a folder that ganaug wrote, and no other.
    """
    target = Path(folder).expanduser().resolve()
    refuse(data, format)
    if overwrite and target.is_dir() and any(target.iterdir()) and not (target / manifest.SET).is_file():
        raise InputError(f"the output folder {target} was not written by ganaug and stays: choose another folder.")
    with atomic_folder(target, replace=overwrite) as part:
        manifest.write(data, FORMATS[format](data, part), part)
    return target


def refuse(data: ImageSet, format: str) -> None:
    """InputError when a format is unknown or cannot hold a set."""
    if format not in FORMATS:
        raise InputError(f"the format must be one of {', '.join(FORMATS)}, found '{format}'.")
    if not len(data):
        raise InputError("there are no images to write: the set is empty.")
    if len(set(data.classes)) < len(data.classes):
        raise InputError(f"two classes have the same name: {', '.join(data.classes)}; rename one.")
    if data.views:
        raise InputError(f"the set has a view '{next(iter(data.views))}', which no format holds: write it apart.")
    if format == "npz" and None in data.image.shape:
        raise InputError("images of mixed sizes do not fit one array: use the format 'folder', or --size 64.")
    held = HELD.get(format, MAPS if format == "folder" and data.mask is not None else ())
    if format == "folder" and data.instances is not None and data.instances.max(initial=0) >= 2**16:
        raise InputError(f"the format '{format}' holds instances up to 65535, found {data.instances.max()}: use 'npz'.")
    pixelwise = [name for name, _ in data.columns() if name in manifest.PIXELWISE and name not in held]
    if format != "npz" and pixelwise:
        raise InputError(f"the set has a column '{pixelwise[0]}', which only the format 'npz' holds.")


def write_folder(data: ImageSet, folder: Path) -> list[str]:
    """CLASS/000000.png, below its fold where every row has one; without labels, all images side by side."""
    if data.mask is not None:
        return write_masks(data, folder)
    suffix, digits = suffix_of(data), digits_of(data)
    kinds = [*folder_names(data.classes), UNKNOWN]  # label -1 is the last
    places = [kinds[label] + "/" for label in data.label] if data.label is not None else [""] * len(data)
    if data.fold is not None and data.label is not None and (data.fold >= 0).all():
        places = [f"{FOLDS[fold]}/{place}" for fold, place in zip(data.fold, places, strict=True)]
    files = [f"{place}{row:0{digits}d}{suffix}" for row, place in enumerate(places)]
    write_images(data, folder, files)
    return files


def write_masks(data: ImageSet, folder: Path) -> list[str]:
    """images/000000.png, masks/000000.png and so on, below its fold where every row has one."""
    suffix, digits = suffix_of(data), digits_of(data)
    fold = data.fold if data.fold is not None and (data.fold >= 0).all() else None
    places = [""] * len(data) if fold is None else [f"{FOLDS[k]}/" for k in fold]
    files = [f"{place}images/{row:0{digits}d}{suffix}" for row, place in enumerate(places)]
    write_images(data, folder, files)
    for name, where in MAPS.items():
        column = getattr(data, name)
        if column is not None:
            whole = column.astype(np.uint16 if name == "instances" else np.uint8)[..., None]
            names = [f"{place}{where}/{row:0{digits}d}.png" for row, place in enumerate(places)]
            write_images(ImageSet(image=ArrayPixels(whole), scaling=data.scaling), folder, names)
    return files


def write_csv(data: ImageSet, folder: Path) -> list[str]:
    """images/000000.png and labels.csv."""
    suffix, digits = suffix_of(data), digits_of(data)
    files = [f"images/{row:0{digits}d}{suffix}" for row in range(len(data))]
    write_images(data, folder, files)
    present = [name for name in ("label", "fold", *CELLS) if getattr(data, name) is not None]
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8", errors="surrogatepass") as out:
        table = csv.DictWriter(out, ["file", *present], extrasaction="ignore")
        table.writeheader()
        table.writerows(manifest.record(data, row, file) for row, file in enumerate(files))
    return files


def write_market(data: ImageSet, folder: Path) -> list[str]:
    """bounding_box_train/0002_c1s1_000451_00.png, and query/ and bounding_box_test/ where it has test images."""
    files = market_files(data, suffix_of(data))
    write_images(data, folder, files)
    return files


def write_coco(data: ImageSet, folder: Path) -> list[str]:
    """images/000000.png and annotations.json."""
    names = [f"{row:0{digits_of(data)}d}{suffix_of(data)}" for row in range(len(data))]
    content = json.dumps(document(data, names))
    files = [f"images/{name}" for name in names]
    write_images(data, folder, files)
    (folder / "annotations.json").write_text(content, encoding="ascii")
    return files


def write_images(data: ImageSet, folder: Path, files: Sequence[str]) -> None:
    """Every image into its file."""
    for place in {str(Path(file).parent) for file in files}:
        (folder / place).mkdir(parents=True, exist_ok=True)

    def one(row: int) -> None:
        (folder / files[row]).write_bytes(encoded(data.image.at(row), Path(files[row]).suffix))

    for _ in in_threads(one, range(len(files)), "writing images"):
        pass


def write_webdataset(data: ImageSet, folder: Path) -> list[str]:
    """images-000000.tar and so on: 000000.png, .json (its manifest line) and, where it has a label, .cls."""
    suffix, digits = suffix_of(data), digits_of(data)
    files = [f"images-{row // A_SHARD:06d}.tar/{row:0{digits}d}{suffix}" for row in range(len(data))]
    images = in_threads(lambda row: encoded(data.image.at(row), suffix), range(len(data)), "writing images")
    for start in range(0, len(data), A_SHARD):
        rows = range(start, min(start + A_SHARD, len(data)))
        with tarfile.open(folder / Path(files[start]).parent, "w", format=tarfile.USTAR_FORMAT) as tar:
            for row in rows:
                for name, content in entries(data, row, files[row], next(images)):
                    add(tar, name, content)
    return files


def entries(data: ImageSet, row: int, file: str, image: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and content of the files of one sample."""
    name = Path(file)
    yield name.name, image
    yield f"{name.stem}.json", json.dumps(manifest.record(data, row, file)).encode()
    if data.label is not None and data.label[row] >= 0:
        yield f"{name.stem}.cls", str(int(data.label[row])).encode()


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """One file into a tar, with no owner and no date, so that equal sets give equal tars."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def write_npz(data: ImageSet, folder: Path) -> list[str]:
    """images.npz with `images` [N, H, W, C], `labels`, `classes`, the columns by their names and the set's facts."""
    arrays = {"labels" if name == "label" else name: column for name, column in data.columns()}
    named = {"classes": np.array(data.classes, str), "bands": np.array(data.bands, str)}
    facts = np.array(json.dumps(manifest.set_facts(data)))
    arrays |= {name: values for name, values in named.items() if len(values)} | {"ganaug": facts}
    with zipfile.ZipFile(folder / "images.npz", "w") as archive:
        with archive.open("images.npy", "w", force_zip64=True) as out:
            stream(data, out)
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as out:
                plain = array.astype(str) if array.dtype == object else array
                np.lib.format.write_array(out, plain, allow_pickle=False)
    return ["images.npz"] * len(data)


def stream(data: ImageSet, out: IO[bytes]) -> None:
    """All images as one .npy, a piece at a time: a set that is read lazily is never in memory whole."""
    shape = (len(data), *data.image.shape)
    description = np.lib.format.dtype_to_descr(np.dtype(data.image.dtype))
    head = {"descr": description, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, head)
    for start in range(0, len(data), A_PIECE):
        rows = np.arange(start, min(start + A_PIECE, len(data)))
        out.write(np.ascontiguousarray(data.image[rows]).tobytes())


def suffix_of(data: ImageSet) -> str:
    """The file format of a set's images."""
    return suffix_for(data.image.shape[2], np.dtype(data.image.dtype))


def digits_of(data: ImageSet) -> int:
    """Digits of a file name, so that names sort as rows do."""
    return max(6, len(str(len(data) - 1)))


FORMATS: dict[str, Callable[[ImageSet, Path], list[str]]] = {
    "folder": write_folder,
    "npz": write_npz,
    "csv": write_csv,
    "webdataset": write_webdataset,
    "market": write_market,
    "coco": write_coco,
    "geotiff": write_geotiff,
}
