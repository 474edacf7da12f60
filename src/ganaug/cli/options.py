# SPDX-License-Identifier: Apache-2.0
"""The options that several commands share, and how their text becomes values."""

from __future__ import annotations

import json
import re
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import ganaug

if TYPE_CHECKING:
    from ganaug import ImageSet


class Fit(str, Enum):
    """How images of other sizes are brought to `--size`."""

    resize = "resize"
    pad = "pad"


class Format(str, Enum):
    """How images are written."""

    folder = "folder"
    npz = "npz"
    csv = "csv"
    webdataset = "webdataset"
    market = "market"
    geotiff = "geotiff"
    coco = "coco"


def matching_ids(incomplete: str) -> list[str]:
    """The catalogue ids that begin so, for the shell."""
    return [id for id in ganaug.catalogue() if id.startswith(incomplete)]


Data = Annotated[str, typer.Argument(metavar="DATA", help="'digits', a folder, .npz, .csv or metadata.jsonl.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="One of `ganaug list`.", autocompletion=matching_ids)]
Texts = list[str] | None  # a repeatable option
DATA = "Data"  # the panel of the help that these stand in
Size = Annotated[
    str | None,
    typer.Option("--size", metavar="N|HxW", help="Bring all images to this size.", rich_help_panel=DATA),
]
Fitting = Annotated[
    Fit, typer.Option("--fit", help="How: squeeze into --size, or keep the shape and pad.", rich_help_panel=DATA)
]
Unlabelled = Annotated[
    str | None, typer.Option("--unlabelled", metavar="PATH", help="More images, without labels.", rich_help_panel=DATA)
]
Tiles = Annotated[
    int | None,
    typer.Option("--tiles", metavar="N", help="Cut large images into NxN tiles.", rich_help_panel=DATA),
]
Seed = Annotated[int, typer.Option("--seed", help="The same seed gives the same result.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable result on standard output.")]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="A new or empty folder.")]
Form = Annotated[
    Format,
    typer.Option("--format", metavar="F", help="folder, npz, csv, webdataset, market (identities), geotiff, coco."),
]


def loaded(data: str, size: str | None, fit: Fit, unlabelled: str | None = None, tiles: int | None = None) -> ImageSet:
    """The image set that the data options describe."""
    return ganaug.load(data, size=pixels(size), fit=fit.value, unlabelled=unlabelled, tiles=tiles)


def pixels(size: str | None) -> int | tuple[int, int] | None:
    """`64` -> 64, `48x64` -> (48, 64), height first."""
    if size is None:
        return None
    if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*)?", size):
        raise ganaug.InputError(f"--size takes a number or HEIGHTxWIDTH, such as 64 or 48x64, found '{size}'.")
    sides = [int(side) for side in size.split("x")]
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def settings(given: Texts) -> dict[str, Any]:
    """`width=32` -> {"width": 32}: values are JSON where they can be read so, else text; `@FILE` is a JSON file."""
    return {name: value_of(text) for name, text in (pair("--set", each, "k=v") for each in given or ())}


def counts(option: str, given: Texts) -> dict[str, int]:
    """`cat=10` -> {"cat": 10}."""
    return {name: number(option, text) for name, text in (pair(option, each, "CLASS=N") for each in given or ())}


def per_class(given: Texts) -> int | dict[str, int] | None:
    """One number for every class, or a number for each named class; None when nothing is given."""
    if given and len(given) == 1 and "=" not in given[0]:
        return number("--per-class", given[0])
    return counts("--per-class", given) or None


def pair(option: str, text: str, form: str) -> tuple[str, str]:
    """The two sides of an `=`; of the first in `k=v`, of the last in `CLASS=N`, as a class name may hold one."""
    left, equals, right = text.rpartition("=") if form == "CLASS=N" else text.partition("=")
    if not equals or not left:
        raise ganaug.InputError(f"{option} takes {form}, found '{text}'.")
    return left, right


def number(option: str, text: str) -> int:
    """A whole number."""
    if not re.fullmatch(r"-?\d+", text):
        raise ganaug.InputError(f"{option} takes a whole number, found '{text}'.")
    return int(text)


def value_of(text: str) -> Any:
    """A value as JSON where it can be read so, else as text; `@FILE` is the JSON in a file."""
    if text.startswith("@"):
        return content(Path(text[1:]))
    try:
        return json.loads(text)
    except ValueError:
        return text


def content(file: Path) -> Any:
    """A JSON file; InputError when there is none or it is damaged."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ganaug.InputError(f"{file} can't be read as JSON ({error}): give a file after the @.") from None
