# SPDX-License-Identifier: Apache-2.0
"""The rules that turn differences into one of four words."""

from __future__ import annotations

import numpy as np
import pytest

from ganaug.study import results
from ganaug.study.statistics import corrected_resampled_t, crossed_t, holm, paired_t
from ganaug.study.verdict import FIRST_LOOK, Comparison, Verdict, verdicts

FIXED = "fixed test fold"
SHAPE = np.array([-2.0, -1.0, 0.0, 1.0, 2.0]) / np.sqrt(2.5)  # mean 0, standard deviation 1


def row(effect: float, sd: float, arm: str = "a") -> Comparison:
    return Comparison(arm, "none", 10, effect + sd * SHAPE)


def judge(*rows: Comparison, margin: float = 0.01) -> list[Verdict]:
    return verdicts(rows, margin=margin, regime=FIXED)


def test_the_four_words():
    words = [v.verdict for v in judge(row(0.05, 0.01), row(-0.05, 0.01), row(0.001, 0.003), row(0.02, 0.03))]
    assert words == ["helps", "harms", "no material difference", "inconclusive"]


def test_a_significant_effect_below_the_margin_is_immaterial():
    surely_small = row(0.004, 0.001)
    assert judge(surely_small)[0].p < 0.001
    assert judge(surely_small)[0].verdict == "no material difference"
    assert judge(surely_small, margin=0.002)[0].verdict == "helps"


def test_holm_runs_over_all_comparisons_of_the_study():
    borderline = row(0.03, 0.021)
    assert 0.02 < judge(borderline)[0].p_raw < 0.05
    assert judge(borderline)[0].verdict == "helps"
    others = [row(0.0, 0.05, f"arm {i}") for i in range(3)]
    found = judge(*others, borderline)
    assert [v.arm for v in found] == ["arm 0", "arm 1", "arm 2", "a"]
    assert found[-1].verdict == "inconclusive"
    assert [v.p for v in found] == pytest.approx(holm(np.array([v.p_raw for v in found])).tolist())


def test_numbers_come_from_the_test_of_the_regime():
    c = row(0.02, 0.02)
    d, rng = c.differences, np.random.default_rng(0)
    units = np.where(rng.random((5, 30)) < 0.5, rng.choice([-1.0, 0.0, 1.0], 30), np.nan)
    fixed = judge(c)[0]
    assert (fixed.low, fixed.high, fixed.p_raw) == pytest.approx((paired_t(d).low, paired_t(d).high, paired_t(d).p))
    bare = verdicts([c], margin=0.01, regime="re-split", ratio=0.5)[0]
    assert bare.low == pytest.approx(corrected_resampled_t(d, 0.5).low)
    full = verdicts([c._replace(unit_differences=units)], margin=0.01, regime="re-split")[0]
    assert full.low == pytest.approx(crossed_t(d, units).low)
    assert full.regime == "re-split" and len({fixed.low, bare.low, full.low}) == 3


def test_groups_reach_the_re_split_test():
    rng = np.random.default_rng(1)
    units = np.repeat(np.where(rng.random((5, 12)) < 0.6, rng.choice([-1.0, 0.0, 1.0], 12), np.nan), 4, 1)
    c = Comparison("a", "none", None, np.nanmean(units, 1), units)
    alone, grouped = (
        verdicts([x], margin=0.01, regime="re-split")[0] for x in (c, c._replace(groups=np.repeat(np.arange(12), 4)))
    )
    assert grouped.high - grouped.low > alone.high - alone.low


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="ratio"):
        verdicts([row(0, 1)], margin=0.01, regime="re-split")
    with pytest.raises(ValueError, match="margin"):
        judge(row(0, 1), margin=0.0)
    with pytest.raises(ValueError, match="regime"):
        verdicts([row(0, 1)], margin=0.01, regime="fixed")  # type: ignore[arg-type]
    assert verdicts([], margin=0.01, regime=FIXED) == []


def test_one_repeat_is_inconclusive():
    found = judge(Comparison("a", "none", None, np.array([0.2])))[0]
    assert (found.verdict, found.low, found.high, found.p) == ("inconclusive", None, None, 1.0)
    assert found.repeats_needed == FIRST_LOOK
    expected = "a is inconclusive against none: +20.0 points (no interval, 1 repeat). About 5 repeats would decide."
    assert found.sentence() == expected


