# SPDX-License-Identifier: Apache-2.0
"""How the text of an option becomes a value."""

from __future__ import annotations

import pytest

from ganaug import InputError
from ganaug.cli import options


@pytest.mark.parametrize(("text", "value"), [(None, None), ("64", 64), ("48x64", (48, 64))])
def test_size_is_a_side_or_height_by_width(text, value):
    assert options.pixels(text) == value


@pytest.mark.parametrize("text", ["", "0", "-8", "8x", "8x0", "8x8x8", "big", "8.5"])
def test_other_sizes_are_refused(text):
    with pytest.raises(InputError, match=f"found '{text}'"):
        options.pixels(text)


def test_settings_are_json_or_text():
    given = ["width=32", "lr=1e-4", "policy=color", "deep=true", "mean=[0, 1]", "gen=none=x"]
    assert options.settings(given) == {
        "width": 32, "lr": 1e-4, "policy": "color", "deep": True, "mean": [0, 1], "gen": "none=x",
    }  # fmt: skip
    assert options.settings(None) == {}


@pytest.mark.parametrize("text", ["width", "=3"])
def test_a_setting_without_a_name_is_refused(text):
    with pytest.raises(InputError, match=f"--set takes k=v, found '{text}'"):
        options.settings([text])


def test_counts_by_class_whose_name_may_hold_an_equals_sign():
    assert options.counts("--cut", ["8=10", "a=b=3"]) == {"8": 10, "a=b": 3}
    with pytest.raises(InputError, match="--cut takes a whole number, found 'ten'"):
        options.counts("--cut", ["8=ten"])


def test_per_class_is_one_number_or_one_for_each_named_class():
    assert options.per_class(None) is None
    assert options.per_class(["7"]) == 7
    assert options.per_class(["cat=7", "dog=2"]) == {"cat": 7, "dog": 2}
    with pytest.raises(InputError):
        options.per_class(["7", "8"])
