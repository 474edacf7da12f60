# SPDX-License-Identifier: Apache-2.0
"""A file or folder is there whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ganaug.data import atomic
from ganaug.data.atomic import atomic_file, atomic_folder
from ganaug.data.errors import InputError


def test_a_file_appears_whole_and_makes_its_folders(tmp_path):
    path = tmp_path / "a" / "b.txt"
    with atomic_file(path) as part:
        part.write_text("new")
        assert not path.exists() and part.parent == path.parent
    assert path.read_text() == "new" and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file(tmp_path, stop):
    path = tmp_path / "b.txt"
    path.write_text("old")
    with pytest.raises(stop), atomic_file(path) as part:
        part.write_text("half")
        raise stop
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (RuntimeError("Error: No space left on device (os error 28)"), "disk is full"),
        (PermissionError(errno.EACCES, "Permission denied"), "cannot be written"),
    ],
)
@pytest.mark.parametrize("make", [atomic_file, atomic_folder])
def test_what_the_disk_says_becomes_a_sentence(tmp_path, make, error, words):
    with pytest.raises(InputError, match=words) as told, make(tmp_path / "out"):
        raise error
    assert str(tmp_path / "out") in str(told.value) and not list(tmp_path.iterdir())


def test_a_disk_that_is_full_only_when_the_bytes_are_forced_out(tmp_path, monkeypatch):
    path = tmp_path / "b.txt"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="disk is full"), atomic_file(path) as part:
        part.write_text("new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_whole(tmp_path):
    out = tmp_path / "deep" / "out"
    with atomic_folder(out) as part:
        (part / "a").write_text("1")
        assert not out.exists()
    assert (out / "a").read_text() == "1" and list(out.parent.iterdir()) == [out]


def test_a_folder_that_fills_up_meanwhile_is_not_overwritten(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputError, match="other content"), atomic_folder(out) as part:
        (part / "a").write_text("1")
        out.mkdir()
        (out / "theirs").write_text("2")
    assert [p.name for p in out.iterdir()] == ["theirs"] and list(tmp_path.iterdir()) == [out]


def test_an_old_folder_stays_when_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("1")
    real = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name.endswith(".tmp"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(InputError, match="disk is full"), atomic_folder(out, replace=True) as part:
        (part / "new").write_text("2")
    assert [p.name for p in out.iterdir()] == ["old"] and list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("replace", [False, True])
def test_what_a_killed_process_of_our_number_left_is_cleared(tmp_path, replace):
    out = tmp_path / "out"
    (atomic.beside(out) / "half").mkdir(parents=True)
    if replace:
        (out / "old").mkdir(parents=True)
        (atomic.aside(out) / "older").mkdir(parents=True)
    with atomic_folder(out, replace=replace) as part:
        (part / "new").write_text("1")
    assert [p.name for p in out.iterdir()] == ["new"] and list(tmp_path.iterdir()) == [out]


def test_an_old_folder_that_a_killed_process_left_aside_comes_back(tmp_path):
    out = tmp_path / "out"
    (atomic.aside(out) / "old").mkdir(parents=True)
    with pytest.raises(InputError, match="other content"), atomic_folder(out):
        pytest.fail("it was replaced")
    assert [p.name for p in out.iterdir()] == ["old"] and list(tmp_path.iterdir()) == [out]


def test_a_link_to_a_folder_elsewhere_is_followed(tmp_path):
    (tmp_path / "large-disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "large-disk")
    with atomic_folder(tmp_path / "out") as part:
        (part / "a").write_text("1")
    assert (tmp_path / "large-disk" / "a").is_file() and (tmp_path / "out").is_symlink()


def test_a_name_as_long_as_a_file_system_takes(tmp_path):
    path = tmp_path / ("x" * 250)
    with atomic_file(path) as part:
        part.write_text("1")
    assert path.read_text() == "1" and atomic.beside(path).name != path.name
