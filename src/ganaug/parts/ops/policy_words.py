# SPDX-License-Identifier: Apache-2.0
"""Policies of automatic augmentation in plain English."""

from __future__ import annotations

from collections.abc import Sequence

from ganaug.parts.ops.policy_ops import POLICY_OPS, SubPolicy, meaningful, policy_table

PHRASES = {
    "ShearX": "slant it sideways by {:.3g} % of its height, either way",
    "ShearY": "slant it up or down by {:.3g} % of its width",
    "TranslateX": "shift it left or right by {:.3g} % of its width",
    "TranslateY": "shift it up or down by {:.3g} % of its height",
    "Rotate": "turn it by {:.3g} degrees, either way",
    "Brightness": "make it brighter or darker by {:.3g} %",
    "Color": "make its colours stronger or paler by {:.3g} %",
    "Contrast": "raise or lower its contrast by {:.3g} %",
    "Sharpness": "sharpen or blur it by {:.3g} %",
    "Posterize": "keep {:.3g} of the 8 bits of its values",
    "Solarize": "invert its values above {:.3g} % of the range",
    "AutoContrast": "stretch its values to the whole range",
    "Equalize": "equalise its histogram",
    "Invert": "invert its values",
    "FlipX": "mirror it left to right",
    "FlipY": "mirror it top to bottom",
}
UNCHANGED = {**dict.fromkeys(list(PHRASES)[:9], 0.0), "Posterize": 8.0}
PERCENT = ("ShearX", "ShearY", "Brightness", "Color", "Contrast", "Sharpness")  # magnitudes are shares


def in_words(policy: Sequence[SubPolicy], bins: int, channels: int) -> list[str]:
    """One sentence a sub-policy: each operation with its probability and strength, in order.

    Operations that never happen, change nothing, or mean nothing for this number of channels, are left out.
    """
    table = policy_table(100, 100, bins)  # of a side of 100 px, translations are percents
    known = meaningful(channels)

    def phrase(name: str, probability: float, level: int) -> str:
        strength = float(table[POLICY_OPS.index(name), level])
        if name not in known or name not in PHRASES or probability == 0 or strength == UNCHANGED.get(name):
            return ""
        scale = 100 if name in PERCENT else 100 / 255 if name == "Solarize" else 1
        how = PHRASES[name].format(strength * scale)
        return how if probability >= 1 else f"{how} (in {100 * probability:.0f} % of cases)"

    said = [", then ".join(filter(None, (phrase(*op) for op in sub))) or "leave it as it is" for sub in policy]
    return [f"{text[0].upper()}{text[1:]}." for text in said]
