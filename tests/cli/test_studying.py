# SPDX-License-Identifier: Apache-2.0
"""study, demo and evaluate pass on what was asked and print what came out."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

import ganaug

RESULTS = {
    "summary": {"headline": "cutout helps.", "why_arms": "", "advice": "Use [cutout]."},
    "verdicts": [
        {"arm": "cutout", "verdict": "helps", "effect": float("nan"), "sentence": "cutout helps against rules: +2.0."},
        {"arm": "smote", "verdict": "inconclusive"},
    ],
    "placebos": [{"arm": "smote", "sentence": "The placebo of smote does not help."}],
}

EVERYTHING = """
study photos --arm cutout --arm rules+acgan --shots 5 --shots 10 --unit total --repeats 3 --workers 2 --backend ray
--length 20 --generator-steps 30 --margin 0.02 --cut a=b=3 --unlabelled pool --without duplicate
--export-folds folds --resume --size 8 --fit pad --tiles 16 --seed 4 -o out
"""


@pytest.fixture
def calls(monkeypatch):
    """A study that only notes what it was asked."""
    noted = []

    class Study:
        def __init__(self, **options):
            noted.append(options)

        def export_folds(self, data, folder):
            noted.append(("export", data, folder))

        def run(self, data, folder, *, resume, log):
            log(1, 4, "training", 2.0)
            noted.append(("run", data, folder, resume))
            return SimpleNamespace(results=RESULTS, folder=folder)

    monkeypatch.setitem(vars(ganaug), "Study", Study)
    monkeypatch.setitem(vars(ganaug), "load", lambda data, **options: (data, options))
    monkeypatch.setitem(vars(ganaug), "write_report", lambda folder: Path(folder) / "report.html")
    return noted


def test_study_passes_every_option_on(calls, ganaug_cli):
    assert ganaug_cli(*EVERYTHING.split()).exit_code == 0
    options, exported, ran = calls
    assert options.pop("command").startswith("ganaug")
    assert options == {
        "arms": ["cutout", "rules+acgan"], "shots": [5, 10], "repeats": 3, "workers": 2, "backend": "ray", "seed": 4,
        "steps": 20, "generator_steps": 30, "margin": 0.02, "cut": {"a=b": 3}, "leave_out": ["duplicate"],
        "task": "classification", "offer_rest": False, "unit": "total",
    }  # fmt: skip
    data = ("photos", {"size": 8, "fit": "pad", "unlabelled": "pool", "tiles": 16})
    assert exported == ("export", data, Path("folds"))
    assert ran == ("run", data, Path("out"), True)


def test_without_options_the_study_decides(calls, ganaug_cli):
    assert ganaug_cli("study", "photos", "-o", "out").exit_code == 0
    options, ran = calls
    undecided = {name: options[name] for name in ("arms", "shots", "steps", "generator_steps", "cut")}
    assert undecided == dict.fromkeys(undecided) and ran[3] is False


def test_exported_folds_stay_when_a_study_resumes(calls, ganaug_cli, tmp_path):
    (tmp_path / "folds").mkdir()
    ganaug_cli("study", "photos", "--export-folds", "folds", "--resume", "-o", "out")
    assert [call[0] for call in calls[1:]] == ["run"]


def test_study_prints_the_answer(calls, ganaug_cli):
    result = ganaug_cli("study", "photos", "-o", "out")
    assert result.stdout.splitlines() == [
        "cutout helps.",
        "  cutout helps against rules: +2.0.",
        "  The placebo of smote does not help.",
        "Use [cutout].",
        f"report: {Path('out') / 'report.html'}",
    ]
    found = json.loads(ganaug_cli("study", "photos", "-o", "out", "--json").stdout)
    assert found["verdicts"][0]["effect"] is None and found["report"] == str(Path("out") / "report.html")


def test_demo_goes_on_where_it_was_and_opens_only_when_asked(calls, ganaug_cli, monkeypatch):
    opened = []
    monkeypatch.setattr("typer.launch", opened.append)
    result = ganaug_cli("demo")
    assert result.exit_code == 0 and "report: ganaug-demo" in result.stdout
    assert calls[-1] == ("run", ("digits", {}), Path("ganaug-demo"), True) and opened == []
    ganaug_cli("demo", "-o", "shown", "--open")
    assert [address.rsplit("/", 2)[1:] for address in opened] == [["shown", "report.html"]]


def test_evaluate_prints_nested_values(ganaug_cli, monkeypatch, calls):
    found = {
        "quality": {"extractor": "small CNN", "precision": 0.51234},
        "copies": {"rows": list(range(40))},
        "usefulness": {},
    }
    monkeypatch.setitem(
        vars(ganaug), "evaluate", lambda real, fake, seed, log: {**found, "asked": [real[0], fake[0], seed]}
    )
    text = ganaug_cli("evaluate", "photos", "more", "--seed", 3).stdout
    assert "small CNN" in text and "0.5123" in text and "and 28 more" in text
    assert json.loads(ganaug_cli("evaluate", "photos", "more", "--seed", 3, "--json").stdout) == {
        **found,
        "asked": ["photos", "more", 3],
    }
