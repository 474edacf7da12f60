# SPDX-License-Identifier: Apache-2.0
"""tune passes on what was asked and prints what came out."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

import ganaug

FOUND = {
    "sentence": "Of 9 recipes tried, rules+smote did best.",
    "verdict": {"arm": "rules+smote", "verdict": "helps", "effect": float("nan")},
    "winner": {"name": "rules+smote", "arm": {}},
    "ranking": [
        {"candidate": "rules+smote", "difference": 0.0123, "error": 0.004, "folds": 8},
        {"candidate": "rules+cutout", "difference": -0.01, "error": None, "folds": 1},
    ],
    "advice": "Use [smote].",
    "again": "ganaug study DATA --arm @out/winner.json -o again",
    "seconds": 12.5,
    "rungs": [],
}

EVERYTHING = """
tune photos --arm rules+smote --arm rules+glico --shots 5 --minutes 7.5 --margin 0.02 --workers 3 --backend ray
--task reid --unlabelled pool --resume --size 8 --fit pad --tiles 16 --seed 4 -o out
"""


@pytest.fixture
def calls(monkeypatch):
    """A search that only notes what it was asked."""
    noted = []

    class Tune:
        def __init__(self, **options):
            noted.append(options)

        def run(self, data, folder, *, resume, log):
            log(1, 4, "round 1 of 3", 60.0)
            noted.append((data, folder, resume))
            return SimpleNamespace(results=FOUND, folder=folder)

    monkeypatch.setitem(vars(ganaug), "Tune", Tune)
    monkeypatch.setitem(vars(ganaug), "load", lambda data, **options: (data, options))
    monkeypatch.setitem(vars(ganaug), "write_report", lambda folder: Path(folder) / "report.html")
    return noted


def test_every_option_is_passed_on(calls, ganaug_cli):
    assert ganaug_cli(*EVERYTHING.split()).exit_code == 0
    options, ran = calls
    assert options.pop("command").startswith("ganaug")
    assert options == {
        "arms": ["rules+smote", "rules+glico"], "shots": 5, "minutes": 7.5, "margin": 0.02, "workers": 3,
        "backend": "ray", "task": "reid", "seed": 4,
    }  # fmt: skip
    assert ran == (("photos", {"size": 8, "fit": "pad", "unlabelled": "pool", "tiles": 16}), Path("out"), True)


def test_without_options_the_search_decides(calls, ganaug_cli):
    assert ganaug_cli("tune", "photos").exit_code == 0
    options, ran = calls
    assert (options["arms"], options["shots"], options["workers"]) == (None, None, None)
    assert options["minutes"] == 45
    assert ran[1:] == (Path("ganaug-tune"), False)


def test_answer_is_printed(calls, ganaug_cli):
    text = ganaug_cli("tune", "photos", "-o", "out").stdout
    assert text.startswith("Of 9 recipes tried, rules+smote did best.\n")
    assert [line.split() for line in text.splitlines() if line.lstrip().startswith("rules+")] == [
        ["rules+smote", "1.2", "0.4", "8"],
        ["rules+cutout", "-1.0", "1"],
    ]
    assert "Use [smote]." in text
    assert "once more: ganaug study DATA --arm @out/winner.json -o again" in text
    assert text.endswith(f"report: {Path('out') / 'confirmation' / 'report.html'}\n")


def test_json_holds_the_verdict_and_where_the_rest_is(calls, ganaug_cli):
    found = json.loads(ganaug_cli("tune", "photos", "-o", "out", "--json").stdout)
    assert found["verdict"]["effect"] is None and found["winner"]["name"] == "rules+smote"
    assert found["results"] == str(Path("out") / "tune.json")


def test_mistakes_are_one_sentence(refused):
    assert "minutes must be above 0" in refused("tune", "digits", "--minutes", "0", "-o", "out")
    assert "the nearest are" in refused("tune", "digits", "--arm", "rules+acgann", "--shots", "5", "-o", "out")


def test_ctrl_c_says_how_to_go_on(ganaug_cli, monkeypatch):
    def interrupted(**_):
        raise KeyboardInterrupt

    monkeypatch.setitem(vars(ganaug), "Tune", interrupted)
    result = ganaug_cli("tune", "digits", "-o", "out")
    assert (result.exit_code, result.stderr) == (130, "stopped; go on with --resume\n")
