# SPDX-License-Identifier: Apache-2.0
"""How the report says things: numbers, verdict marks and the sentences that depend on what was measured."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from markupsafe import Markup, escape

MISSING = "–"
MINUS = "−"
NARROW_SPACE = "\u202f"


class Mark(NamedTuple):
    """How a verdict looks: a symbol, so that colour is never the only sign, and the name of its colour."""

    symbol: str
    colour: str


MARKS = {
    "helps": Mark("▲", "helps"),
    "harms": Mark("▼", "harms"),
    "no material difference": Mark("≈", "same"),
    "inconclusive": Mark("?", "unsure"),
}


def mark(verdict: Any) -> Mark:
    """The mark of a verdict; an unknown or missing verdict looks inconclusive."""
    return MARKS.get(str(verdict), MARKS["inconclusive"])


def known(value: Any) -> bool:
    """True for a finite number; False for None, NaN, infinity, a boolean or anything else."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def decimal(value: Any, digits: int = 2) -> str:
    """`0.8` -> `0.80`, with a true minus sign; a dash where the number is missing."""
    return f"{value:.{digits}f}".replace("-", MINUS) if known(value) else MISSING


def percent(value: Any) -> str:
    """A fraction 0..1 as percent without the sign: `0.8421` -> `84.2`."""
    return decimal(100 * value, 1) if known(value) else MISSING


def points(value: Any) -> str:
    """A difference of fractions as signed percentage points: `-0.012` -> `−1.2`."""
    if not known(value):
        return MISSING
    rounded = round(100 * value, 1) + 0.0  # adding 0.0 turns -0.0 into 0.0
    return f"{rounded:+.1f}".replace("-", MINUS) if rounded else "0.0"


def interval(low: Any, high: Any) -> str:
    """Two ends of an interval in signed points: `−0.4 to +2.1`; a dash unless both are known."""
    return f"{points(low)} to {points(high)}" if known(low) and known(high) else MISSING


def p_value(value: Any) -> str:
    """`0.0004` -> `< 0.001`, otherwise three decimals."""
    return "< 0.001" if known(value) and value < 0.001 else decimal(value, 3)


def whole(value: Any) -> str:
    """An integer with narrow spaces between thousands: `12345` -> `12 345`."""
    return f"{value:,.0f}".replace(",", NARROW_SPACE).replace("-", MINUS) if known(value) else MISSING


def duration(seconds: Any) -> str:
    """Seconds as people say them: `0.4 s`, `48 s`, `3 min 20 s`, `2 h 05 min`."""
    if not known(seconds):
        return MISSING
    if round(seconds, 1) < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def shots_name(shots: Any) -> str:
    """The size of a training fold, in images a class; None means that all of them were used."""
    return whole(shots) if known(shots) else "all"


def shots_phrase(shots: Any, of: str = "class") -> str:
    """The same as a heading: `10 images per class`, `10 training images` (`of` nothing) or `all training images`."""
    if not known(shots):
        return "all training images"
    images = f"image{'' if shots == 1 else 's'}"
    return f"{whole(shots)} {images} per {of}" if of else f"{whole(shots)} training {images}"


def plain_points(value: Any) -> str:
    """A positive fraction as points without needless zeros: `0.01` -> `1 point`, `0.005` -> `0.5 points`."""
    return f"{100 * value:g} point{'' if 100 * value == 1 else 's'}" if known(value) else MISSING


def breakable(name: Any) -> Markup:
    """A long identifier, escaped, that may break after its `+ : / _` and does not break elsewhere."""
    return Markup(re.sub(r"([+:/_])", r"\1<wbr>", str(escape(name))))


def score_title(name: str) -> str:
    """A score's key as heading: `macro_f1` -> `Macro F1`."""
    return name.replace("_", " ").capitalize().replace(" f1", " F1").replace(" iou", " IoU")


def short(name: Any, length: int) -> str:
    """At most `length` characters, the last one an ellipsis where something was cut."""
    text = str(name)
    return text if len(text) <= length else text[: length - 1] + "…"


def listed(items: Sequence[Any], limit: int = 20) -> str:
    """Items joined by commas; those beyond `limit` are counted, not shown."""
    shown = ", ".join(str(item) for item in items[:limit])
    return f"{shown} and {whole(len(items) - limit)} more" if len(items) > limit else shown


def frechet_name(extractor: Any) -> str:
    """The name that the distance has earned: FID means Inception features and nothing else (Heusel 2017)."""
    return "FID" if extractor == "inception" else "Fréchet distance"


def regime_sentence(manifest: dict[str, Any]) -> str:
    """The regime of the study in words; what is unknown is called by the name it was given."""
    regime = manifest.get("regime")
    if regime == "fixed test fold" and manifest.get("shots") == [None] and not manifest.get("cut"):
        return (
            "The test fold is fixed and nothing was ever trained on it. Each repeat trains on the same images with a "
            "new seed, so the interval, a paired t over repeats, says nothing about other training images."
        )
    if regime == "fixed test fold":
        return (
            "The test fold is fixed and nothing was ever trained on it. Each repeat draws a new training subset "
            "and a new seed; arms are compared within the same repeat, and the interval comes from a paired t "
            "over repeats."
        )
    if regime == "re-split":
        return (
            "There was no separate test fold, so each repeat splits the data anew. Repeats then share images, and "
            "the interval is widened for it. Length and strength of the rules were chosen on images that test in other "
            "repeats, for all arms alike."
        )
    return str(regime) if regime else "The regime was not recorded."


def saturation_sentence(saturation: dict[str, Any]) -> str:
    """The study's own sentence, or one made from whether the baseline had stopped improving."""
    if saturation.get("sentence"):
        return str(saturation["sentence"])
    if saturation.get("saturated") is None:
        return "Whether the baseline had stopped improving was not recorded."
    if saturation["saturated"]:
        return "The baseline had stopped improving at the chosen length."
    return (
        "The baseline was still improving at the chosen length. An under-trained baseline flatters every addition, "
        "so read gains with care."
    )