@pytest.mark.parametrize(
    ("value", "repeats", "word"),
    [
        (0.0, 2, "inconclusive"),
        (0.0, 3, "no material difference"),
        (0.005, 3, "no material difference"),
        (0.05, 5, "inconclusive"),  # sign test: 2^-4 = 0.0625
        (0.05, 6, "helps"),
        (-0.05, 6, "harms"),
    ],
)
def test_equal_differences_without_units(value, repeats, word):
    found = judge(Comparison("a", "none", None, np.full(repeats, value)))[0]
    assert found.verdict == word
    assert found.p > 0


def test_equal_differences_are_judged_by_the_size_of_the_test_fold():
    def word(units: int) -> str:
        c = Comparison("a", "none", None, np.zeros(5), np.zeros((5, units)))
        return judge(c)[0].verdict

    assert (word(20), word(300)) == ("inconclusive", "no material difference")


def test_repeats_needed_only_when_inconclusive_and_more_than_there_are():
    for effect in np.linspace(-0.05, 0.05, 21):
        found = judge(row(effect, 0.02))[0]
        if found.verdict == "inconclusive":
            assert found.repeats_needed is None or found.repeats_needed > 5
        else:
            assert found.repeats_needed is None


def test_repeats_needed_keeps_its_promise():
    # The announced number of repeats decides in about 80 % of studies with the announced effect and spread.
    needed = judge(row(0.02, 0.02))[0].repeats_needed
    rng = np.random.default_rng(4)
    later = [judge(Comparison("a", "none", 1, rng.normal(0.02, 0.02, needed)))[0].verdict for _ in range(400)]
    assert 0.72 < np.mean([w == "helps" for w in later]) < 0.9


def test_no_number_of_repeats_decides_when_images_are_too_few():
    # Deterministic arms: more re-splits of the same 30 rows say the same again.
    rng = np.random.default_rng(5)
    lasting = np.where(rng.random(30) < 0.4, rng.choice([-1.0, 1.0], 30), 0.0)
    units = np.full((12, 30), np.nan)
    for r in range(12):
        fold = rng.permutation(30)[:10]
        units[r, fold] = lasting[fold]
    found = verdicts([Comparison("a", "none", None, np.nanmean(units, 1), units)], margin=0.01, regime="re-split")[0]
    assert found.verdict == "inconclusive" and found.repeats_needed is None
    assert found.sentence().endswith("No number of repeats up to 1000 would decide; more test images would help.")


def base(**changes) -> Verdict:
    facts = {
        "arm": "bagan", "against": "none", "shots": None, "verdict": "helps", "effect": 0.0231, "low": 0.008,
        "high": 0.0389, "p": 0.0041, "p_raw": 0.001, "p_equivalence": 0.9, "repeats": 10, "repeats_needed": None,
        "regime": FIXED, "margin": 0.01, "alpha": 0.05,
    }  # fmt: skip
    return Verdict(**(facts | changes))


def test_sentences():
    helps = "bagan helps against none: +2.3 points (95 % interval +0.8 to +3.9, p = 0.004, 10 repeats)."
    assert base().sentence() == helps
    harms = base(verdict="harms", effect=-0.02, low=-0.03, high=-0.01, shots=10, p=0.0).sentence()
    assert harms == (
        "bagan harms against none with 10 training images a class: −2.0 points "
        "(95 % interval −3.0 to −1.0, p < 0.001, 10 repeats)."
    )
    same = base(verdict="no material difference", p_equivalence=0.0312, alpha=0.1).sentence()
    assert same == (
        "bagan makes no material difference against none: +2.3 points (90 % interval +0.8 to +3.9, "
        "within 1 points either way, p = 0.03, 10 repeats)."
    )
    unclear = base(verdict="inconclusive", p=0.31, repeats_needed=23).sentence()
    assert unclear == (
        "bagan is inconclusive against none: +2.3 points (95 % interval +0.8 to +3.9, p = 0.31, 10 repeats). "
        "About 23 repeats would decide."
    )


@pytest.mark.parametrize(
    ("of", "said"),
    [
        ("class", "10 training images a class:"),
        ("identity", "10 training images an identity:"),
        ("", "10 training images:"),
    ],
)
def test_sentence_says_what_training_sizes_count(of, said):
    one = verdicts(
        [Comparison("arm", "rules", 10, np.array([0.1, 0.2, 0.15]))], margin=0.01, alpha=0.05, regime="fixed test fold"
    )[0]
    assert said in one.sentence(of)


@pytest.mark.parametrize(
    ("of", "shots", "said"),
    [
        ("class", 10, "gan with 10 training images of each class: pairs."),
        ("", 10, "gan with 10 training images: pairs."),
        ("identity", None, "gan: pairs."),
    ],
)
def test_captions_say_what_sizes_count(of, shots, said):
    assert results.caption({"arm": "gan", "shots": shots, "caption": "pairs"}, of) == said
