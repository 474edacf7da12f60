# SPDX-License-Identifier: Apache-2.0
"""What lies in a folder: in the order of the names, what is hidden left out, links to folders not followed inside."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ganaug.data.decode import is_image
from ganaug.data.errors import InputError

LEFT_BY_OTHERS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN")  # of archives, network drives and Windows: never classes
UNREAD = (".heic", ".heif", ".avif", ".gif", ".jp2", ".dcm", ".svg", ".psd", ".dng", ".nef", ".cr2", ".arw")


def entries(folder: Path) -> list[os.DirEntry]:
    """What lies in a folder, by name; left out is what is hidden, and what operating systems leave behind."""
    try:
        with os.scandir(folder) as found:
            shown = (e for e in found if not e.name.startswith(".") and e.name not in LEFT_BY_OTHERS)
            return sorted(shown, key=lambda e: e.name)
    except PermissionError:
        raise InputError(f"the folder {folder} may not be read (permission denied): change its permissions.") from None


def folders(path: Path) -> list[Path]:
    """The folders directly in a folder."""
    return [Path(entry.path) for entry in entries(path) if entry.is_dir()]


def image_names(folder: Path) -> Iterator[str]:
    """Paths of all images at any depth, folder by folder in the order of their names."""
    within = entries(folder)
    yield from (entry.path for entry in within if is_image(entry.name) and entry.is_file())
    for entry in within:
        if entry.is_dir(follow_symlinks=False):
            yield from image_names(Path(entry.path))


def has_images(folder: Path) -> bool:
    """Whether an image lies at any depth."""
    return next(image_names(folder), None) is not None


def tell_of_unread(folder: Path) -> None:
    """A warning of pictures of kinds that are not read, which would otherwise be missing without a word."""
    names = (name.lower() for _, _, files in os.walk(folder) for name in files if not name.startswith("."))
    found = Counter(suffix for name in names if (suffix := os.path.splitext(name)[1]) in UNREAD)
    if found:
        told = ", ".join(f"{n} {suffix}" for suffix, n in found.most_common())
        said = f"{folder} holds pictures of kinds that are not read ({told}): convert them to PNG, JPEG or TIFF."
        warnings.warn(said, stacklevel=2)
