# SPDX-License-Identifier: Apache-2.0
"""A short run of `claims/calibration.py`: the verdicts keep their error rates, simpler tests would not."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

CLAIMS = Path(__file__).parents[2] / "claims"
STUDIES = 300
BY_CHANCE = 0.05 + 3 * np.sqrt(0.05 * 0.95 / STUDIES)


@pytest.fixture(scope="module")
def calibration() -> ModuleType:
    sys.path.insert(0, str(CLAIMS))
    try:
        import calibration
    finally:
        sys.path.remove(str(CLAIMS))
    return calibration


@pytest.fixture(scope="module")
def rows(calibration: ModuleType) -> dict[tuple[str, int], dict]:
    chosen = [s for s in calibration.SETTINGS if s.name in ("fixed, hard", "re-split, all rows")]
    found = [row for s in chosen for row in calibration.calibrate(s, STUDIES, seed=5)]
    return {(row["setting"].split(",")[0], row["repeats"]): row for row in found}


CASES = [(regime, repeats) for regime in ("fixed", "re-split") for repeats in (5, 10)]


@pytest.mark.parametrize("case", CASES)
def test_wrong_verdicts_are_rare(rows, case):
    row = rows[case]
    assert row["wrong"] <= BY_CHANCE
    assert row["placebo"]["helps"] <= BY_CHANCE
    assert row["wrong sign"] <= BY_CHANCE and row["wrong equivalence"] <= BY_CHANCE


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["null", "effect"])
def test_intervals_cover_the_truth(rows, case, kind):
    assert 0.92 <= np.mean(list(rows[case][kind].values())) <= 0.98


def test_true_effects_are_what_they_are_called_and_are_found(rows):
    row = rows["fixed", 10]
    assert row["truth"]["+5"] == pytest.approx(0.05, abs=0.01)
    assert row["power"]["+1"] < row["power"]["+2"] < row["power"]["+5"] and row["power"]["+5"] > 0.8


def test_the_plain_t_would_be_too_narrow_and_the_corrected_t_too_wide(rows):
    # the controls: on the very same studies, which the crossed t judges rightly
    row = rows["re-split", 10]
    lasting = ("ridge", "informative")
    crossed, plain = (np.mean([r[a] for a in lasting]) for r in (row["effect"], row["plain t"]["effect"]))
    assert plain < 0.91 < crossed
    assert np.mean(list(row["corrected t"]["null"].values())) > 0.985
