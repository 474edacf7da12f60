# SPDX-License-Identifier: Apache-2.0
"""Rows over repeats, worked by hand."""

from __future__ import annotations

import pytest

from ganaug.report import tables
from ganaug.report.html import write_report

CLASS = "<script>alert(1)</script>"
FOLDER = "rules+folder:/tmp/x y"


def row(rows, arm, shots):
    (found,) = [r for r in rows if r["arm"] == arm and r["shots"] == shots]
    return found


def test_scores_are_means_over_repeats_by_size_and_arm(results):
    rows = tables.score_rows(results)
    assert [(r["shots"], r["arm"]) for r in rows][:2] == [(10, "none"), (10, "rules")]
    assert [r["shots"] for r in rows] == [10] * 4 + [None] * 4
    rules = row(rows, "rules", 10)  # 0.80 and 0.81
    assert rules["score"] == pytest.approx(0.805) and rules["repeats"] == 2
    assert (rules["low"], rules["high"]) == pytest.approx((0.80, 0.81))
    assert rules["further"] == pytest.approx({"accuracy": 0.805, "macro_f1": 0.795})


def test_a_missing_score_leaves_the_mean_of_the_others(results):
    results["cells"][1]["score"] = None  # rules, 10 images, repeat 0
    rules = row(tables.score_rows(results), "rules", 10)
    assert rules["score"] == pytest.approx(0.81) and rules["repeats"] == 1


def test_class_differences_are_to_the_arms_own_baseline(results):
    table = tables.class_table(results, 10)
    assert [r["name"] for r in table["rows"]] == results["manifest"]["data"]["classes"]
    none, rules, acgan, folder = table["rows"][1]["cells"]  # second class: score - 0.05
    assert none["difference"] is None and none["recall"] == pytest.approx(0.655)
    assert rules["difference"] == pytest.approx(0.10)  # against none
    assert acgan["difference"] == pytest.approx(0.04)  # against rules
    assert (rules["colour"], acgan["colour"], folder["colour"]) == ("helps", "helps", "")


def test_a_class_below_its_baseline_by_more_than_the_margin_is_marked(results):
    for cell in results["cells"]:
        if cell["arm"] == FOLDER:
            cell["per_class"] = {name: value - 0.02 for name, value in cell["per_class"].items()}
    assert tables.class_table(results, 10)["rows"][0]["cells"][3]["colour"] == "harms"
    results["manifest"]["margin"] = 0.03
    assert tables.class_table(results, 10)["rows"][0]["cells"][3]["colour"] == ""


def test_no_table_of_classes_without_recalls(results):
    assert tables.class_table(results, 77) is None


def test_quality_is_averaged_within_one_extractor_only(results):
    (table,) = tables.quality_tables(results)
    assert table["rows"][0]["frechet_distance"] == pytest.approx(3.5)
    assert table["rows"][0]["coverage"] is None
    results["generators"][1]["quality"]["extractor"] = "inception"
    first, second = tables.quality_tables(results)
    assert (first["rows"][0]["frechet_distance"], second["rows"][0]["frechet_distance"]) == (3.0, 4.0)


def test_copies_are_pooled_with_the_planted_kinds_in_order(results):
    results["generators"][1]["copies"] |= {"share": 0.04, "planted": {"flipped": 0.7, "shifted": 0.9}}
    (found,) = tables.copy_rows(results)
    assert tables.planted_names(results) == ["exact", "flipped", "shifted"]
    assert found["share"] == pytest.approx(0.03) and found["n"] == 100
    assert found["planted"] == pytest.approx({"exact": 1.0, "flipped": 0.6, "shifted": 0.9})


def test_failures_are_gathered_and_a_generators_failure_is_told_once(results):
    results["cells"][3] |= {"status": "failed", "note": results["cells"][7]["note"]}
    results["generators"][0] |= {"status": "collapsed", "note": "flat"}
    results["generators"][1] |= {"status": "failed", "note": "told by its cell"}
    results["cells"][6] |= {"status": "failed", "note": "the generator fell over"}  # acgan, 10 images, repeat 1
    listed = [(f["arm"], f["repeats"], f["note"]) for f in tables.failures(results)]
    assert listed == [
        (FOLDER, [1, 2], "no image <img src=x> could be read"),
        ("rules+acgan", [2], "the generator fell over"),
        ("rules+acgan", [1], "flat"),
    ]


def test_costs_count_generator_and_classifier(results):
    rows = tables.cost_rows(results)
    acgan, rules = row(rows, "rules+acgan", 10), row(rows, "rules", 10)
    assert (acgan["generator"], acgan["classifier"], acgan["total"]) == (40.0, 2.0, 84.0)
    assert (rules["generator"], rules["total"]) == (None, 4.0)
    assert row(rows, "rules+acgan", None)["generator"] is None  # its generator was fitted at the other size


def test_found_policies_are_told_arm_by_arm_and_repeat_by_repeat():
    found = {"fast_autoaugment": ["Turn it by 4 degrees, either way.", "Leave it as it is."]}
    cells = [{"arm": "rules", "shots": 5, "repeat": 0}, {"arm": "searched", "shots": 5, "repeat": 1, "found": found}]
    rows = tables.policies({"cells": cells})
    assert rows == [{"arm": "searched", "shots": 5, "repeat": 1, "words": found["fast_autoaugment"]}]


def test_differences_in_further_scores_stand_beside_their_intervals(study, results):
    results["verdicts"][0]["further"] = {"accuracy": {"effect": 0.021, "low": -0.004, "high": None}}
    (row,) = tables.further_rows(results)
    assert (row["arm"], row["against"]) == (results["verdicts"][0]["arm"], "rules")
    page = write_report(study(results)).read_text()
    assert "Differences in the further scores" in page and "+2.1<br>" in page


def test_costs_of_an_arm_count_what_makes_its_images(results):
    results["generators"] = [{**made, "arm": "acgan"} for made in results["generators"]]
    arm = next(arm for arm in results["arms"] if arm["arm"] == "rules+acgan")
    arm["makers"] = ["acgan"]
    assert row(tables.cost_rows(results), "rules+acgan", 10)["generator"] == 40.0


def test_class_tables_count_the_images_of_their_size(results):
    results["manifest"]["data"]["counts_by_size"] = {"10": {CLASS: 10}, "None": {CLASS: 400}}
    small, whole = (tables.class_table(results, shots)["rows"] for shots in (10, None))
    assert [next(r for r in rows if r["name"] == CLASS)["count"] for rows in (small, whole)] == [10, 400]
