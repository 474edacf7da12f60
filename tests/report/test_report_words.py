# SPDX-License-Identifier: Apache-2.0
"""Numbers and sentences, against what a reader expects to see."""

from __future__ import annotations

import math

import pytest

from ganaug.report import words


@pytest.mark.parametrize(
    ("function", "value", "said"),
    [
        (words.points, 0.0123, "+1.2"),
        (words.points, -0.0123, "−1.2"),
        (words.points, -0.0001, "0.0"),
        (words.points, 0.0, "0.0"),
        (words.points, None, "–"),
        (words.percent, 0.8421, "84.2"),
        (words.percent, math.nan, "–"),
        (words.decimal, -1.005, "−1.00"),
        (words.decimal, True, "–"),
        (words.p_value, 0.0004, "< 0.001"),
        (words.p_value, 0.0416, "0.042"),
        (words.p_value, None, "–"),
        (words.whole, 1234567, "1\u202f234\u202f567"),
        (words.plain_points, 0.01, "1 point"),
        (words.plain_points, 0.005, "0.5 points"),
        (words.plain_points, 0.03, "3 points"),
        (words.duration, 0.04, "0.0 s"),
        (words.duration, 9.96, "10 s"),
        (words.duration, 48.2, "48 s"),
        (words.duration, 59.7, "1 min 00 s"),
        (words.duration, 200, "3 min 20 s"),
        (words.duration, 7512, "2 h 05 min"),
        (words.duration, "soon", "–"),
        (words.shots_phrase, 1, "1 image per class"),
        (words.shots_phrase, None, "all training images"),
        (words.score_title, "macro_f1", "Macro F1"),
        (words.score_title, "mean_iou", "Mean IoU"),
        (words.frechet_name, "inception", "FID"),
        (words.frechet_name, "inception-like", "Fréchet distance"),
        (words.frechet_name, None, "Fréchet distance"),
    ],
)
def test_numbers_as_people_write_them(function, value, said):
    assert function(value) == said


def test_a_training_size_counts_what_the_task_counts():
    assert words.shots_phrase(10, "identity") == "10 images per identity"
    assert words.shots_phrase(10, "") == "10 training images" and words.shots_phrase(1, "") == "1 training image"


def test_an_interval_needs_both_ends():
    assert words.interval(-0.004, 0.021) == "−0.4 to +2.1"
    assert words.interval(-0.004, None) == "–"


def test_every_verdict_has_its_own_symbol_and_colour():
    symbols, colours = zip(*words.MARKS.values(), strict=True)
    assert len(set(symbols)) == len(set(colours)) == 4
    assert words.mark("something new") == words.mark("inconclusive")


def test_long_lists_are_cut_with_a_count():
    assert words.listed(["a", "b", "c"], limit=2) == "a, b and 1 more"
    assert words.listed(["a", "b"], limit=2) == "a, b"


def test_names_break_after_their_joints_and_are_escaped():
    assert words.breakable("rules+a_b") == "rules+<wbr>a_<wbr>b"
    assert words.breakable("<b>&") == "&lt;b&gt;&amp;"
    assert words.short("abcdef", 4) == "abc…" and words.short("abcd", 4) == "abcd"


def test_regime_and_saturation_in_words():
    assert "fixed" in words.regime_sentence({"regime": "fixed test fold"})
    assert "splits the data anew" in words.regime_sentence({"regime": "re-split"})
    assert words.regime_sentence({}) == "The regime was not recorded."
    assert words.saturation_sentence({"sentence": "So it was.", "saturated": False}) == "So it was."
    assert "had stopped improving" in words.saturation_sentence({"saturated": True})
    assert "still improving" in words.saturation_sentence({"saturated": False})
