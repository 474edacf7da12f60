# SPDX-License-Identifier: Apache-2.0
"""Class names as folder names that every file system takes, and class names in the order people expect."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from urllib.parse import quote

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
