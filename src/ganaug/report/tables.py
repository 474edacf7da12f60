# SPDX-License-Identifier: Apache-2.0
"""The tables of the report: cells and generators of `results.json`, gathered over repeats into rows.

Rows are plain dicts for the template. Means run over the repeats that have a value; None says that none had one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from ganaug.report.words import known

Results = dict[str, Any]
Row = dict[str, Any]


def mean(values: Iterable[Any]) -> float | None:
    """Mean of the finite numbers among `values`, None when there are none."""
    numbers = [value for value in values if known(value)]
    return fmean(numbers) if numbers else None


def arm_names(results: Results) -> list[str]:
    """Every arm once: in the order of `arms`, then those that only cells know."""
    named = [arm["arm"] for arm in results["arms"]] + [cell["arm"] for cell in results["cells"]]
    return list(dict.fromkeys(named))


def baselines(results: Results) -> dict[str, str | None]:
    """The arm that each arm is compared with, None for those that have none."""
    return {arm["arm"]: arm.get("baseline") for arm in results["arms"]}


def by_size(rows: Iterable[Row]) -> list[Row]:
    """Rows by ascending training size, those with all images (None) last; otherwise in their order."""
    return sorted(rows, key=lambda row: (row.get("shots") is None, row.get("shots") or 0))


def shots_values(rows: Iterable[Row]) -> list[int | None]:
    """The training sizes found in rows, ascending, with None (all images) last."""
    return list(dict.fromkeys(row.get("shots") for row in by_size(rows)))


def pick(rows: Iterable[Row], arm: str, shots: int | None) -> list[Row]:
    """The rows of one arm at one training size, one row a repeat."""
    return [row for row in rows if row["arm"] == arm and row.get("shots") == shots]


def _groups(results: Results, rows: Sequence[Row]) -> Iterable[tuple[str, int | None, list[Row]]]:
    names = list(dict.fromkeys([*arm_names(results), *(row["arm"] for row in rows)]))
    for shots in shots_values(rows):
        for arm in names:
            found = pick(rows, arm, shots)
            if found:
                yield arm, shots, found


def score_rows(results: Results) -> list[Row]:
    """Arm by training size: mean main score, its range over repeats, and the mean of every further score."""
    rows = []
    for arm, shots, cells in _groups(results, results["cells"]):
        scores = [cell["score"] for cell in cells if known(cell.get("score"))]
        further = {name: mean((cell.get("scores") or {}).get(name) for cell in cells) for name in score_names(results)}
        rows.append(
            {
                "arm": arm,
                "shots": shots,
                "score": mean(scores),
                "low": min(scores, default=None),
                "high": max(scores, default=None),
                "repeats": len(scores),
                "further": further,
            }
        )
    return rows


def further_rows(results: Results) -> list[Row]:
    """Every comparison with the differences of its further scores: {"arm", "against", "shots", "further"}."""
    rows = [v for v in results["verdicts"] if v.get("further")]
    return [{name: v[name] for name in ("arm", "against", "shots", "further")} for v in rows]


def score_names(results: Results) -> list[str]:
    """Names of all further scores, in order of appearance."""
    return list(dict.fromkeys(name for cell in results["cells"] for name in cell.get("scores") or {}))


def policies(results: Results) -> list[Row]:
    """What arms that search have found: arm, training size, repeat (from 0), and sentences, one a sub-policy."""
    return [
        {"arm": cell["arm"], "shots": cell["shots"], "repeat": cell["repeat"], "words": words}
        for cell in results["cells"]
        for words in (cell.get("found") or {}).values()
    ]


def gap_rows(results: Results) -> list[Row]:
    """Arm by training size: mean share of the way from source only to oracle, its range, and each repeat's share."""
    rows = []
    for arm, shots, found in _groups(results, results["gaps"]):
        shares = [row["recovered"] for row in found if known(row.get("recovered"))]
        facts = {"share": mean(shares), "low": min(shares, default=None), "high": max(shares, default=None)}
        rows.append({"arm": arm, "shots": shots, "repeats": len(shares), **facts})
    return rows


def class_table(results: Results, shots: int | None) -> Row | None:
    """Recall per class and arm at one training size, with the difference to each arm's baseline.

    Returns `{"shots", "arms": [name], "rows": [{"name", "count", "cells": [{"recall", "difference", "colour"}]}]}`,
    or None without per-class recalls. `colour` is `helps` or `harms` where the difference exceeds the margin.
    """
    cells = [c for c in results["cells"] if c.get("shots") == shots and c.get("per_class")]
    arms = [arm for arm in arm_names(results) if any(cell["arm"] == arm for cell in cells)]
    if not arms:
        return None
    data = results["manifest"].get("data") or {}
    seen = [name for cell in cells for name in cell["per_class"]]
    names = [name for name in dict.fromkeys([*(data.get("classes") or []), *seen]) if name in set(seen)]
    recalls = {
        arm: {name: mean(c["per_class"].get(name) for c in cells if c["arm"] == arm) for name in names} for arm in arms
    }
    counts = (data.get("counts_by_size") or {}).get(str(shots), data.get("counts") or {})
    rows = [{"name": name, "count": counts.get(name), "cells": _class_cells(results, recalls, name)} for name in names]
    return {"shots": shots, "arms": arms, "rows": rows}


