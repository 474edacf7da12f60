# SPDX-License-Identifier: Apache-2.0
"""Learning curves, and the number of real images that an arm is worth: read off the curve of its baseline.

The baseline's mean scores are made rising by isotonic regression (more real images do no harm) and joined by straight
lines over the logarithm of the number of images. An arm at n images stands as far above or below this curve as it does
in the paired comparison with its baseline; where the curve is as high, there is the number of real images that does
equally well without the arm. That number minus n is what the arm is worth.

Its interval inverts the paired test of the study along the curve: it holds every number of real images at which arm and
baseline, paired repeat by repeat, can't be told apart (as Fieller's interval of a ratio does, JRSS B 16, 1954). A
percentile bootstrap would be too narrow, because there is only a handful of repeats to draw from. The claim is about a
baseline whose expected score runs straight over log n between the measured sizes. Nothing is extrapolated: where it
leaves the curve, number or bound is "at least" or "below the smallest size". Intervals stand for one arm alone.

All functions are pure; cells are those of `results.json`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import inf, isfinite, log
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy import ndarray
from sklearn.isotonic import isotonic_regression

from ganaug.study.statistics import Estimate, crossed_t, paired_t

PLACES = 16  # at which an interval is looked for between two sizes
TINY = 1e-9  # of a score: rounding

Terms = Mapping[tuple[str, int], float]  # (arm, size) -> weight
Contrast = Callable[[Terms], Estimate]  # what is known of the mean over repeats of a weighted sum of cells


def by_repeats(cells: Sequence[Mapping[str, Any]], level: float = 0.95) -> Contrast:
    """Weighted sums by the paired t over repeats: the regime with a fixed test fold."""
    scores = stacked(cells, lambda cell: cell["score"])
    return lambda terms: paired_t(weighted(scores, terms), level=level)


def by_repeats_and_units(
    cells: Sequence[Mapping[str, Any]],
    tests: Sequence[Int[ndarray, " n"]],
    groups: Shaped[ndarray, " rows"] | None = None,
    level: float = 0.95,
) -> Contrast:
    """Weighted sums by the crossed t over repeats and test units: the re-split regime.

    The cells have `units`; `tests` are the test rows of each repeat, `groups` those of every row of the set.
    """
    tested = np.unique(np.concatenate(tests))
    scores = stacked(cells, lambda cell: cell["score"])
    units = stacked(cells, lambda cell: placed(cell["units"], tests[cell["repeat"]], tested))
    own = None if groups is None else groups[tested]
    return lambda terms: crossed_t(weighted(scores, terms), weighted(units, terms), own, level=level)


def stacked(cells: Sequence[Mapping[str, Any]], value: Callable[[Any], Any]) -> dict[tuple[str, int], ndarray]:
    """A value of every cell by arm and size, repeats in their order."""
    found: dict[tuple[str, int], list] = {}
    for cell in sorted(cells, key=lambda cell: cell["repeat"]):
        found.setdefault((cell["arm"], cell["shots"]), []).append(value(cell))
    return {place: np.array(values, float) for place, values in found.items()}


def placed(units: Sequence[float | None], rows: Int[ndarray, " n"], tested: Int[ndarray, " u"]) -> Float[ndarray, " u"]:
    """The units of one repeat among all that were ever tested, NaN for the others."""
    found = np.full(len(tested), np.nan)
    found[np.searchsorted(tested, rows)] = np.array(units, float)
    return found


def weighted(values: Mapping[tuple[str, int], ndarray], terms: Terms) -> ndarray:
    """The weighted sum, repeat by repeat."""
    return np.sum([weight * values[place] for place, weight in terms.items() if weight], axis=0)


# --- the part of results.json -----------------------------------------------------------------------------------


def learning_curve(
    cells: Sequence[Mapping[str, Any]],
    pairs: Sequence[tuple[str, str]],
    contrast: Contrast,
    *,
    of: str = "class",
    parts: int = 1,
    level: float = 0.95,
) -> dict:
    """Curves of all arms, and what each arm is worth; empty with fewer than two sizes.

    `pairs` are arms with their baselines, `of` what the sizes count images of ("" for images altogether) and `parts`
    how many of these there are. Returns

    - `curves`: [{arm, shots, mean, low, high}] and, for baselines, `rising`, the curve that numbers are read off;
    - `steps`: [{arm, from, to, effect, low, high}] from each size to the next of each baseline;
    - `worth`: [{arm, against, shots, generated, score, equivalent, leaves, low, high, sentence}], where `equivalent` is
      the number of real images with which the baseline scores as the arm does, None where it `leaves` the curve "above"
      or "below"; `low` and `high` bound it, None where they leave the curve;
    - `sentence`: what arms that add images are worth at the smallest size.
    """
    sizes = sorted({cell["shots"] for cell in cells if cell["shots"] is not None})
    if len(sizes) < 2:
        return {}
    baselines = list(dict.fromkeys(base for _, base in pairs))
    steps = [step_of(base, a, b, contrast) for base in baselines for a, b in pairwise(sizes)]
    rows = [
        worth_of(arm, base, size, sizes, contrast) | {"generated": generated_by(arm, size, cells, parts)}
        for arm, base in pairs
        for size in sizes
        if any(c["status"] == "ok" for c in cells if (c["arm"], c["shots"]) == (arm, size))
    ]
    worth = [{**row, "sentence": sentence(row, sizes, steps, of, level)} for row in rows]
    first = [row["sentence"] for row in worth if row["generated"] and row["shots"] == sizes[0]]
    arms = list(dict.fromkeys(cell["arm"] for cell in cells))
    curves = [curve_of(arm, sizes, contrast, arm in baselines) for arm in arms]
    return {"of": of, "curves": curves, "steps": steps, "worth": worth, "sentence": " ".join(first)}


def curve_of(arm: str, sizes: Sequence[int], contrast: Contrast, baseline: bool) -> dict:
    """Mean score of an arm at every size, with intervals; of a baseline also the rising curve."""
    found = [contrast({(arm, n): 1.0}) for n in sizes]
    mean = [e.effect for e in found]
    low, high = ([finite(value) for value in ends] for ends in zip(*((e.low, e.high) for e in found), strict=True))
    curve = {"arm": arm, "shots": list(sizes), "mean": mean, "low": low, "high": high}
    return curve | ({"rising": isotonic_regression(mean).tolist()} if baseline else {})


def step_of(arm: str, size: int, larger: int, contrast: Contrast) -> dict:
    """What more real images bring: the oracle that every arm is held against, and whether the curve can tell at all."""
    found = contrast({(arm, larger): 1.0, (arm, size): -1.0})
    bounds = {"effect": found.effect, "low": finite(found.low), "high": finite(found.high)}
    return {"arm": arm, "from": size, "to": larger, **bounds}


def generated_by(arm: str, size: int, cells: Sequence[Mapping[str, Any]], parts: int) -> int:
    """Generated images for each part of the set, in repeats where the arm ran."""
    return round(max(c["generated"] for c in cells if (c["arm"], c["shots"]) == (arm, size)) / parts)


def worth_of(arm: str, against: str, shots: int, sizes: Sequence[int], contrast: Contrast) -> dict:
    """The number of real images with which the baseline scores as the arm does at `shots`, with its interval."""
    curve = isotonic_regression([contrast({(against, n): 1.0}).effect for n in sizes])
    score = float(curve[sizes.index(shots)]) + contrast({(arm, shots): 1.0, (against, shots): -1.0}).effect
    equal = inverse(sizes, curve, score, shots)
    low, high = bounds(arm, against, shots, sizes, contrast)
    low, high = min(low, equal), max(high, equal)
    leaves = "below" if equal == 0 else "above" if equal == inf else ""
    row = {"arm": arm, "against": against, "shots": shots, "score": score, "leaves": leaves}
    return row | {"equivalent": finite(equal or inf), "low": finite(low or inf), "high": finite(high)}


def bounds(arm: str, against: str, shots: int, sizes: Sequence[int], contrast: Contrast) -> tuple[float, float]:
    """The fewest and the most real images that the test can't tell from the arm; 0 and infinity off the curve."""
    places = np.unique(np.concatenate([np.geomspace(a, b, PLACES + 1) for a, b in pairwise(sizes)]))
    found = [contrast({(arm, shots): 1.0, **at(against, n, sizes, -1.0)}) for n in places]
    over, under = [e.low for e in found], [e.high for e in found]
    first = next((i for i, value in enumerate(over) if value <= TINY), None)
    last = next((i for i in reversed(range(len(places))) if under[i] >= -TINY), None)
    low = sizes[-1] if first is None else crossing(places, over, first - 1) if first else 0.0
    high = sizes[0] if last is None else crossing(places, under, last) if last < len(places) - 1 else inf
    return low, high


