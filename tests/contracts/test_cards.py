# SPDX-License-Identifier: Apache-2.0
"""Every id, of every kind: the card is complete, says what the code does, and the code can be imported."""

from __future__ import annotations

import importlib
import re

import pytest
from contract_cases import ENTRIES, SPATIAL, STATIC, SYSTEMS
from sklearn.base import clone

import ganaug
from ganaug.core.catalogue import PACKAGE, entries_of
from ganaug.core.system import System
from ganaug.data.batch import Batch

KINDS = ("system", "baseline", "transform", "simulator", "recipe", "metric", "audit", "task", "protocol")
CAN = {"sample": "generate", "augment": "vary", "model": "model", "grid": "combine"}
FIELDS = tuple(Batch.__dataclass_fields__)


@pytest.mark.parametrize("id", ENTRIES)
def test_card_is_complete(id):
    entry = ENTRIES[id]
    card = entry.card
    assert re.fullmatch(r"[a-z][a-z0-9_]*", id)
    assert card["title"].strip()
    assert card["shows"].strip(), "one falsifiable sentence that a mechanism test checks"
    assert entry.kind in KINDS
    assert entry.kind == "baseline" or card["paper"].strip(), 'a paper\'s title, or "textbook"'
    assert set(card["can"]) <= set(CAN)
    assert set(card["moves"]) <= set(SPATIAL)
    assert all(need.partition(".")[0] in FIELDS for need in card["needs"])
    assert card["channels"] == "any" or all(int(c) > 0 for c in card["channels"].split(","))


@pytest.mark.parametrize("id", ENTRIES)
def test_paper_has_a_year(id):
    card = ENTRIES[id].card
    if card.get("arxiv"):
        assert re.fullmatch(r"\d{4}\.\d{4,5}", card["arxiv"])
        assert 1950 <= card["year"] <= 2000 + int(card["arxiv"][:2]) + 3


def test_ids_are_unique():
    ids = [entry.id for path in PACKAGE.rglob("*.py") for entry in entries_of(path)]
    assert sorted(ids) == sorted(set(ids))


@pytest.mark.parametrize("id", STATIC)
def test_it_can_be_imported(id):
    entry = ENTRIES[id]
    assert entry.load()
    module = importlib.import_module(entry.module)
    assert module.__doc__
    if entry.kind == "recipe":
        assert module.RECIPE.system in ENTRIES


@pytest.mark.parametrize("id", SYSTEMS)
def test_card_says_what_the_class_overrides(id):
    kind = ENTRIES[id].load()
    assert issubclass(kind, System)
    assert id == kind.CARD.id
    overridden = {what for what, method in CAN.items() if getattr(kind, method) is not getattr(System, method)}
    assert set(kind.CARD.can) == overridden
    assert set(kind.CARD.can), "a system makes images, variants or a model"


@pytest.mark.parametrize("id", SYSTEMS)
def test_class_is_documented(id):
    entry = ENTRIES[id]
    assert entry.load().__doc__
    text = importlib.import_module(entry.module).__doc__ or ""
    assert not entry.card.get("deviations") or "Deviations:" in text, "deviations are explained beside the code"
    for name in entry.load()._get_param_names():
        assert re.search(rf"\b{name}\b", entry.load().__doc__), f"parameter {name} is not described"


@pytest.mark.parametrize("id", SYSTEMS)
def test_presets_are_legal_and_hold_a_tiny_one(id):
    entry = ENTRIES[id]
    assert "tiny" in entry.presets
    assert set(entry.presets) <= {"paper", "small", "tiny"}
    assert entry.presets == entry.load().PRESETS
    for preset in entry.presets:
        assert isinstance(ganaug.make(id, preset=preset), System)


@pytest.mark.parametrize("id", SYSTEMS)
def test_parameters_are_stored_unchanged(id):
    kind = ENTRIES[id].load()
    given = {name: object() for name in kind._get_param_names()}
    system = kind(**given)
    assert all(getattr(system, name) is value for name, value in given.items())
    assert set(vars(system)) == set(given), "__init__ stores its parameters and nothing else"


@pytest.mark.parametrize("id", SYSTEMS)
def test_clone_has_equal_parameters(id):
    system = ganaug.make(id, preset="tiny")
    copy = clone(system)
    assert type(copy) is type(system)
    assert copy is not system
    assert copy.get_params(deep=False) == system.get_params(deep=False)
