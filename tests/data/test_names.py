# SPDX-License-Identifier: Apache-2.0
"""Folder names that every file system takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ganaug.data.names import TAKEN, UNKNOWN, folder_names, in_order


@given(st.lists(st.text(), unique=True, max_size=8))
def test_folder_names_are_safe_and_different(classes):
    names = folder_names(classes)
    assert len({name.casefold() for name in names}) == len(classes)
    for name in names:
        assert name and not set(name) & set('/\\:*?"<>|\0\n\t') and name.isprintable()
        assert name[0] not in ". " and name[-1] not in ". " and len(name.encode()) < 200
        assert name.casefold() not in TAKEN and name != UNKNOWN


def test_plain_names_stay_readable():
    assert folder_names(["red cell", "Größe", "obj_1-a", "v1.0"]) == ["red cell", "Größe", "obj_1-a", "v1.0"]


def test_awkward_names():
    found = folder_names(["..", "a/b", "Con", "con.txt", "train", "", "A", "a", "x" * 500])
    assert found[:8] == ["%2E%2E", "a%2Fb", "Con%", "con.txt%", "train%", "%", "A", "a%~2"]


def test_order():
    assert in_order(["10", "9", "9"]) == ["9", "10"] and in_order(["10", "9", "a"]) == ["10", "9", "a"]
