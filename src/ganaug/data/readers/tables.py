# SPDX-License-Identifier: Apache-2.0
"""A table beside images: labels.csv, metadata.csv, metadata.jsonl, or any other .csv, .tsv or .jsonl file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ganaug.data.decode import is_image
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.names import FOLD_NAMES
from ganaug.data.readers.listing import Row, as_set, some
from ganaug.data.sizes import Fit

NAMES = ("labels.csv", "metadata.jsonl", "metadata.csv")
FILE = ("file", "file_name", "filename", "path", "image")
MEANINGS = {
    "label": ("label", "class", "category"),
    "fold": ("fold", "split"),
    "group": ("group", "patient"),
    "identity": ("identity",),
    "camera": ("camera",),
    "domain": ("domain",),
}


def recognise(path: Path) -> bool:
    """A table, or a folder with one of the usual names in it."""
    return (path.is_file() and path.suffix.lower() in READ) or any((path / name).is_file() for name in NAMES)


def read(path: Path, size: tuple[int, int] | None, fit: Fit) -> ImageSet:
    """The images that a table names, with its labels, folds, groups, identities, cameras and domains."""
    return as_set(rows(path), table_of(path).parent, size, fit)


def table_of(path: Path) -> Path:
    """The table itself, or the first with one of the usual names in a folder."""
    return path if path.is_file() else next(path / name for name in NAMES if (path / name).is_file())


def rows(path: Path) -> list[Row]:
    """A row for each image that a table names; InputError where a file is missing."""
    table = table_of(path)
    try:
        lines = list(READ[table.suffix.lower()](table))
    except PermissionError:
        raise InputError(f"{table} may not be read (permission denied): change its permissions.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table} is no readable text ({error}): save it as UTF-8.") from None
    return found([row_of(line, table) for line in some(lines, table)], table)  # type: ignore[arg-type]


def csv_lines(table: Path) -> Iterator[dict[str, Any]]:
    """Rows by column name; comma, semicolon or tab, whichever the first line has most of."""
    with table.open(encoding="utf-8-sig", errors="surrogatepass", newline="") as file:
        first = file.readline()
        file.seek(0)
        yield from csv.DictReader(file, delimiter=max(",;\t", key=first.count))


def json_lines(table: Path) -> Iterator[dict[str, Any]]:
    """One JSON object a line; InputError with the number of a line that is none."""
    with table.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            try:
                value = json.loads(line) if line.strip() else None
            except (ValueError, RecursionError) as error:
                raise InputError(
                    f"line {number} of {table} is no JSON ({error}): one object a line is needed."
                ) from None
            if isinstance(value, dict):
                yield value
            elif value is not None:
                raise InputError(f"line {number} of {table} is {line.strip()[:40]}: a JSON object is needed.")


READ: dict[str, Callable[[Path], Iterator[dict[str, Any]]]] = {
    ".csv": csv_lines,
    ".tsv": csv_lines,
    ".jsonl": json_lines,
}


def row_of(line: dict[str, Any], table: Path) -> Row:
    """One line of a table; InputError when it names no file."""
    cells = {str(name).strip().lower(): text(value, table) for name, value in line.items() if name is not None}
    file = next((cells[name] for name in FILE if cells.get(name)), None)
    if file is None:
        raise InputError(
            f"{table} has a row without an image file: a column 'file' is needed, found {', '.join(cells) or 'none'}."
        )
    meant = {
        name: next((cells[alias] for alias in aliases if cells.get(alias)), "") for name, aliases in MEANINGS.items()
    }
    fold = fold_of(meant.pop("fold"), table)
    return Row(table.parent / file, file, meant.pop("label") or None, fold, meant)


def fold_of(word: str, table: Path) -> int:
    """The fold that a word means, -1 without one; InputError for a word that means none."""
    if word and word.lower() not in FOLD_NAMES:
        raise InputError(
            f"the split '{word[:40]}' in {table} is none of train, val, test: rename it, or its column if it says "
            "something else."
        )
    return FOLD_NAMES.get(word.lower(), -1)


def text(value: Any, table: Path) -> str:
    """A cell as text, "" where it is missing; InputError for lists and objects."""
    if isinstance(value, (list, dict)):
        raise InputError(f"{table} has the value {str(value)[:40]}: one text or number a cell is needed.")
    return "" if value is None else str(value).strip()


def found(rows: list[Row], table: Path) -> list[Row]:
    """Rows with files that exist, beside the table or in images/; InputError names the first missing and how many."""
    if not rows[0].file.exists() and (table.parent / "images" / rows[0].name).exists():  # type: ignore[attr-defined]
        rows = [Row(table.parent / "images" / r.name, r.name, r.label, r.fold, r.values) for r in rows]
    missing = [row for row in rows if not row.file.is_file()]  # type: ignore[attr-defined]
    if missing:
        raise InputError(
            f"{table} names {len(missing)} missing file{'s' * (len(missing) > 1)}, the first is {missing[0].file}: "
            "copy them or remove their rows."
        )
    other = next((row for row in rows if not is_image(row.name)), None)
    if other is not None:
        raise InputError(f"{table} names {other.file}, which is no image file: PNG, JPEG, TIFF, WebP, BMP or .npy.")
    return rows
