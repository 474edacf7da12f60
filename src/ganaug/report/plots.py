# SPDX-License-Identifier: Apache-2.0
"""The plots of the report: effects, scores, learning curves and saturation, each one panel of inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ganaug.report.svg import COLOURS, SERIES, WIDTH, panel
from ganaug.report.tables import Results, Row, arm_names, mean, pick, shots_values
from ganaug.report.words import interval, known, mark, percent, points, short, shots_name

ROW, EDGE, AXIS = 38, 1, 40  # SVG units: height of a row, side margin, room for the x axis
TRACK = 0.14  # how far the track of a row lies below its middle, in rows; its label lies above


def _rows_axes(figure: Figure, rows: int) -> Axes:
    """Axes with `rows` rows, the first on top at y = 0, the next at y = -1; room for a label above each."""
    height = rows * ROW
    total = height + AXIS
    axes = figure.add_axes((EDGE / WIDTH, AXIS / total, 1 - 2 * EDGE / WIDTH, height / total))
    axes.set_ylim(-rows + 0.55, 0.55)
    axes.set_yticks([])
    axes.tick_params(axis="x", length=3)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    return axes


def _row_text(axes: Axes, row: int, left: str, right: str, colour: str = "ink") -> None:
    place = {"transform": axes.get_yaxis_transform(), "va": "center"}
    axes.text(0, 0.28 - row, left, ha="left", **place)
    axes.text(1, 0.28 - row, right, ha="right", color=COLOURS[colour], **place)


# --- effects ---------------------------------------------------------------------------------------------------------


def effect_limits(verdicts: Sequence[Row], margin: float) -> tuple[float, float]:
    """One x range in points for all panels: every interval, zero and the margin band fit in."""
    ends = [100 * v[key] for v in verdicts for key in ("effect", "low", "high") if known(v.get(key))]
    low, high = min([*ends, -150 * margin, -0.5]), max([*ends, 150 * margin, 0.5])
    room = 0.04 * (high - low)
    return low - room, high + room


def forest(verdicts: Sequence[Row], margin: float, limits: tuple[float, float], name: str = "effect") -> Markup:
    """Forest plot of one training size: effect and interval in points, the +-margin band, a symbol per verdict."""

    def draw(figure: Figure) -> None:
        axes = _rows_axes(figure, len(verdicts))
        axes.set_xlim(*limits)
        for row, verdict in enumerate(verdicts):
            _track(axes, row, 100 * margin)
            _effect(axes, row, verdict)
        axes.set_xlabel("difference to the baseline, percentage points")

    told = "; ".join(f"{_pair(v)}: {points(v.get('effect'))}, {v.get('verdict') or 'not decided'}" for v in verdicts)
    return panel(name, f"Effects in percentage points. {told}", len(verdicts) * ROW + AXIS, draw)


def _pair(verdict: Row) -> str:
    return " vs ".join(str(verdict[key]) for key in ("arm", "against") if verdict.get(key))


def _track(axes: Axes, row: int, margin: float) -> None:
    # drawn row by row so that neither band nor zero line crosses the words above
    axes.broken_barh([(-margin, 2 * margin)], (-row - TRACK - 0.19, 0.38), color=COLOURS["band"], linewidth=0)
    axes.plot([0, 0], [-row - TRACK - 0.19, -row - TRACK + 0.19], color=COLOURS["muted"], linewidth=1)


def _effect(axes: Axes, row: int, verdict: Row) -> None:
    symbol, colour = mark(verdict.get("verdict"))
    low, high, effect = (verdict.get(key) for key in ("low", "high", "effect"))
    if known(low) and known(high):
        axes.plot([100 * low, 100 * high], [-row - TRACK] * 2, color=COLOURS[colour], linewidth=2)
    if known(effect):
        axes.plot([100 * effect], [-row - TRACK], "o", color=COLOURS[colour], markersize=7)
    spread = f" ({interval(low, high)})" if known(low) and known(high) else ""
    _row_text(axes, row, short(_pair(verdict), 34), f"{symbol} {points(effect)}{spread}", colour)


# --- scores ----------------------------------------------------------------------------------------------------------


def strip(results: Results, shots: int | None, limits: tuple[float, float], name: str = "score") -> Markup:
    """Every repeat of every arm as a dot, hollow where the run failed, and the mean as a bar."""
    arms = [arm for arm in arm_names(results) if _scored(results, arm, shots)]

    def draw(figure: Figure) -> None:
        axes = _rows_axes(figure, len(arms))
        axes.set_xlim(*limits)
        for row, arm in enumerate(arms):
            _dots(axes, row, arm, _scored(results, arm, shots))
        axes.set_xlabel(f"{results['manifest'].get('score', 'score')} on real test images, %")

    told = "; ".join(f"{arm} {percent(mean(c['score'] for c in _scored(results, arm, shots)))}" for arm in arms)
    return panel(name, f"Mean score per arm. {told}", len(arms) * ROW + AXIS, draw)


def _scored(results: Results, arm: str, shots: int | None) -> list[Row]:
    return [cell for cell in pick(results["cells"], arm, shots) if known(cell.get("score"))]


def score_limits(results: Results) -> tuple[float, float]:
    """One x range in percent for all panels."""
    scores = [100 * cell["score"] for cell in results["cells"] if known(cell.get("score"))]
    room = max(0.05 * (max(scores) - min(scores)), 0.5)
    return min(scores) - room, max(scores) + room


def _dots(axes: Axes, row: int, arm: str, cells: list[Row]) -> None:
    y, colour = -row - TRACK, COLOURS["series-0"]
    axes.axhline(y, color=COLOURS["rule"], linewidth=0.8)
    for cell in cells:
        face = colour if cell.get("status", "ok") == "ok" else "none"
        axes.plot([100 * cell["score"]], [y], "o", color=colour, markerfacecolor=face, markersize=6, alpha=0.6)
    middle = 100 * fmean(cell["score"] for cell in cells)
    axes.plot([middle] * 2, [y - 0.17, y + 0.17], color=COLOURS["ink"], linewidth=2.5)
    _row_text(axes, row, short(arm, 40), f"mean {middle:.1f}")


def learning_curves(results: Results, name: str = "curves") -> Markup:
    """Mean score of every arm over the training sizes, each line named at its end; gaps where nothing was scored."""
    sizes = shots_values(results["cells"])
    lines = {arm: [_mean_percent(results, arm, size) for size in sizes] for arm in arm_names(results)}
    lines = {arm: values for arm, values in lines.items() if any(known(value) for value in values)}

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((36 / WIDTH, AXIS / 280, 212 / WIDTH, 1 - (AXIS + 12) / 280))
        _plot_series(axes, range(len(sizes)), lines)
        axes.set_xticks(range(len(sizes)), [shots_name(size) for size in sizes])
        of = results["manifest"].get("shots_of", "class")
        axes.set_xlabel(f"training images per {of}" if of else "training images")
        _name_ends(axes, lines)

    return panel(name, "Learning curves: mean score in percent over the number of training images", 280, draw)


def _mean_percent(results: Results, arm: str, size: int | None) -> float:
    score = mean(cell["score"] for cell in _scored(results, arm, size))
    return float("nan") if score is None else 100 * score


def _plot_series(axes: Axes, x: Sequence[float], lines: dict[str, list[float]]) -> None:
    for i, values in enumerate(lines.values()):
        style = {"color": COLOURS[f"series-{i % SERIES}"], "marker": "os^Dv"[i % 5], "linewidth": 1.8, "markersize": 5}
        axes.plot(x, values, **style)
    axes.grid(axis="y")
    axes.tick_params(axis="both", length=3)


def _name_ends(axes: Axes, lines: dict[str, list[float]]) -> None:
    low, high = axes.get_ylim()
    places = _apart([[v for v in values if known(v)][-1] for values in lines.values()], (high - low) / 15)
    for i, (arm, y) in enumerate(zip(lines, places, strict=True)):
        colour = COLOURS[f"series-{i % SERIES}"]
        axes.text(1.03, y, short(arm, 20), transform=axes.get_yaxis_transform(), va="center", color=colour)


def equivalents(found: Results, against: str, name: str = "worth") -> Markup:
    """The rising curve of a baseline over log n, and from each arm a line to where that curve is as high.

    `found` is the part `learning_curve` of the results. Numbers that leave the curve end in an arrowhead at the edge.
    """
    curve = next(row for row in found["curves"] if row["arm"] == against)
    rows = [row for row in found["worth"] if row["against"] == against and known(row.get("score"))]

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((36 / WIDTH, AXIS / 280, 212 / WIDTH, 1 - (AXIS + 12) / 280))
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_xticks(curve["shots"], [shots_name(size) for size in curve["shots"]])
        axes.plot(curve["shots"], [100 * value for value in curve["rising"]], color=COLOURS["ink"], linewidth=2)
        axes.plot(curve["shots"], [100 * value for value in curve["mean"]], "o", color=COLOURS["ink"], markersize=4)
        lines = {arm: [row for row in rows if row["arm"] == arm] for arm in dict.fromkeys(row["arm"] for row in rows)}
        for i, own in enumerate(lines.values()):
            for row in own:
                _equivalent(axes, row, curve["shots"], COLOURS[f"series-{i % SERIES}"])
        axes.tick_params(axis="both", length=3)
        axes.set_xlabel(" per ".join(["training images", *([found["of"]] if found.get("of") else [])]))
        _name_ends(axes, {arm: [100 * row["score"] for row in own[-1:]] for arm, own in lines.items()})

    told = "; ".join(str(row.get("sentence") or "") for row in rows)
    return panel(name, f"What arms are worth on the curve of {against}. {told}", 280, draw)


def _equivalent(axes: Axes, row: Row, sizes: Sequence[int], colour: str) -> None:
    edge = {"above": (sizes[-1], ">"), "below": (sizes[0], "<")}
    end, tip = edge.get(row.get("leaves") or "", (row.get("equivalent"), "|"))
    y = 100 * row["score"]
    axes.plot([row["shots"]], [y], "o", color=colour, markersize=6)
    if known(end):
        axes.plot([row["shots"], end], [y, y], color=colour, linewidth=1.6, linestyle=(0, (3, 2)))
        axes.plot([end], [y], tip, color=colour, markersize=7)


def _apart(values: list[float], gap: float) -> list[float]:
    """Values moved so that neighbours are at least `gap` apart, keeping their order and about their mean."""
    order = sorted(range(len(values)), key=values.__getitem__)
    placed: dict[int, float] = {}
    last = float("-inf")
    for i in order:
        last = placed[i] = max(values[i], last + gap)
    shift = fmean(placed[i] - values[i] for i in order) if order else 0.0
    return [placed[i] - shift for i in range(len(values))]


# --- saturation ------------------------------------------------------------------------------------------------------


def saturation_curve(saturation: dict[str, Any], name: str = "saturation") -> Markup | None:
    """Score over classifier steps, one line an arm and strength, single runs as dots, the chosen length marked.

    None where nothing was scored.
    """
    series = _saturation_series(saturation)
    if not series:
        return None

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((36 / WIDTH, AXIS / 260, 1 - 50 / WIDTH, 1 - (AXIS + 50) / 260))
        for i, (label, runs) in enumerate(series.items()):
            _saturation_line(axes, i, label, runs)
        _chosen(axes, saturation.get("chosen"))
        axes.grid(axis="y")
        axes.set_xlabel("classifier steps")
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(-0.02, 1.06), ncols=2, borderpad=0)

    return panel(name, "Score in percent over classifier steps", 260, draw)


def _saturation_series(saturation: dict[str, Any]) -> dict[str, list[tuple[float, float]]]:
    series: dict[str, list[tuple[float, float]]] = {}
    for point in saturation.get("curve") or []:
        label = " ".join(str(point[key]) for key in ("arm", "strength") if point.get(key))
        runs = [(point.get("steps"), 100 * score) for score in point.get("scores") or [] if known(score)]
        if runs and known(point.get("steps")):
            series.setdefault(short(label, 26), []).extend(runs)
    return series


def _saturation_line(axes: Axes, i: int, label: str, runs: list[tuple[float, float]]) -> None:
    steps = sorted({step for step, _ in runs})
    means = [fmean(score for step, score in runs if step == at) for at in steps]
    colour = COLOURS[f"series-{i % SERIES}"]
    axes.plot([step for step, _ in runs], [score for _, score in runs], "o", color=colour, markersize=4, alpha=0.4)
    axes.plot(steps, means, color=colour, linewidth=2, label=label)


def _chosen(axes: Axes, steps: Any) -> None:
    if known(steps):
        axes.axvline(steps, color=COLOURS["ink"], linewidth=1.2, linestyle=(0, (4, 3)))
        axes.text(
            steps, 1.0, f" chosen: {steps:g} ", transform=axes.get_xaxis_transform(), va="bottom", ha=_side(axes, steps)
        )


def _side(axes: Axes, x: float) -> str:
    low, high = axes.get_xlim()
    return "left" if x < (low + high) / 2 else "right"
