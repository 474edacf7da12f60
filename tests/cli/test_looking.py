# SPDX-License-Identifier: Apache-2.0
"""list, show and inspect say what the catalogue, the source and the library say."""

from __future__ import annotations

import inspect
import json

import pytest

import ganaug
from ganaug.cli import source

SYSTEMS = [entry for entry in ganaug.catalogue().values() if entry.folder != "tasks" and entry.name]


def test_list_shows_every_id(ganaug_cli):
    text = ganaug_cli("list").stdout
    listed = {line.split()[0] for line in text.splitlines() if line.strip()}
    assert set(ganaug.catalogue()) <= listed
    assert {entry["id"] for entry in json.loads(ganaug_cli("list", "--json").stdout)} == set(ganaug.catalogue())


def test_list_of_an_unknown_task_names_the_known(refused):
    assert "classification" in refused("list", "--task", "cooking")


@pytest.mark.parametrize("entry", SYSTEMS, ids=lambda entry: entry.id)
def test_parameters_read_from_the_source_are_those_of_the_class(entry):
    signature = inspect.signature(entry.load().__init__).parameters
    real = {
        name: parameter.default for name, parameter in signature.items() if parameter.kind is parameter.KEYWORD_ONLY
    }
    read = source.parameters(entry)
    assert list(read) == list(real)
    plain = {name: value for name, value in real.items() if isinstance(value, (int, float, str, type(None)))}
    assert {name: eval(read[name], vars(inspect.getmodule(entry.load()))) for name in plain} == plain


def test_show_has_paper_card_parameters_and_presets(ganaug_cli):
    text = ganaug_cli("show", "dcgan").stdout
    for part in ("dcgan: DCGAN", "arXiv 1511.06434", "min_rows", "weight_decay", "batch_size=8"):
        assert part in text
    shown = json.loads(ganaug_cli("show", "dcgan", "--json").stdout)
    assert shown["parameters"]["latent"] == "100" and shown["presets"]["tiny"]["width"] == 8
    assert shown["min_rows"] == 50 and shown["folder"] == "low_data"


def test_inspect_prints_what_it_found(ganaug_cli):
    found = json.loads(ganaug_cli("inspect", "digits", "--json").stdout)
    assert found["rows"] == 1797 and sum(found["counts"].values()) == 1078
    text = ganaug_cli("inspect", "digits").stdout
    assert "1797" in text and "8x8" in text
    assert all(suiting["id"] in text for suiting in found["suits"])


def test_inspection_with_little_in_it(ganaug_cli, monkeypatch):
    found = {
        "size": None,
        "leaks": {"exact": 0, "share": float("nan")},
        "suits": [{"id": "smote"}],
        "warnings": ["Few."],
    }
    monkeypatch.setitem(vars(ganaug), "load", lambda *_, **__: None)
    monkeypatch.setitem(vars(ganaug), "inspect", lambda _: found)
    text = ganaug_cli("inspect", "digits").stdout
    assert "smote" in text and "warning: Few." in text and "leaks" in text
    assert json.loads(ganaug_cli("inspect", "digits", "--json").stdout)["leaks"] == {"exact": 0, "share": None}
