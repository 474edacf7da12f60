# SPDX-License-Identifier: Apache-2.0
"""The evidence script: stops and goes on, computes nothing twice, and tells what was run, with an instant learner."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid

from ganaug.study import cells as study_cells
from ganaug.study import generate, saturate
from ganaug.tasks.classification import Classifier

SCRIPTS = Path(__file__).parents[2] / "benchmarks"
SHORT = ["--workers", "1", "--length", "10", "--generator-steps", "2", "--arm", "smote", "--repeats", "2"]
NOWHERE = "no-such-folder"


@pytest.fixture(scope="module")
def evidence() -> ModuleType:
    sys.path.insert(0, str(SCRIPTS))
    try:
        import evidence
    finally:
        sys.path.remove(str(SCRIPTS))
    return evidence


@pytest.fixture(scope="module")
def instant(evidence):
    """Nearest means as the classifier, short looks at baseline and images; lists the classifiers that are trained."""
    trained, real = [], study_cells.train_and_score
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "TASK", Classifier(backbone=NearestCentroid(), batch_size=16))
        patch.setattr(saturate, "TRIALS", 1)
        patch.setattr(saturate, "STRENGTHS", {"weak": {"strength": 0.5}})
        patch.setattr(generate, "look_at", lambda *_: {"copies": {"share": 0.0, "n": 8}})
        patch.setattr(study_cells, "train_and_score", lambda *a: trained.append(1) or real(*a))
        yield trained


@pytest.fixture(scope="module")
def finished(evidence, instant, tmp_path_factory):
    """A folder in which one cell is finished."""
    out = tmp_path_factory.mktemp("evidence") / "out"
    go(evidence, out)
    return out


@pytest.fixture
def copy(finished, instant, tmp_path):
    """One's own copy of it; from here on nothing is trained yet."""
    instant.clear()
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def go(evidence, out, *more, only="digits:5"):
    evidence.main([NOWHERE, str(out), "--only", only, *SHORT, *more])
    return evidence.read(out / "evidence.jsonl")


# --- what there is to run -----------------------------------------------------------------------------------------


def test_the_grid_is_that_of_the_question(evidence):
    grid = [cell for cell in evidence.cells() if not cell.rare]
    assert len(grid) == 22 and {cell.repeats for cell in grid} == {5}
    assert {cell.shots for cell in grid if cell.set == "omniglot_small1"} == {5, 10}
    quick = evidence.cells(quick=True)
    assert {cell.name for cell in quick} == {
        f"{s}:{n}" for s in ("digits", "mnist", "cifar10", "bccd_cells") for n in (5, 20)
    }
    assert {cell.repeats for cell in quick} == {3} and set(evidence.QUICK) <= set(evidence.FULL) | {
        "rules+low_data_gan"
    }
    assert len({cell.name for cell in evidence.cells()}) == 27


def test_minority_cell_cuts_one_class_and_oversamples_up_to_the_others(evidence):
    import ganaug

    cell, data = evidence.minority("digits"), ganaug.load("digits")
    assert cell.name == "digits-minority" and cell.repeats == 10
    study = ganaug.Study(arms=cell.arms, shots=cell.shots, cut=evidence.cut(cell, data), repeats=cell.repeats)
    arms = {arm.name: arm for arm in study.plan(data)}
    assert {"none", "rules", "duplicate", "smote", "bagan", "low_data_gan"} <= set(arms)
    assert arms["duplicate"].kind == "generated", "judged, not only a control"
    assert all(arms[name].recipes[0][1].plan == "balance" for name in cell.arms)
    assert arms["rules+low_data_gan"].baseline == "rules" and "rules+duplicate" in arms
    counts = data.select(study.fold(data, None, 3).train).counts()
    assert counts == {str(k): 5 if k == 8 else 80 for k in range(10)}


def test_the_stored_lines_are_of_plans_that_a_run_knows_again(evidence):
    """A run whose OUT holds them does not compute these cells once more."""
    stored = evidence.read(SCRIPTS.parent / "docs" / "evidence" / "low-data.jsonl")
    plans = {line["cell"]: line["plan"] for line in stored if line["kind"] == "cell"}
    asked = SimpleNamespace(seed=0, length=None, generator_steps=None)
    quick = {cell.name: cell.plan(asked) for cell in evidence.cells(quick=True)}
    assert json.loads(json.dumps(quick["digits:5"])) == plans["digits:5"]
    assert all(set(plan) - {"rare"} == set(quick["digits:5"]) for plan in plans.values())


