# SPDX-License-Identifier: Apache-2.0
"""From differences over repeats to a verdict in plain words, all comparisons of a study at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from typing import Literal, NamedTuple

import numpy as np
from numpy import ndarray

from ganaug.study.statistics import (
    Estimate,
    corrected_resampled_t,
    crossed_t,
    equivalence,
    holm,
    paired_t,
    repeats_needed,
    resolution,
)

Regime = Literal["fixed test fold", "re-split"]
Word = Literal["helps", "harms", "no material difference", "inconclusive"]

# With one repeat the spread is unknown; five is the least number at which the intervals were calibrated.
FIRST_LOOK = 5


class Comparison(NamedTuple):
    """One arm against another at one training size.

    `differences` [R]: score of the arm minus score of the other, one a repeat (0.01 = one point).
    `unit_differences` [R, U]: the same for each test unit, NaN where it was not tested in that repeat, and
    `groups` [U]. Optional: they give the re-split regime its right interval, and both regimes the resolution
    of the score.
    """

    arm: str
    against: str
    shots: int | None
    differences: ndarray
    unit_differences: ndarray | None = None
    groups: ndarray | None = None


@dataclass(frozen=True)
class Verdict:
    """What a study says about one comparison; effects on the scale of the score.

    `low`, `high`: interval of level 1 - alpha, not adjusted for the number of comparisons, None after one
    repeat. `p`: Holm-adjusted over the study, `p_raw`: alone, `p_equivalence`: two one-sided tests against
    +-margin. `repeats_needed`: only when inconclusive, about how many repeats would decide, None if 1000
    would not.
    """

    arm: str
    against: str
    shots: int | None
    verdict: Word
    effect: float
    low: float | None
    high: float | None
    p: float
    p_raw: float
    p_equivalence: float
    repeats: int
    repeats_needed: int | None
    regime: Regime
    margin: float
    alpha: float

    def sentence(self, of: str = "class") -> str:
        """The verdict in one plain sentence, effects in points (hundredths of the score); `of`: what sizes count in."""
        return f"{self._claim(of)}: {signed(self.effect)} points ({self._evidence()}).{self._advice()}"

    def _claim(self, of: str) -> str:
        said = {"no material difference": "makes no material difference", "inconclusive": "is inconclusive"}
        each = f" {'an' if of[0] in 'aeiou' else 'a'} {of}" if of else ""
        size = "" if self.shots is None else f" with {self.shots} training image{'s' * (self.shots != 1)}{each}"
        return f"{self.arm} {said.get(self.verdict, self.verdict)} against {self.against}{size}"

    def _evidence(self) -> str:
        repeats = "1 repeat" if self.repeats == 1 else f"{self.repeats} repeats"
        if self.low is None or self.high is None:
            return f"no interval, {repeats}"
        interval = f"{100 * (1 - self.alpha):g} % interval {signed(self.low)} to {signed(self.high)}"
        if self.verdict == "no material difference":
            within = f"within {100 * self.margin:g} points either way, {_p(self.p_equivalence)}"
            return f"{interval}, {within}, {repeats}"
        return f"{interval}, {_p(self.p)}, {repeats}"

    def _advice(self) -> str:
        if self.verdict != "inconclusive":
            return ""
        if self.repeats_needed is None:
            return " No number of repeats up to 1000 would decide; more test images would help."
        return f" About {self.repeats_needed} repeats would decide."


def verdicts(
    comparisons: Iterable[Comparison | tuple],
    *,
    margin: float,
    alpha: float = 0.05,
    regime: Regime,
    ratio: float | None = None,
) -> list[Verdict]:
    """Judge all comparisons of a study together, in the given order.

    Equivalence shown (p_equivalence < alpha): "no material difference", even where the effect is significant.
    Else Holm-adjusted p < alpha: "helps" or "harms" by the sign. Else "inconclusive". The fixed test fold is
    judged by `paired_t`, the re-split regime by `crossed_t`, or by `corrected_resampled_t` with `ratio` =
    n_test / n_train for comparisons that bring no unit differences. `margin`: the least difference that
    matters, above zero.

    Small studies: one repeat is inconclusive. Equal differences in all repeats are judged by the resolution
    of the score where unit differences are given. Where they are not, the spread counts as zero: at least 3
    repeats inside the margin are no material difference, and outside it the p is that of the sign test, 2^(1
    - R), never 0. Raises ValueError for a margin that is not positive, an unknown regime, or a missing
    `ratio`.
    """
    if not margin > 0:
        raise ValueError(f"margin: expected a number above 0, found {margin}")
    rows = [Comparison(*c) for c in comparisons]
    estimates = [_estimate(c, regime, ratio, 1 - alpha) for c in rows]
    adjusted = holm(np.array([e.p for e in estimates]))
    return [
        _verdict(c, e, float(p), margin, alpha, regime, len(rows))
        for c, e, p in zip(rows, estimates, adjusted, strict=True)
    ]


def _estimate(c: Comparison, regime: Regime, ratio: float | None, level: float) -> Estimate:
    if regime == "fixed test fold":
        step = 0.0 if c.unit_differences is None else resolution(c.unit_differences)
        return paired_t(c.differences, level=level, step=step)
    if regime != "re-split":
        raise ValueError(f"regime: expected 'fixed test fold' or 're-split', found {regime!r}")
    if c.unit_differences is not None:
        return crossed_t(c.differences, c.unit_differences, c.groups, level=level)
    if ratio is None:
        raise ValueError("ratio: n_test / n_train is needed for a re-split comparison without unit differences")
    return corrected_resampled_t(c.differences, ratio, level=level)


def _verdict(c: Comparison, e: Estimate, p: float, margin: float, alpha: float, regime: Regime, count: int) -> Verdict:
    p_equivalence = equivalence(e, margin)
    word = _word(e.effect, p, p_equivalence, alpha)
    needed = _needed(e, len(c.differences), margin, alpha, count) if word == "inconclusive" else None
    known = len(c.differences) > 1
    return Verdict(
        arm=c.arm,
        against=c.against,
        shots=c.shots,
        verdict=word,
        effect=e.effect,
        low=e.low if known else None,
        high=e.high if known else None,
        p=p,
        p_raw=e.p,
        p_equivalence=p_equivalence,
        repeats=len(c.differences),
        repeats_needed=needed,
        regime=regime,
        margin=margin,
        alpha=alpha,
    )


def _word(effect: float, p: float, p_equivalence: float, alpha: float) -> Word:
    # Equivalence first: an effect that is surely there and surely below the margin is immaterial.
    if p_equivalence < alpha:
        return "no material difference"
    if p < alpha:
        return "helps" if effect > 0 else "harms"
    return "inconclusive"


def _needed(e: Estimate, repeats: int, margin: float, alpha: float, count: int) -> int | None:
    if repeats < 2:
        return FIRST_LOOK
    sd = sqrt(max(e.error**2 - e.shared, 0.0) * repeats)
    needed = repeats_needed(e.effect, sd, margin, shared=e.shared, comparisons=count, alpha=alpha)
    # The observed spread may allow a decision already where this sample was judged by a stricter rule.
    return None if needed is None else max(needed, repeats + 1)


def signed(value: float) -> str:
    """A difference of scores in points with its sign; 0.0 has none."""
    points = round(100 * value, 1)
    return f"{points:+.1f}".replace("-", "\N{MINUS SIGN}") if points else "0.0"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.{3 if value < 0.0095 else 2}f}"
