# SPDX-License-Identifier: Apache-2.0
"""Commands that only look: list, show, inspect."""

from __future__ import annotations

from typing import Annotated

import typer

import ganaug
from ganaug.cli import options, source
from ganaug.cli import show as screen
from ganaug.cli.options import Data, Fit, Fitting, Id, Json, Size, Tiles, Unlabelled


def list_entries(
    task: Annotated[str | None, typer.Option(metavar="T", help="Only what serves this task.")] = None,
    json: Json = False,
) -> None:
    """The catalogue: every system, transform, task and metric by id."""
    entries = [e for e in ganaug.catalogue().values() if task is None or task in e.card["task"]]
    if not entries:
        known = sorted({name for e in ganaug.catalogue().values() for name in e.card["task"]})
        raise ganaug.InputError(f"--task {task}: nothing serves this task; the tasks are {', '.join(known)}.")
    if json:
        screen.emit([{**e.card, "folder": e.folder} for e in entries])
    else:
        screen.catalogue(entries)


def show(id: Id, json: Json = False) -> None:
    """One card: what it is, its paper, what it needs and can, its parameters and presets."""
    from ganaug.core.catalogue import entry

    found = entry(id)
    parameters = source.parameters(found)
    if json:
        screen.emit({**found.card, "folder": found.folder, "parameters": parameters, "presets": found.presets})
    else:
        screen.card(found, source.docstring(found), parameters)


def inspect(
    data: Data,
    size: Size = None,
    fit: Fitting = Fit.resize,
    tiles: Tiles = None,
    unlabelled: Unlabelled = None,
    json: Json = False,
) -> None:
    """Counts, sizes, bands, duplicates and leaks of DATA, what to beware of, and which systems suit it."""
    found = ganaug.inspect(options.loaded(data, size, fit, unlabelled, tiles))
    screen.emit(found) if json else screen.inspection(found)