def at(arm: str, n: float, sizes: Sequence[int], weight: float) -> dict[tuple[str, int], float]:
    """The arm's curve at n images as a weighted sum of its cells, straight over log n between two sizes."""
    i = min(max(int(np.searchsorted(sizes, n)) - 1, 0), len(sizes) - 2)
    share = log(n / sizes[i]) / log(sizes[i + 1] / sizes[i])
    share = min(max(share, 0.0), 1.0)
    return {(arm, sizes[i]): weight * (1 - share), (arm, sizes[i + 1]): weight * share}


def crossing(places: Sequence[float] | ndarray, values: Sequence[float] | ndarray, i: int) -> float:
    """Where values go through zero between place i and the next, straight over log n."""
    here, there = values[i], values[i + 1]
    share = here / (here - there) if isfinite(here) and isfinite(there) and here != there else 0.0
    return float(places[i] * (places[i + 1] / places[i]) ** min(max(share, 0.0), 1.0))


def inverse(sizes: Sequence[int], curve: Sequence[float], score: float, near: float) -> float:
    """The number of images at which a rising curve reaches a score, the one nearest to `near` where it is flat.

    0 where the score is below the curve, infinity above it.
    """
    if score < curve[0] - TINY or score > curve[-1] + TINY:
        return 0.0 if score < curve[0] else inf
    first = next(i for i, value in enumerate(curve) if value >= score - TINY)
    last = next(i for i in reversed(range(len(curve))) if curve[i] <= score + TINY)
    low = crossing(sizes, np.subtract(curve, score), first - 1) if first else sizes[0]
    high = crossing(sizes, np.subtract(curve, score), last) if last < len(sizes) - 1 else sizes[-1]
    return float(min(max(near, low), high))