def test_omniglot_is_tested_on_drawers_that_never_train(evidence, tmp_path):
    drawer, character = np.tile(np.arange(1, 21), 4), np.repeat(np.arange(4), 20)
    images = np.random.default_rng(0).integers(0, 255, (80, 35, 35, 1), np.uint8)
    np.savez(tmp_path / "all.npz", images=images, labels=character, classes=np.array(list("abcd")), drawer=drawer)
    data = evidence.by_drawer(tmp_path / "all.npz")
    assert data.image.shape == (28, 28, 1)
    test, train = data.in_fold("test"), data.in_fold("train")
    assert set(data.group[test]) == set(range(15, 21)) and set(data.group[train]) == set(range(1, 15))
    assert data.select(train).counts() == dict.fromkeys("abcd", 14)


def test_a_cell_that_does_not_exist_and_no_arguments(evidence, tmp_path, capsys):
    with pytest.raises(SystemExit, match="no cell 'digits:7'"):
        go(evidence, tmp_path, only="digits:7")
    evidence.main([])
    assert capsys.readouterr().out.split()[:2] == ["digits:5", "mnist:5"]


def test_a_set_that_is_not_there_is_named_and_the_next_cell_is_looked_at(evidence, copy, capsys):
    evidence.main([NOWHERE, str(copy), "--only", "mnist:5", "--only", "digits:5", *SHORT])
    said = capsys.readouterr().err
    assert "mnist:5: not run: there is no file or folder" in said and "digits:5: finished before" in said
    assert not (copy / "mnist-5").exists()


# --- running, stopping, going on ----------------------------------------------------------------------------------


def test_lines_hold_verdicts_and_where_they_come_from(evidence, finished):
    lines = evidence.read(finished / "evidence.jsonl")
    kinds = [line["kind"] for line in lines]
    assert kinds.count("cell") == 1 and kinds.count("verdict") == 3 and kinds.count("placebo") == 1
    arms = {line["arm"] for line in lines if line["kind"] == "arm"}
    assert arms == {"none", "rules", "duplicate", "smote", "placebo:smote"}
    for line in lines:
        assert {"command", "data", "commits", "seeds", "machine", "versions"} <= set(line)
        assert len(line["data"]["fingerprint"]) == 16 and len(line["seeds"]) == 2 and len(line["commits"]) == 1
        assert line["command"].startswith("python benchmarks/evidence.py DATA OUT --arm smote --only digits:5")
    found = json.loads((finished / "digits-5" / "results.json").read_text())
    told = {(v["arm"], v["against"]): v["effect"] for v in lines if v["kind"] == "verdict"}
    assert told == {(v["arm"], v["against"]): v["effect"] for v in found["verdicts"]}


def test_a_finished_cell_is_not_run_again(evidence, instant, copy):
    first = evidence.read(copy / "evidence.jsonl")
    assert go(evidence, copy) == first and not instant
    assert len(evidence.read(copy / "runs.jsonl")) == 1


def test_more_repeats_keep_what_is_there(evidence, instant, copy):
    first = evidence.read(copy / "evidence.jsonl")
    again = go(evidence, copy, "--repeats", "3")
    assert len(instant) == 5, "one more repeat of five arms"
    assert again[: len(first)] == first and len(again) == 2 * len(first)
    kept = evidence.latest(again)
    assert len(kept) == len(first) and {line["repeats"] for line in kept} == {3}


def test_a_kill_between_study_and_lines_loses_nothing(evidence, instant, copy):
    first = evidence.read(copy / "evidence.jsonl")
    (copy / "evidence.jsonl").unlink()
    again = go(evidence, copy)
    assert not instant and [line["kind"] for line in again] == [line["kind"] for line in first]


def test_spent_minutes_stop_it_and_the_next_run_goes_on_to_the_same_verdicts(
    evidence, instant, finished, monkeypatch, tmp_path
):
    instant.clear()
    monkeypatch.setattr(
        evidence, "monotonic", lambda: float(len(instant))
    )  # a classifier takes a second, all else none
    found, rounds = [], 0
    while not found and rounds < 9:
        found, rounds = go(evidence, tmp_path, "--minutes", "0.05"), rounds + 1
    assert rounds == 4, "three, three, three, and one"
    assert len(instant) == 10, "no classifier was trained twice"
    whole = evidence.read(finished / "evidence.jsonl")
    judged = [[(v["arm"], v["effect"]) for v in lines if "verdict" in v] for lines in (whole, found)]
    assert judged[0] == judged[1]
    assert len(evidence.read(tmp_path / "runs.jsonl")) == rounds


# --- tables -------------------------------------------------------------------------------------------------------


