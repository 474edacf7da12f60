# SPDX-License-Identifier: Apache-2.0
"""Class names as folder names that every file system takes, in the order people expect, and from numbers alone."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from urllib.parse import quote

import numpy as np

from ganaug.data.errors import InputError

FOLD_NAMES = {
    **dict.fromkeys(("train", "training"), 0),
    **dict.fromkeys(("val", "valid", "validation", "dev"), 1),
    **dict.fromkeys(("test", "testing"), 2),
}
UNKNOWN = "%unknown"  # the folder of images without a label; no class name maps to it
TAKEN = {
    *FOLD_NAMES,
    *("images", "masks", "con", "prn", "aux", "nul"),
    *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)),
}
LONGEST = 120  # bytes; file systems take 255
MOST_NUMBERED = 10_000  # classes without names, in sets of fewer images


def folder_names(classes: Sequence[str]) -> list[str]:
    """A folder name for each class, different ones even where upper and lower case are the same.

    Everything but letters, digits and a few signs is percent-encoded, so slashes, `..` and control characters
    cannot lead elsewhere.
    """
    names: list[str] = []
    used: set[str] = set()
    for name in classes:
        safe = encoded(name)
        free = safe
        attempt = 2
        while free.casefold() in used:
            free, attempt = f"{safe}%~{attempt}", attempt + 1
        used.add(free.casefold())
        names.append(free)
    return names


def encoded(name: str) -> str:
    """One name made safe: not empty, not hidden, no reserved word, about LONGEST bytes at most."""
    name = unicodedata.normalize("NFC", name)
    inner = "".join(c if c.isalnum() or c in "-_()+ ." else quote(c, safe="", errors="surrogatepass") for c in name)
    inner = inner.encode()[:LONGEST].decode(errors="ignore")
    if inner[:1] in (".", " "):
        inner = f"%{ord(inner[0]):02X}" + inner[1:]
    if inner[-1:] in (".", " "):
        inner = inner[:-1] + f"%{ord(inner[-1]):02X}"
    reserved = inner.split(".")[0].casefold() in TAKEN
    return f"{inner}%" if reserved or not inner else inner


def in_order(names: Iterable[str]) -> list[str]:
    """Distinct names sorted: by value where all are whole numbers, else by character."""
    distinct = set(names)
    numbers = all(name.isascii() and name.isdigit() for name in distinct)
    return sorted(distinct, key=lambda name: (int(name), name) if numbers else (0, name))


def are_labels(values: np.ndarray) -> bool:
    """Whether all are whole numbers from -1, which means unknown."""
    return values.dtype.kind in "biuf" and bool(((values == np.rint(values)) & (values >= -1) & (values < 2**62)).all())


def numbers_as_names(top: int, images: int, what: str) -> tuple[str, ...]:
    """Names of classes that have none: 0 to `top`. InputError where labels are too large to count classes."""
    if top >= max(images, MOST_NUMBERED):
        raise InputError(
            f"{what} go up to {top} for {images} images, and every number up to it would be a class: "
            "number the classes from 0, or give their names (classes)."
        )
    return tuple(map(str, range(top + 1)))
