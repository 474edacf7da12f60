# SPDX-License-Identifier: Apache-2.0
"""What our own folders say beside the images: `manifest.jsonl`, a line an image, and `ganaug.json` about the set.

With both, a folder reads back equal to the set that was written, whatever its layout and class names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganaug.data.errors import InputError
from ganaug.data.image_set import FOLDS, ImageSet
from ganaug.data.scaling import Scaling

LINES, SET = "manifest.jsonl", "ganaug.json"
PIXELWISE = ("mask", "valid", "instances", "depth")  # too large for a line of text
SHOWN = ("system", "version", "seed", "label_policy")  # of `origin`, for people and other tools


def set_facts(data: ImageSet) -> dict[str, Any]:
    """What is true of the whole set, as plain values."""
    assert data.scaling is not None
    columns = {name: "str" if column.dtype.kind in "UO" else str(column.dtype) for name, column in data.columns()}
    return {
        "classes": list(data.classes),
        "mask_classes": list(data.mask_classes),
        "attributes": list(data.attribute_names),
        "bands": list(data.bands),
        "scaling": asdict(data.scaling),
        "columns": columns,
    }


def from_facts(facts: dict[str, Any]) -> dict[str, Any]:
    """The inverse of `set_facts`, as arguments of an ImageSet; columns apart."""
    return {
        "classes": tuple(facts["classes"]),
        "mask_classes": tuple(facts.get("mask_classes", ())),
        "attribute_names": tuple(facts["attributes"]),
        "bands": tuple(facts["bands"]),
        "scaling": Scaling(**facts["scaling"]),
    }


def record(data: ImageSet, row: int, file: str) -> dict[str, Any]:
    """One line: file, row, class name, every column that is small enough, and how the image was made."""
    line: dict[str, Any] = {"file": file, "row": row}
    for name, column in data.columns():
        if name == "label":
            line["label"] = data.classes[column[row]] if column[row] >= 0 else None
        elif name == "fold":
            line["fold"] = FOLDS[column[row]] if column[row] >= 0 else None
        elif name not in PIXELWISE:
            line[name] = column[row].tolist() if isinstance(column[row], np.generic | np.ndarray) else column[row]
    return {**line, **shown_origin(line.get("origin"))}


def shown_origin(origin: str | None) -> dict[str, Any]:
    """System, version, seed and label policy from the text of an origin; {} where it has none."""
    try:
        facts = json.loads(origin or "{}")
    except ValueError:
        return {}
    return {name: facts[name] for name in SHOWN if isinstance(facts, dict) and name in facts}


def write(data: ImageSet, files: Sequence[str], folder: Path) -> None:
    """Both files into a folder; `files` [N] are relative names."""
    (folder / SET).write_text(json.dumps(set_facts(data), indent=1), encoding="ascii")
    with (folder / LINES).open("w", encoding="ascii") as out:
        out.writelines(json.dumps(record(data, row, file)) + "\n" for row, file in enumerate(files))


@dataclass(frozen=True)
class Written:
    """A manifest that was read: facts of the set, and the line of each file."""

    folder: Path
    facts: dict[str, Any]
    lines: dict[str, dict[str, Any]]

    def columns(self, files: Sequence[str]) -> dict[str, np.ndarray]:
        """Every written column that lines can hold, for these files; InputError when one cannot be had."""
        names = [name for name in self.facts["columns"] if name not in PIXELWISE]
        try:
            return {name: self.column(name, [self.lines[file][name] for file in files]) for name in names}
        except (KeyError, ValueError, TypeError) as error:
            raise damaged(self.folder, error) from None

    def column(self, name: str, values: list) -> np.ndarray:
        """The values of one column in the dtype that it was written from."""
        if name in ("label", "fold"):
            order = self.facts["classes"] if name == "label" else FOLDS
            number = {known: k for k, known in enumerate(order)} | {None: -1}
            values = [number[value] for value in values]
        return np.array(values, self.facts["columns"][name])


def read(folder: Path) -> Written | None:
    """The manifest of a folder that ganaug wrote, None for others; InputError when it is damaged."""
    if not ((folder / SET).is_file() and (folder / LINES).is_file()):
        return None
    try:
        facts = json.loads((folder / SET).read_text(encoding="ascii"))
        with (folder / LINES).open(encoding="ascii") as lines:
            by_file = {line["file"]: line for line in each_line(lines)}
        from_facts(facts), facts["columns"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged(folder, error) from None
    return Written(folder, facts, by_file)


def damaged(folder: Path, error: Exception) -> InputError:
    """The sentence for a manifest that does not fit."""
    return InputError(
        f"{folder / LINES} or {SET} beside it is damaged ({type(error).__name__}: {error}): "
        "remove both to read the images without them."
    )


def each_line(lines: Any) -> Iterator[dict[str, Any]]:
    """JSON lines, empty ones left out."""
    for line in lines:
        if line.strip():
            yield json.loads(line)
