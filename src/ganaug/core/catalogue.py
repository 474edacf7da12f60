# SPDX-License-Identifier: Apache-2.0
"""Every id that ganaug knows, found by reading source files: listing imports neither torch nor scikit-learn.

A file enters the catalogue by a literal `CARD = Card(...)` or `CARD = dict(...)`, at the top of the module or
of a class. Presets are a literal `PRESETS = {...}` beside it.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug.data.errors import InputError

if TYPE_CHECKING:
    from ganaug.core.system import System

PACKAGE = Path(__file__).parents[1]
GIVEN = {
    "kind": "system",
    "can": (),
    "needs": (),
    "sets": (),
    "may_use": (),
    "task": ("classification",),
    "labels": "hard",
    "min_rows": 0,
    "channels": "any",
    "online": False,
    "on_batch": False,
    "moves": (),
    "makes": (),
}
KINDS: dict[str, tuple[type, str]] = {
    "int": (Integral, "a whole number"),
    "float": (Real, "a number"),
    "bool": (bool, "true or false"),
    "str": (str, "a word"),
}
MAY_BE_ZERO = ("blocks", "downs", "kernels", "magnitude", "ops", "pool")  # of the whole numbers; others start at 1


@dataclass(frozen=True)
class Entry:
    """One id: its card as plain values, its presets, and where the code is."""

    id: str
    kind: str
    card: Mapping[str, Any]
    module: str
    name: str
    path: Path
    presets: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """The folder of the file, which says what the entry is for."""
        return self.path.parent.name

    def load(self) -> Any:
        """The class (or the module, for an entry that is not a class); imports its module."""
        module = importlib.import_module(self.module)
        return getattr(module, self.name) if self.name else module


@cache
def catalogue() -> dict[str, Entry]:
    """Every entry by id, in order of kind and id."""
    found = [entry for path in sorted(PACKAGE.rglob("*.py")) for entry in entries_of(path)]
    found.sort(key=lambda entry: (entry.kind, entry.id))
    return {entry.id: entry for entry in found}


def entries_of(path: Path) -> Iterator[Entry]:
    """The entries that one source file declares."""
    text = path.read_text(encoding="utf-8")
    if "CARD" not in text:
        return
    module = ".".join(("ganaug", *path.relative_to(PACKAGE).with_suffix("").parts))
    tree = ast.parse(text)
    owners: list[ast.Module | ast.ClassDef] = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]
    for owner in owners:
        assigned = dict(assignments(owner.body))
        given = assigned.get("CARD")
        if isinstance(given, ast.Call):
            card = {**GIVEN, **{k.arg: literal(k.value, path) for k in given.keywords if k.arg}}
            presets = literal(assigned["PRESETS"], path) if "PRESETS" in assigned else {}
            yield Entry(card["id"], card["kind"], card, module, getattr(owner, "name", ""), path, presets)


def literal(node: ast.expr, path: Path) -> Any:
    """The value that is written there; ValueError with the place for an expression, which nothing evaluates."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        what = f"`{ast.unparse(node)}` holds an expression where the catalogue reads literal values"
        raise ValueError(f"{path}, line {node.lineno}: {what}.") from None


def assignments(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """Name and value of every plain or annotated assignment."""
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value


def entry(id: str) -> Entry:
    """The entry of an id; InputError that names the three nearest ids when there is none."""
    known = catalogue()
    if id not in known:
        near = difflib.get_close_matches(id.replace("-", "_").lower(), known, n=3, cutoff=0.0)
        raise InputError(f"there is no system '{id}'; the nearest are {', '.join(near)} (see `ganaug list`).")
    return known[id]


def make(id: str, *, preset: str | None = None, **params: Any) -> System:
    """An unfitted system by id, with a preset's parameters and then `params`.

    Raises InputError for an unknown id, preset or parameter, and for a value of another kind.
    """
    found = entry(id)
    if preset is not None and preset not in found.presets and preset != "small":
        raise InputError(f"{id} has no preset '{preset}': it has {', '.join(found.presets) or 'none'}.")
    kind = found.load()
    if not isinstance(kind, type):
        raise InputError(f"'{id}' is a {found.kind}, not a system that can be made.")
    values = {**found.presets.get(preset or "", {}), **params}
    legal = kind._get_param_names()  # type: ignore[attr-defined]
    for name in values:
        if name not in legal:
            raise InputError(f"{id} has no parameter '{name}': it has {', '.join(legal) or 'none'}.")
        refuse_value(id, name, values[name], inspect.signature(kind).parameters[name].annotation)
    return kind(**values)


def refuse_value(id: str, name: str, value: Any, annotation: str) -> None:
    """InputError for a value that isn't what a parameter annotated int, float, bool or str takes.

    Numbers are finite and not negative, whole ones from 1 on but for MAY_BE_ZERO; places (`*_from`) also count from
    the end.
    """
    if annotation not in KINDS:
        return
    kind, said = KINDS[annotation]
    least = int(kind is Integral and name not in MAY_BE_ZERO)
    if isinstance(value, bool) != (kind is bool) or not isinstance(value, kind):
        raise InputError(f"{id}: {name} must be {said}, found {value!r}.")
    if isinstance(value, Real) and not name.endswith("_from") and not least <= float(value) < math.inf:
        raise InputError(f"{id}: {name} must be {said} of {least} or more, found {value!r}.")
