# SPDX-License-Identifier: Apache-2.0
"""How results look: JSON for machines, tables and sentences for people."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from ganaug.core.catalogue import Entry

MOST = 12  # entries of a list in a table cell
COLOURS = {"helps": "green", "harms": "red"}
FACTS = ["kind", "task", "needs", "sets", "may_use", "can", "channels", "sizes", "min_rows", "labels", "cost", "shows"]


def emit(value: Any) -> None:
    """One JSON document on standard output; what is not finite becomes null."""
    typer.echo(json.dumps(plain(value), indent=1, allow_nan=False))


def plain(value: Any) -> Any:
    """A value as JSON knows it."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(part) for part in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return plain(value.tolist()) if hasattr(value, "tolist") else str(value)


def result(facts: Mapping[str, Any], sentence: str, as_json: bool) -> None:
    """What a command did, for a machine or for a person."""
    emit(facts) if as_json else typer.echo(sentence)


def catalogue(entries: Iterable[Entry]) -> None:
    """One table a folder."""
    for folder, group in groupby(sorted(entries, key=lambda e: (e.folder, e.id)), key=lambda e: e.folder):
        rows = [(e.id, e.card["title"], e.kind, str(e.card.get("year") or "")) for e in group]
        table(folder.replace("_", " "), ("id", "what", "kind", "year"), rows)


def card(entry: Entry, docstring: str, parameters: Mapping[str, str]) -> None:
    """Everything about one id."""
    line(f"{entry.id}: {entry.card['title']}", style="bold")
    line(f"\n{docstring}\n")
    table("card", ("", ""), [(name, words(entry.card[name])) for name in FACTS if entry.card.get(name)])
    if parameters:
        table("parameters (--set)", ("name", "default"), parameters.items())
    if entry.presets:
        presets = [(name, words(values) or "the defaults") for name, values in entry.presets.items()]
        table("presets (--preset)", ("name", "values"), presets)


def inspection(found: Mapping[str, Any]) -> None:
    """What a look at a data set found."""
    scores({name: part for name, part in found.items() if name not in ("suits", "warnings")})
    if found.get("suits"):
        table("suits this set", ("id", "why"), [(s.get("id", ""), s.get("why", "")) for s in found["suits"]])
    for sentence in found.get("warnings") or ():
        line(f"warning: {sentence}", style="yellow")


def scores(found: Mapping[str, Any], title: str = "") -> None:
    """A table of the values that are not empty, and one for each mapping among them."""
    nested = {name: part for name, part in found.items() if isinstance(part, Mapping)}
    rows = [(name, text) for name, part in found.items() if name not in nested and (text := words(part))]
    if rows:
        table(title, ("", ""), rows)
    for name, part in nested.items():
        scores(part, f"{title}, {name}".removeprefix(", "))


def verdicts(results: Mapping[str, Any], report: Path) -> None:
    """The answer of a study: headline, a line for each verdict, advice, and where the report is."""
    summary = results.get("summary") or {}
    line(summary.get("headline"), style="bold")
    line(summary.get("why_arms"))
    line(summary.get("score_note"))
    for verdict in results.get("verdicts") or ():
        line(verdict.get("sentence"), style=COLOURS.get(verdict.get("verdict", ""), ""), indent="  ")
    for placebo in results.get("placebos") or ():
        line(placebo.get("sentence"), indent="  ")
    if results.get("gaps"):
        table("share of the gap between source alone and oracle", ("arm", "shares"), gap_rows(results["gaps"]))
    line(summary.get("advice"))
    line(f"report: {report}")


def gap_rows(gaps: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Each arm with its share of the gap in every repeat."""
    shares: dict[str, list[str]] = {}
    for gap in gaps:
        share = gap["recovered"]
        shares.setdefault(gap["arm"], []).append("none" if share is None else f"{100 * share:.0f} %")
    return [(arm, ", ".join(found)) for arm, found in shares.items()]


def table(title: str, heads: Iterable[str], rows: Iterable[tuple[str, ...]]) -> None:
    """A table of plain text; columns without a head get none."""
    heads = tuple(heads)
    line(title, style="bold")
    drawn = Table(box=None, show_header=any(heads))
    for head in heads:
        drawn.add_column(head, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    console = Console()
    console.print(drawn)
    console.print()


def line(text: str | None, style: str = "", indent: str = "") -> None:
    """A line without wrapping, so that paths can be copied; nothing for a missing text."""
    if text:
        Console().print(Text(indent + text, style=style), soft_wrap=True)


def words(value: Any) -> str:
    """A value for a table cell."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={words(part)}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        more = [f"and {len(value) - MOST} more"] if len(value) > MOST else []
        return ", ".join([*(words(part) for part in value[:MOST]), *more])
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
