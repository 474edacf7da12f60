# SPDX-License-Identifier: Apache-2.0
"""`results.json` and its PNG grids -> one HTML file that opens without network and without JavaScript."""

from __future__ import annotations

import base64
import json
import os
import struct
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import ChainableUndefined, Environment, PackageLoader

from ganaug.report import plots, tables, words

PARTS: dict[str, type] = {
    "manifest": dict,
    "summary": dict,
    "arms": list,
    "saturation": dict,
    "cells": list,
    "verdicts": list,
    "generators": list,
    "audit": dict,
    "placebos": list,
    "grids": list,
    "gaps": list,
    "learning_curve": dict,
}
PNG = b"\x89PNG\r\n\x1a\n"
ZOOM_TO, ZOOM_MOST = 480, 6  # small grids are enlarged by a whole factor, up to about this many pixels
FILTERS = (
    words.decimal,
    words.percent,
    words.points,
    words.p_value,
    words.whole,
    words.duration,
    words.shots_name,
    words.shots_phrase,
    words.plain_points,
    words.score_title,
    words.breakable,
    words.listed,
    words.frechet_name,
    words.mark,
    words.known,
)


class ReportError(ValueError):
    """`results.json` is missing or cannot be read; the message says what to do."""


def write_report(folder: str | Path) -> Path:
    """Writes `folder/report.html` from `folder/results.json` and the PNG grids that it names.

    The file is complete or absent: it is written beside its place and moved there. Whatever part of the results is
    missing is left out or said to be missing; a grid that is not a PNG inside `folder` is named instead of shown.

    Returns: the path of the report. Raises: ReportError.
    """
    folder = Path(folder)
    results = read_results(folder / "results.json")
    page = render(results, [_grid(folder, grid) for grid in results["grids"]])
    target = folder / "report.html"
    draft = folder / f".report.{os.getpid()}.html"
    try:
        draft.write_text(page, encoding="utf-8")
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return target


def read_results(path: Path) -> tables.Results:
    """The results with every part present (empty where missing or null); NaN and infinity become None."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None)
    except FileNotFoundError:
        raise ReportError(f"{path} does not exist; name the output folder of a finished study.") from None
    except (OSError, ValueError) as error:
        raise ReportError(f"{path} should be the JSON that a study writes, but it cannot be read: {error}.") from None
    if not isinstance(raw, dict):
        raise ReportError(f"{path} should hold a JSON object, found a {type(raw).__name__}; run the study again.")
    for name, kind in PARTS.items():
        if not isinstance(raw.get(name) or kind(), kind):
            found = type(raw[name]).__name__
            raise ReportError(f"{path}: `{name}` should be a {kind.__name__}, found a {found}; run the study again.")
    return {name: raw.get(name) or kind() for name, kind in PARTS.items()}


def render(results: tables.Results, grids: list[dict[str, Any]]) -> str:
    """The page as text; `grids` come from `_grid`, with their pictures as data URIs."""
    env = Environment(
        loader=PackageLoader("ganaug.report", "."),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {function.__name__: function for function in FILTERS}
    of = results["manifest"].get("shots_of", "class")
    env.filters["shots_phrase"] = partial(words.shots_phrase, of=of)
    env.globals |= {"interval": words.interval}
    view = results_view(results) | {"figures": figures(results), "grids": grids}
    return env.get_template("template.html.j2").render(view)


def results_view(results: tables.Results) -> dict[str, Any]:
    """Everything that the template shows besides plots and pictures."""
    shots = tables.shots_values(results["cells"])
    return {
        **results,
        "verdicts": tables.by_size(results["verdicts"]),
        "score_names": tables.score_names(results),
        "score_rows": tables.score_rows(results),
        "further_rows": tables.further_rows(results),
        "gap_rows": tables.gap_rows(results),
        "policies": tables.policies(results),
        "class_tables": [table for size in shots if (table := tables.class_table(results, size))],
        "quality_tables": tables.quality_tables(results),
        "planted_names": tables.planted_names(results),
        "copy_rows": tables.copy_rows(results),
        "failures": tables.failures(results),
        "collapses": tables.collapses(results),
        "cost_rows": tables.cost_rows(results),
        "regime": words.regime_sentence(results["manifest"]),
        "saturation_sentence": words.saturation_sentence(results["saturation"]),
    }


def figures(results: tables.Results) -> dict[str, Any]:
    """All plots: `effects` and `scores` are lists of (training size, SVG), `worth` is one of (baseline, SVG), `curves`
    and `saturation` are SVG or None.
    """
    verdicts, margin = results["verdicts"], results["manifest"].get("margin") or 0.0
    limits = plots.effect_limits(verdicts, margin)
    effects = [
        (size, plots.forest([v for v in verdicts if v.get("shots") == size], margin, limits, f"effect-{size}"))
        for size in tables.shots_values(verdicts)
    ]
    scored = [cell for cell in results["cells"] if words.known(cell.get("score"))]
    sizes = tables.shots_values(scored)
    found = results["learning_curve"]
    baselines = dict.fromkeys(row["against"] for row in found.get("worth") or [])
    scores = [(size, plots.strip(results, size, plots.score_limits(results), f"score-{size}")) for size in sizes]
    return {
        "effects": effects,
        "scores": scores,
        "curves": plots.learning_curves(results) if len(sizes) > 1 else None,
        "worth": [(name, plots.equivalents(found, name, f"worth-{name}")) for name in baselines],
        "saturation": plots.saturation_curve(results["saturation"]),
    }


def _grid(folder: Path, grid: dict[str, Any]) -> dict[str, Any]:
    """A grid with its picture as data URI, size in pixels and whole zoom; without `src` where it cannot be shown."""
    path = (folder / str(grid.get("file") or "")).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        return dict(grid)
    content = path.read_bytes()
    if not content.startswith(PNG) or len(content) < 24:
        return dict(grid)
    width, height = struct.unpack(">II", content[16:24])
    zoom = max(1, min(ZOOM_MOST, ZOOM_TO // max(width, 1)))
    source = "data:image/png;base64," + base64.b64encode(content).decode("ascii")
    return {**grid, "src": source, "width": width * zoom, "height": height * zoom, "zoom": zoom}