def lines_of_a_copier():
    """Two cells in which an arm helps, in the first by copying."""
    where = {"commits": ["abc", "def"], "command": "c", "repeats": 5}
    plan = {"arms": ["rules+gan"], "length": None, "generator_steps": None, "seed": 0}
    verdict = {
        "kind": "verdict",
        "arm": "rules+gan",
        "against": "rules",
        "verdict": "helps",
        "effect": 0.03,
        "low": 0.01,
    }
    verdict |= {"high": 0.05, "p": 0.004, "repeats_needed": None, "failed": 0}
    made = {"kind": "generator", "arm": "gan", "seconds": 40.0, "generated": 500.0, "copies": 0.31, "looked_at": 512}
    made |= {"false_alarms": 0.01, "planted": {"exact": 1.0}, "quality": None}
    cost = {"kind": "arm", "arm": "rules+gan", "seconds": 7.0, "scores": [0.8, 0.9], "updates": 400, "not_ok": 1}
    rows = [{"kind": "cell", "plan": plan, "seconds": 600.0, "saturation": "Long enough."}, verdict, made, cost]
    first = [{"cell": "digits:5", "shots": 5, **row, **where} for row in rows]
    other = verdict | {"verdict": "inconclusive", "effect": -0.01, "low": -0.03}
    second = [rows[0], other, made | {"copies": 0.015}, cost]
    return first + [{"cell": "digits:10", "shots": 10, **row, **where} for row in second]


@pytest.fixture
def told(evidence, tmp_path, capsys):
    evidence.write(tmp_path / "evidence.jsonl", lines_of_a_copier())
    (tmp_path / "mnist-20").mkdir()
    evidence.main(["table", str(tmp_path)])
    assert capsys.readouterr().out.strip() == str(tmp_path / "evidence.md")
    return (tmp_path / "evidence.md").read_text()


def test_every_combination_is_listed_as_run_or_not(told, evidence):
    assert "2 of 22 combinations" in told
    assert "| digits:5 | run | rules+gan | 5 | 10 | abc, def | Long enough. |" in told
    assert "| mnist:20 | begun |" in told and "| mnist:5 | not run |" in told
    assert all(f"| {cell.name} | " in told for cell in evidence.cells())


def test_help_is_counted_and_no_copier_stands_without_a_warning(told):
    assert "| rules+gan | rules | 2 | 1 | 0 | 1 | 0 | 0 | 1 | +1.0 |" in told
    helped, open_ = (
        next(row for row in told.splitlines() if row.startswith(f"| {cell} | rules+gan | rules |"))
        for cell in ("digits:5", "digits:10")
    )
    assert (
        "| helps | +3.0 | +1.0 to +5.0 | 0.004 | 5 |" in helped
        and "31 % of gan's images copy training images" in helped
    )
    assert "copy" not in open_
    assert "| digits:5 | gan | 500 | 31.0 | 512 | 1.0 | exact 100.0 | copies |" in told


def test_an_arm_of_a_found_recipe_is_known_by_its_ids(evidence):
    assert evidence.ids_in("placebo:rules+smote (share 0.25, labels smoothed)") == ["rules", "smote"]
    assert evidence.ids_in("rules+gan(lr='1e+3')") == ["rules", "gan(lr='1e+3')"]


def test_costs_join_generator_and_classifier(told):
    assert "| digits:5 | rules+gan | 85.0 ± 7.1 | 40.0 | 7.0 | 400 | 1 |" in told
    assert "Recall of the rare class" not in told


def test_recall_of_the_rare_class_is_paired(evidence):
    facts = {"kind": "arm", "arm_kind": "generated", "cell": "digits-minority", "rare": "8", "repeats": 3}
    arms = {"none": [0.2, 0.4, 0.3], "duplicate": [0.5, 0.6, 0.7], "smote": [0.5, 0.7, 0.6]}
    lines = [{**facts, "arm": arm, "recall": recall} for arm, recall in arms.items()]
    placebo = {**facts, "arm": "placebo:smote", "arm_kind": "placebo", "recall": [0.5, 0.7, 0.6]}
    text = evidence.recalls([*lines, placebo])
    assert "| smote | 8 | 60.0 ± 10.0 | 3 | +30.0 (+30.0 to +30.0) | +0.0 (-24.8 to +24.8) |  |  |" in text
    assert "placebo" not in text
    assert "| digits-minority | none | 8 | 30.0 ± 10.0 | 3 |  |" in text


def test_recalls_of_more_and_fewer_repeats_are_compared_where_both_ran(evidence):
    facts = {"kind": "arm", "arm_kind": "generated", "cell": "digits-minority", "rare": "8", "repeats": 4}
    arms = {"none": [0.2, 0.3, 0.4, 0.9], "dada": [0.3, 0.4]}
    text = evidence.recalls([{**facts, "arm": arm, "recall": recall} for arm, recall in arms.items()])
    assert "+10.0 (+10.0 to +10.0)" in text


def test_tables_of_nothing_say_so(evidence, tmp_path):
    text = evidence.tables(tmp_path)
    assert "0 of 22 combinations" in text and "## Verdicts" not in text
