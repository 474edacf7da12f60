# SPDX-License-Identifier: Apache-2.0
"""Plots: what is drawn where, in colours of the page and with text as text."""

from __future__ import annotations

import re
from itertools import pairwise

import matplotlib
import pytest

from ganaug.report import plots
from ganaug.report.svg import COLOURS, WIDTH


def forest(verdicts, margin=0.01, limits=(-8.0, 8.0)):
    return str(plots.forest(verdicts, margin, limits))


def dots(svg: str, colour: str) -> list[float]:
    """x of every marker drawn in this colour, in SVG units."""
    return [float(x) for x in re.findall(rf'<use [^>]*?x="([\d.]+)"[^>]*?fill: var\(--{colour}\)', svg)]


def axis(value: float, limits=(-8.0, 8.0)) -> float:
    """Where a value of the x axis lies in a panel of rows, in SVG units."""
    share = (value - limits[0]) / (limits[1] - limits[0])
    return plots.EDGE + share * (WIDTH - 2 * plots.EDGE)


def test_the_dot_lies_at_the_effect_and_the_line_spans_the_interval(results):
    svg = forest([v for v in results["verdicts"] if v["verdict"] == "helps"])
    assert dots(svg, "helps") == pytest.approx([axis(4.0)], abs=0.1)
    line = re.search(r'<path d="M ([\d.]+) [\d.]+ \nL ([\d.]+) [\d.]+ \n" [^>]*stroke: var\(--helps\)', svg)
    assert [float(x) for x in line.groups()] == pytest.approx([axis(2.5), axis(5.5)], abs=0.2)


def test_the_band_is_as_wide_as_the_margin(results):
    svg = forest(results["verdicts"][:1], margin=0.02)
    shape = re.search(r'<use xlink:href="#(\w+)" x="0"[^>]*fill: var\(--band\)', svg).group(1)
    corners = re.search(rf'<path id="{shape}" d="([^"]+)"', svg).group(1)
    xs = [float(x) for x in re.findall(r"[ML] ([\d.]+)", corners)]
    assert (min(xs), max(xs)) == pytest.approx((axis(-2.0), axis(2.0)), abs=0.1)


def test_all_panels_can_show_all_intervals():
    verdicts = [{"arm": "a", "effect": 0.01, "low": -0.09, "high": 0.11}, {"arm": "b", "effect": None}]
    low, high = plots.effect_limits(verdicts, 0.01)
    assert low < -9.0 and high > 11.0
    assert plots.effect_limits([], 0.02)[1] > 2.0


def test_colours_come_from_the_page_only(results):
    drawn = [forest(results["verdicts"]), plots.strip(results, 10, (70, 90)), plots.learning_curves(results)]
    drawn.append(plots.saturation_curve(results["saturation"]))
    for svg in map(str, drawn):
        assert svg.count("var(--") > 10
        assert not re.search(r"#[0-9a-f]{6}\b", svg.lower())  # no fixed colour, so no white background either
        assert svg.startswith(f'<svg viewBox="0 0 {WIDTH} ') and svg.endswith("</svg>")
    assert len(set(COLOURS.values())) == len(COLOURS)


def test_names_stay_text_whatever_they_contain(results):
    svg = forest([{"arm": "$\\frac$ <b>猫</b>", "verdict": "harms", "effect": -0.02}])
    assert "$\\frac$ &lt;b&gt;猫&lt;/b&gt;" in svg and "▼ −2.0" in svg


def test_failed_runs_are_hollow_and_count_in_the_mean(results):
    svg = str(plots.strip(results, 10, (70.0, 90.0)))
    assert len(dots(svg, "series-0")) == 7  # eight runs, one of them failed
    assert "mean 80.5" in svg and "mean 84.5" in svg


def test_curves_leave_out_arms_without_scores(results):
    for cell in results["cells"]:
        if cell["arm"] == "none" or (cell["arm"] == "rules" and cell["shots"] is None):
            cell["score"] = None
    svg = str(plots.learning_curves(results))
    assert ">none<" not in svg and ">rules<" in svg and ">rules+acgan<" in svg
    assert ">all<" in svg and ">10<" in svg


def test_names_at_line_ends_keep_order_and_distance():
    placed = plots._apart([5.0, 1.0, 1.1, 1.05], 0.5)
    assert [sorted(placed).index(p) for p in placed] == [3, 0, 2, 1]
    ordered = sorted(placed)
    assert all(b - a >= 0.5 - 1e-9 for a, b in pairwise(ordered))
    assert sum(placed) == pytest.approx(8.15)
    assert plots._apart([1.0, 3.0], 0.5) == [1.0, 3.0]


def test_the_chosen_length_is_marked_on_the_saturation_curve(results):
    assert "chosen: 100" in plots.saturation_curve(results["saturation"])
    assert plots.saturation_curve({"curve": [{"arm": "rules", "steps": 5, "scores": [None]}]}) is None


def test_drawing_leaves_matplotlib_as_it_was(results):
    before = dict(matplotlib.rcParams)
    forest(results["verdicts"])
    assert dict(matplotlib.rcParams) == before
