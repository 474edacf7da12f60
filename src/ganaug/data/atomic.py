# SPDX-License-Identifier: Apache-2.0
"""Files and folders that appear whole or not at all, and full disks told in one sentence."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ganaug.data.errors import InputError

FULL = (errno.ENOSPC, errno.EDQUOT)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path beside `path`: what is written there replaces `path` when the block ends without an error.

    After an error or a kill the old file is untouched. Missing parent folders are made. Raises InputError when the
    disk is full or the place may not be written; every other error passes through.
    """
    target = Path(path).resolve()
    with told(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        part = beside(target)
        try:
            yield part
            to_disk(part)
            os.replace(part, target)
            to_disk(target.parent)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike, *, replace: bool = False) -> Iterator[Path]:
    """A new temporary folder beside `path` that becomes `path` when the block ends without an error.

    `path` may be missing or an empty folder; with `replace` an old folder gives way once the new one is complete.
    Raises InputError when `path` holds something else, when the disk is full or the place may not be written.
    """
    target = Path(path).resolve()
    with told(target):
        put_back(target)
        refuse_content(target, replace)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = beside(target)
        shutil.rmtree(part, ignore_errors=True)  # of a killed process that had our number
        try:
            part.mkdir()
            yield part
            refuse_content(target, replace)
            swap(part, target)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def refuse_content(target: Path, replace: bool = False) -> None:
    """InputError when `target` is a file, or a folder with content that must not be replaced."""
    if target.exists() and not target.is_dir():
        raise InputError(f"the output {target} is a file, a folder is needed: choose another place.")
    if not replace and target.is_dir() and any(target.iterdir()):
        raise InputError(
            f"the output folder {target} already holds other content, nothing was written: "
            "choose a new or empty folder."
        )


def beside(target: Path) -> Path:
    """A hidden temporary name in the folder of `target`, so that a rename stays on one file system."""
    return target.with_name(f".{target.name[:100]}.{os.getpid()}.tmp")


def aside(target: Path) -> Path:
    """Where an old folder lies while the new one takes its place."""
    return beside(target).with_suffix(".old")


def put_back(target: Path) -> None:
    """The old folder back in its place, where a process that had our number was killed while it lay aside."""
    if not target.exists() and aside(target).exists():
        aside(target).rename(target)


def swap(part: Path, target: Path) -> None:
    """Puts the folder `part` in the place of `target`; the old folder is removed last."""
    if not target.exists():
        part.rename(target)
        return
    old = aside(target)
    shutil.rmtree(old, ignore_errors=True)
    target.rename(old)
    try:
        part.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def to_disk(path: Path) -> None:
    """Waits until a file or folder entry is on the disk, where the system can tell."""
    with suppress(PermissionError, IsADirectoryError):  # Windows opens no folders
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def told(target: Path) -> Iterator[None]:
    """Turns a full disk and a forbidden place into an InputError that names `target`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        code = getattr(error, "errno", None)
        if code in FULL or "os error 28" in str(error):  # the second is how safetensors says it
            raise InputError(
                f"the disk is full while writing {target}: nothing was changed there; free some space and try again."
            ) from error
        if code in FORBIDDEN:
            raise InputError(
                f"{target} cannot be written ({os.strerror(code)}): choose another place or change its permissions."
            ) from error
        raise
