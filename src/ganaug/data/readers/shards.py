# SPDX-License-Identifier: Apache-2.0
"""WebDataset tars: NAME.png beside NAME.cls or NAME.json, read where they lie."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from ganaug.data.decode import is_image
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.readers.listing import Row, as_set, some
from ganaug.data.readers.tables import MEANINGS, fold_of, text
from ganaug.data.readers.walk import folders
from ganaug.data.sizes import Fit


@dataclass(frozen=True)
class Member:
    """An image inside a tar; opens as a file does, and only its own bytes are read."""

    tar: Path
    path: str
    start: int
    size: int

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.path).suffix

    @property
    def parent(self) -> Path:
        return self.tar

    def __str__(self) -> str:
        return f"{self.path} in {self.tar}"

    def open(self, mode: str = "rb") -> IO[bytes]:
        """The bytes as a file; only reading."""
        with self.tar.open("rb") as file:
            file.seek(self.start)
            return io.BytesIO(file.read(self.size))


@dataclass
class Sample:
    """What a tar says about one name."""

    image: Member | None = None
    label: str | None = None
    facts: Mapping[str, object] = field(default_factory=dict)


def recognise(path: Path) -> bool:
    """A .tar file, or a folder with some and no folders beside them."""
    return path.suffix.lower() == ".tar" or (any(path.glob("*.tar")) and not folders(path))


def read(path: Path, size: tuple[int, int] | None, fit: Fit) -> ImageSet:
    """All images of the tars, with the class of .json or .cls."""
    tars = [path] if path.is_file() else sorted(path.glob("*.tar"))
    rows = [row_of(tar, sample) for tar in tars for sample in samples(tar).values() if sample.image is not None]
    return as_set(some(rows, path), tars[0].parent, size, fit)


def samples(tar: Path) -> dict[str, Sample]:
    """The samples of one tar by their name, in its order; InputError when it is damaged or compressed."""
    found: dict[str, Sample] = {}
    try:
        with tarfile.open(tar, "r:") as archive:
            for member in archive:
                if member.isreg():
                    place = PurePosixPath(member.name)
                    key = str(place.parent / place.name.split(".")[0])
                    take(found.setdefault(key, Sample()), tar, archive, member)
    except PermissionError:
        raise InputError(f"{tar} may not be read (permission denied): change its permissions.") from None
    except (tarfile.TarError, OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{tar} cannot be read as a tar ({error}): "
            "it is cut off, compressed or another kind of file; unpack it first."
        ) from None
    return found


def take(sample: Sample, tar: Path, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    """Adds one entry of a tar to its sample; entries of other kinds are left out."""
    suffix = PurePosixPath(member.name).suffix.lower()
    if is_image(member.name):
        sample.image = sample.image or Member(tar, member.name, member.offset_data, member.size)
    elif suffix in (".cls", ".json"):
        content = archive.extractfile(member)
        assert content is not None
        words = content.read().decode("utf-8")
        if suffix == ".cls":
            sample.label = words.strip()
        else:
            facts = json.loads(words)
            sample.facts = facts if isinstance(facts, dict) else {}


def row_of(tar: Path, sample: Sample) -> Row:
    """One sample as a row; a class name in .json goes before a number in .cls."""
    assert sample.image is not None
    meant = {
        name: next((text(sample.facts[a], tar) for a in aliases if sample.facts.get(a) not in (None, "")), "")
        for name, aliases in MEANINGS.items()
    }
    fold = fold_of(meant.pop("fold"), tar)
    label = meant.pop("label") or sample.label or None
    return Row(sample.image, f"{tar.name}/{sample.image.path}", label, fold, meant)
