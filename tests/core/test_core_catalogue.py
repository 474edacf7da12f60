# SPDX-License-Identifier: Apache-2.0
"""Ids, presets and parameters: what is legal, and how the rest is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

import ganaug
from ganaug.core.catalogue import entries_of, entry
from ganaug.data.errors import InputError


def test_an_unknown_id_names_the_nearest():
    with pytest.raises(InputError, match=r"no system 'DC-GAN'; the nearest are dcgan,"):
        ganaug.make("DC-GAN")
    with pytest.raises(InputError) as error:
        entry("qqq")
    assert str(error.value).count(",") == 2


def test_presets_come_first_and_parameters_win():
    system = ganaug.make("dcgan", preset="tiny", width=5)
    assert (system.width, system.batch_size, system.lr) == (5, 8, 2e-4)


def test_a_bad_preset_is_refused():
    with pytest.raises(InputError, match=r"dcgan has no preset 'huge': it has paper, small, tiny"):
        ganaug.make("dcgan", preset="huge")
    assert ganaug.make("basic_ops", preset="small").get_params() == ganaug.make("basic_ops").get_params()


def test_a_bad_parameter_is_refused():
    with pytest.raises(InputError, match=r"dcgan has no parameter 'depth': it has batch_size, latent"):
        ganaug.make("dcgan", depth=3)


@pytest.mark.parametrize(
    ("id", "params", "said"),
    [
        ("randaugment", {"magnitude": 9.5}, "randaugment: magnitude must be a whole number, found 9.5"),
        ("randaugment", {"ops": -1}, "ops must be a whole number of 0 or more, found -1"),
        ("dcgan", {"batch_size": 0}, "batch_size must be a whole number of 1 or more, found 0"),
        ("dcgan", {"lr": math.nan}, "lr must be a number of 0 or more, found nan"),
        ("basic_ops", {"rotate": "a"}, "rotate must be a number, found 'a'"),
        ("basic_ops", {"flip_h": 1}, "flip_h must be true or false, found 1"),
        ("basic_ops", {"noise": True}, "noise must be a number, found True"),
        ("pix2pix", {"given": 3}, "given must be a word, found 3"),
    ],
)
def test_a_value_of_another_kind_is_refused(id, params, said):
    with pytest.raises(InputError, match=said):
        ganaug.make(id, **params)


def test_numbers_from_numpy_and_whole_ones_for_fractions_are_taken():
    assert ganaug.make("dcgan", latent=np.int64(5), lr=1).get_params()["lr"] == 1
    assert ganaug.make("singan", vary_from=-2).get_params()["vary_from"] == -2


def test_what_is_no_system_is_not_made():
    with pytest.raises(InputError, match="'copies' is a audit, not a system"):
        ganaug.make("copies")


CARDS = """
CARD = Card(id="of_module", title="A")
class A:
    CARD: ClassVar[Card] = Card(id="of_class", title="B", kind="transform", can=("augment",), **{})
    PRESETS = {"tiny": {"width": 3}}
class B(A):
    pass
class C:
    CARD = other
"""


def test_cards_are_read_without_import(tmp_path, monkeypatch):
    """Of a module, of a class, annotated; a subclass without a card of its own is no entry."""
    from ganaug.core import catalogue

    monkeypatch.setattr(catalogue, "PACKAGE", tmp_path)
    (tmp_path / "file.py").write_text(CARDS, encoding="utf-8")
    module, kind = entries_of(tmp_path / "file.py")
    assert (module.id, module.name, module.kind, module.presets) == ("of_module", "", "system", {})
    assert (kind.id, kind.name, kind.kind, kind.presets) == ("of_class", "A", "transform", {"tiny": {"width": 3}})
    assert kind.card["can"] == ("augment",)
    assert kind.card["needs"] == (), "what the card leaves out has its default"
    assert kind.module == "ganaug.file"


def test_defaults_of_the_catalogue_are_those_of_the_card():
    from ganaug.core.card import Card
    from ganaug.core.catalogue import GIVEN

    card = Card(id="a", title="A")
    assert {name: getattr(card, name) for name in GIVEN} == GIVEN


def test_an_expression_in_a_card_is_named_with_its_line(tmp_path, monkeypatch):
    from ganaug.core import catalogue

    monkeypatch.setattr(catalogue, "PACKAGE", tmp_path)
    (tmp_path / "file.py").write_text(CARDS.replace('{"width": 3}', '{"width": 2 * side}'), encoding="utf-8")
    with pytest.raises(ValueError, match=r"file\.py, line 5: .*2 \* side.* holds an expression"):
        list(entries_of(tmp_path / "file.py"))