def finite(value: float) -> float | None:
    """The value, None for infinity."""
    return float(value) if isfinite(value) else None


# --- in words ---------------------------------------------------------------------------------------------------


def sentence(row: Mapping[str, Any], sizes: Sequence[int], steps: Sequence[Mapping], of: str, level: float) -> str:
    """What an arm is worth, and whether the curve can tell."""
    each, n = f" a {of}" if of else "", row["shots"]
    images = "image" if n == 1 else "images"
    arm = f"{row['generated']} generated ones{each}" if row["generated"] else row["arm"]
    was = "were" if row["generated"] else "was"
    compared = f"{row['arm']} against {row['against']}, {interval(row, 100 * level)}"
    told = f"With {n} real {images}{each}, {arm} {amount(row, sizes, was)} ({compared})."
    return told if rises(row, steps) else f"{told} The curve of {row['against']} is flat there, so this says little."


def amount(row: Mapping[str, Any], sizes: Sequence[int], was: str) -> str:
    """`were worth 12 more real ones`."""
    if row["leaves"] == "above":
        return f"{was} worth at least {sizes[-1] - row['shots']} more real ones, as far as the curve goes"
    if row["leaves"] == "below":
        return f"did worse than {sizes[0]} real ones do, the smallest size"
    more = row["equivalent"] - row["shots"]
    gained, lost = f"{was} worth {number(more)} more real ones", f"did as much harm as losing {number(-more)} would"
    return gained if more > -0.05 else lost


def interval(row: Mapping[str, Any], percent: float) -> str:
    """`95 % interval 3 to 20`, of the images gained; a bound off the curve is told as such."""
    low, high = (None if row[end] is None else number(row[end] - row["shots"]) for end in ("low", "high"))
    name = f"{percent:g} % interval"
    if low is None and high is None:
        return f"{name} beyond the curve on both sides"
    if high is None:
        return f"{name} at least {low}"
    return f"{name} at most {high}, from below the smallest size on" if low is None else f"{name} {low} to {high}"


def rises(row: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the baseline surely gains from more real images on one side of this size."""
    own = [s for s in steps if s["arm"] == row["against"] and row["shots"] in (s["from"], s["to"])]
    return any(s["low"] is not None and s["low"] > 0 for s in own)


def number(value: float) -> str:
    """Ten and more as whole numbers, fewer with a decimal where it says something."""
    text = f"{value:.0f}" if abs(value) >= 9.95 else f"{value:.1f}".removesuffix(".0")
    return text.replace("-", "\N{MINUS SIGN}") if text != "-0" else "0"
