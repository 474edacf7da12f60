# SPDX-License-Identifier: Apache-2.0
"""What arms are worth in real images: the picture and the sentences."""

from __future__ import annotations

import re
from math import log

import pytest

from ganaug.report import plots
from ganaug.report.html import write_report

LEFT, RIGHT = 36, 36 + 212  # of the axes, in SVG units


@pytest.fixture
def found():
    """A baseline from 5 to 50 images; one arm worth 10 more real ones, one that leaves the curve."""
    base = {"arm": "rules", "shots": [5, 20, 50], "mean": [0.7, 0.8, 0.9], "low": [0.6] * 3, "high": [1.0] * 3}
    row = {"against": "rules", "shots": 10, "generated": 50, "leaves": "", "low": 8, "high": None}
    rows = [
        row | {"arm": "gan", "score": 0.8, "equivalent": 20, "sentence": "gan <b>was</b> worth 10."},
        row | {"arm": "better", "score": 0.89, "equivalent": None, "leaves": "above", "sentence": "better: much."},
        row | {"arm": "worse", "score": 0.71, "equivalent": None, "leaves": "below", "sentence": "worse: nothing."},
    ]
    return {
        "of": "class",
        "curves": [base | {"rising": base["mean"]}],
        "steps": [],
        "worth": rows,
        "sentence": "In short.",
    }


def dashes(svg: str, colour: str) -> tuple[float, float, float, float]:
    """Ends of the dashed line of one colour."""
    path = rf'<path d="M ([\d.]+) ([\d.]+) \nL ([\d.]+) ([\d.]+) \n"[^>]*stroke-dasharray[^>]*var\(--{colour}\)'
    return tuple(map(float, re.search(path, svg).groups()))


def place(svg: str, n: float) -> float:
    """x of n images, from the ends of the baseline's line."""
    path = re.search(r'<path d="(M [^"]+)"[^>]*stroke: var\(--ink\)', svg).group(1)
    xs = [float(x) for x in re.findall(r"[ML] ([\d.]+) ", path)]
    return xs[0] + (xs[-1] - xs[0]) * log(n / 5) / log(50 / 5)


def test_a_level_line_leads_from_the_arm_to_where_the_baseline_is_as_high(found):
    svg = str(plots.equivalents(found, "rules"))
    x0, y0, x1, y1 = dashes(svg, "series-0")
    assert y0 == y1 and (x0, x1) == pytest.approx((place(svg, 10), place(svg, 20)), abs=0.2)
    assert dashes(svg, "series-1")[2] == pytest.approx(place(svg, 50), abs=0.2), "an arm that leaves the curve above"
    assert dashes(svg, "series-2")[2] == pytest.approx(place(svg, 5), abs=0.2), "and below"
    assert LEFT < place(svg, 5) < place(svg, 50) < RIGHT
    assert ">5<" in svg and ">50<" in svg and "training images per class" in svg
    assert not re.search(r"#[0-9a-f]{6}\b", svg.lower())


def test_the_report_says_it_and_escapes_it(study, results, found):
    page = write_report(study(results | {"learning_curve": found})).read_text(encoding="utf-8")
    assert "What is it worth in real images?" in page and "In short." in page
    assert "gan &lt;b&gt;was&lt;/b&gt; worth 10." in page and "<b>was" not in page


@pytest.mark.parametrize("empty", [{}, {"worth": []}, None])
def test_without_a_curve_nothing_is_said(study, results, empty):
    page = write_report(study(results | {"learning_curve": empty})).read_text(encoding="utf-8")
    assert "worth in real images" not in page