def _class_cells(results: Results, recalls: dict[str, dict[str, float | None]], name: str) -> list[Row]:
    against, margin = baselines(results), results["manifest"].get("margin") or 0.0
    cells = []
    for arm, by_class in recalls.items():
        base = recalls.get(against.get(arm) or "", {}).get(name)
        recall = by_class[name]
        gap = recall - base if known(recall) and known(base) else None
        colour = "" if gap is None or abs(gap) <= margin else "helps" if gap > 0 else "harms"
        cells.append({"recall": recall, "difference": gap, "colour": colour})
    return cells


QUALITIES = (
    "frechet_distance",
    "frechet_floor",
    "kernel_distance",
    "precision",
    "recall",
    "density",
    "coverage",
    "diversity",
    "agreement",
    "agreement_of_real",
)


def quality_tables(results: Results) -> list[Row]:
    """One table a feature extractor, because distances in different features cannot be compared."""
    measured = [row for row in results["generators"] if row.get("quality")]
    extractors = dict.fromkeys(row["quality"].get("extractor") for row in measured)
    return [{"extractor": name, "rows": _quality_rows(results, measured, name)} for name in extractors]


def _quality_rows(results: Results, measured: list[Row], extractor: str | None) -> list[Row]:
    same = [row for row in measured if row["quality"].get("extractor") == extractor]
    return [
        {"arm": arm, "shots": shots, "repeats": len(rows)}
        | {key: mean(row["quality"].get(key) for row in rows) for key in QUALITIES}
        for arm, shots, rows in _groups(results, same)
    ]


def planted_names(results: Results) -> list[str]:
    """The kinds of planted copies that were tried, in order of appearance."""
    copies = [row.get("copies") or {} for row in results["generators"]]
    return list(dict.fromkeys(name for found in copies for name in found.get("planted") or {}))


def copy_rows(results: Results) -> list[Row]:
    """Arm by training size: share of copies, images looked at, detection rate of each planted kind, false alarms."""
    checked = [row for row in results["generators"] if row.get("copies")]
    rows = []
    for arm, shots, found in _groups(results, checked):
        copies = [row["copies"] for row in found]
        planted = {
            name: mean((copy.get("planted") or {}).get(name) for copy in copies) for name in planted_names(results)
        }
        rows.append(
            {
                "arm": arm,
                "shots": shots,
                "share": mean(copy.get("share") for copy in copies),
                "n": sum(copy.get("n") or 0 for copy in copies) or None,
                "planted": planted,
                "false_alarms": mean(copy.get("false_alarms") for copy in copies),
            }
        )
    return rows


def failures(results: Results) -> list[Row]:
    """Failed and collapsed runs, those with the same arm, size, status and reason in one row.

    A generator's failure is listed on its own only where no cell of the same run tells it already.
    """
    bad = [row for row in results["cells"] if row.get("status") in ("failed", "collapsed")]
    told = {(row["arm"], row.get("shots"), row.get("repeat")) for row in bad}
    bad += [
        row
        for row in results["generators"]
        if row.get("status") in ("failed", "collapsed")
        and (row["arm"], row.get("shots"), row.get("repeat")) not in told
    ]
    grouped: dict[tuple[Any, ...], Row] = {}
    for row in bad:
        key = (row["arm"], row.get("shots"), row["status"], row.get("note"))
        entry = {"arm": row["arm"], "shots": row.get("shots"), "status": row["status"], "note": row.get("note")}
        entry |= {"baseline": baselines(results).get(row["arm"]), "repeats": []}
        grouped.setdefault(key, entry)["repeats"].append(row.get("repeat", 0) + 1)
    return list(grouped.values())


def collapses(results: Results) -> list[Row]:
    """Generators whose collapse alarm rang."""
    return [row for row in results["generators"] if (row.get("collapse") or {}).get("collapsed")]


def cost_rows(results: Results) -> list[Row]:
    """Arm by training size: mean seconds of one generator and one classifier run, and of all repeats together."""
    rows, makers = [], {arm["arm"]: arm.get("makers") or [arm["arm"]] for arm in results["arms"]}
    for arm, shots, cells in _groups(results, results["cells"]):
        made = [row for name in makers.get(arm, [arm]) for row in pick(results["generators"], name, shots)]
        seconds = [row.get("seconds") for row in [*made, *cells]]
        rows.append(
            {
                "arm": arm,
                "shots": shots,
                "generator": mean(row.get("seconds") for row in made),
                "classifier": mean(cell.get("seconds") for cell in cells),
                "total": sum(value for value in seconds if known(value)),
                "updates": mean(cell.get("updates") for cell in cells),
                "generated": mean(cell.get("generated") for cell in cells),
                "repeats": len(cells),
            }
        )
    return rows
