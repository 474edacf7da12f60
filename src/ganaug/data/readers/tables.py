# SPDX-License-Identifier: Apache-2.0
"""A table beside images: labels.csv, metadata.csv, metadata.jsonl, or any other .csv, .tsv or .jsonl file.

Names of files may lack their ending or the folder that they lie in. Where no column says what a row is, the only other
column does, or the one of several columns of 0 and 1 that holds the only 1.
"""

from __future__ import annotations

import csv
import json
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from ganaug.data.decode import is_image
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.names import FOLD_NAMES
from ganaug.data.readers.listing import Row, as_set, some
from ganaug.data.readers.walk import entries, folders, has_images, image_names
from ganaug.data.sizes import Fit

NAMES = ("labels.csv", "metadata.jsonl", "metadata.csv")
FILE = (
    *("file", "file_name", "filename", "path", "image", "filepath", "file_path", "image_path", "image_name"),
    *("image_id", "img", "id_code", "id"),
)
MEANINGS = {
    "label": ("label", "class", "category", "class_name", "target", "diagnosis", "dx", "species"),
    "fold": ("fold", "split"),
    "group": ("group", "patient", "patient_id", "lesion_id", "subject"),
    "identity": ("identity",),
    "camera": ("camera",),
    "domain": ("domain",),
}


def recognise(path: Path) -> bool:
    """A table, or a folder with one of the usual names in it, or with one table whose images can't be classes."""
    if path.is_file():
        return path.suffix.lower() in READ
    return any((path / name).is_file() for name in NAMES) or only_table(path) is not None


def only_table(folder: Path) -> Path | None:
    """The one CSV file in a folder that names image files, which lie beside it or all in one folder."""
    if not folder.is_dir():
        return None
    tables = [Path(e.path) for e in entries(folder) if e.is_file() and Path(e.name).suffix.lower() in (".csv", ".tsv")]
    if len(tables) != 1 or sum(map(has_images, folders(folder))) > 1 or not has_images(folder):
        return None
    with tables[0].open(encoding="utf-8-sig", errors="replace") as file:
        names = {
            name.strip(' "\r\n').lower() for name in file.readline().replace(";", ",").replace("\t", ",").split(",")
        }
    return tables[0] if names & set(FILE) else None


def read(path: Path, size: tuple[int, int] | None, fit: Fit) -> ImageSet:
    """The images that a table names, with its labels, folds, groups, identities, cameras and domains."""
    return as_set(rows(path), table_of(path).parent, size, fit)


def table_of(path: Path) -> Path:
    """The table itself, or the first with one of the usual names in a folder, or the only one."""
    if path.is_file():
        return path
    table = next((path / name for name in NAMES if (path / name).is_file()), None) or only_table(path)
    assert table is not None  # `recognise` has looked
    return table


def rows(path: Path) -> list[Row]:
    """A row for each image that a table names; InputError where a file is missing."""
    table = table_of(path)
    try:
        lines = list(READ[table.suffix.lower()](table))
    except PermissionError:
        raise InputError(f"{table} may not be read (permission denied): change its permissions.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table} is no readable text ({error}): save it as UTF-8.") from None
    lines = list(labelled(some(lines, table)))  # type: ignore[arg-type]
    tell_of_other_splits(lines, table)
    return found([row_of(line, table) for line in lines], table)


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


def labelled(lines: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """The lines with a `label` where no column has the name of one, but the other columns can only mean classes.

    That is one column alone in which values occur again, or several of 0 and 1 with one 1 a row: the column's name.
    """
    meant = {name for names in MEANINGS.values() for name in names}
    names = columns_of(lines)
    other = [name for name in names if name.strip().lower() not in meant | set(FILE)]
    if {name.strip().lower() for name in names} & set(MEANINGS["label"]):
        return lines
    if len(names) == 2 and len(other) == 1:
        values = [line.get(other[0]) for line in lines]
        again = all(isinstance(v, (str, int)) for v in values) and len(set(values)) < len(values)
        return [{**line, "label": line[other[0]]} for line in lines] if again else lines
    if len(other) < 2 or not all(sorted(bit(line.get(name)) for name in other) == one_of(len(other)) for line in lines):
        return lines
    return [{**line, "label": next(name for name in other if bit(line[name]) == "1")} for line in lines]


def columns_of(lines: Sequence[dict[str, Any]]) -> list[str]:
    """The names of all columns, in order; without that of cells that have none."""
    return [name for name in dict.fromkeys(name for line in lines for name in line) if name is not None]


def bit(value: Any) -> str:
    """0 and 1 as they are, 0.0 and 1.0 as such, anything else as itself."""
    return str(value).strip().removesuffix(".0")


def one_of(n: int) -> list[str]:
    """n - 1 zeros and a one."""
    return ["0"] * (n - 1) + ["1"]


def tell_of_other_splits(lines: Sequence[dict[str, Any]], table: Path) -> None:
    """A warning of rows that are in no fold because of their split; InputError where no split means a fold."""
    named = [name for name in columns_of(lines) if name.strip().lower() in MEANINGS["fold"]]
    words = [word for line in lines for name in named if (word := text(line.get(name), table))]
    other = [word for word in words if word.lower() not in FOLD_NAMES]
    if other and len(other) < len(words):
        said = f"{len(other)} images in {table} have another split, such as '{other[0][:40]}': they are in no fold."
        warnings.warn(said, stacklevel=2)
    elif other:
        fold_of(other[0], table)


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
    fold = FOLD_NAMES.get(meant.pop("fold").lower(), -1)
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
    """Rows with files that exist, beside the table, in images/, or in some other folder below: the name alone decides.

    Raises InputError that names the first missing file and how many are, or a name that several files bear.
    """
    if not rows[0].file.exists() and (table.parent / "images" / rows[0].name).exists():  # type: ignore[attr-defined]
        rows = [replace(row, file=table.parent / "images" / row.name) for row in rows]
    if any(not row.file.is_file() for row in rows):  # type: ignore[attr-defined]
        rows = sought(rows, table)
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


def sought(rows: list[Row], table: Path) -> list[Row]:
    """Rows whose files are not where the table says, with the images of that name, or of that name and any ending."""
    places: dict[str, list[str]] = {}
    for file in image_names(table.parent):
        for key in {Path(file).name, Path(file).stem}:
            places.setdefault(key, []).append(file)
    return [row if row.file.is_file() else placed(row, places, table) for row in rows]  # type: ignore[attr-defined]


def placed(row: Row, places: dict[str, list[str]], table: Path) -> Row:
    """A row with the one image of its name; as it is where there is none."""
    at = places.get(PurePosixPath(row.name.replace("\\", "/")).name, [])
    if len(at) > 1:
        raise InputError(
            f"{table} names '{row.name}', which may be {at[0]} or {at[1]}: write the path from the table on."
        )
    return replace(row, file=Path(at[0]), name=os.path.relpath(at[0], table.parent).replace(os.sep, "/")) if at else row
