# SPDX-License-Identifier: Apache-2.0
"""Many files: in memory below the bound, on demand above it, with the same pixels; nothing odd slips in."""

from __future__ import annotations

import pickle
import queue
import threading

import numpy as np
import pytest
from image_files import picture, save

from ganaug.data import gather, threads
from ganaug.data.errors import InputError
from ganaug.data.gather import pixels_of
from ganaug.data.load import load
from ganaug.data.pixels import ArrayPixels, FilePixels, RaggedPixels


@pytest.fixture
def files(tmp_path):
    return [save(picture(i), tmp_path / "set" / f"{i:03d}.png") for i in range(30)]


def test_files_stay_on_the_disk_above_the_bound(files, monkeypatch):
    whole = pixels_of(files)
    assert isinstance(whole, ArrayPixels)
    monkeypatch.setattr(gather, "IN_MEMORY", 30 * 6 * 8 * 3 - 1)
    decoded = []
    monkeypatch.setattr(gather, "decode", lambda path: decoded.append(path) or picture(int(path.stem)))
    lazy = pixels_of(files)
    assert isinstance(lazy, FilePixels) and lazy.shape == (6, 8, 3) and not decoded
    rows = np.array([7, 3, 29])
    assert np.array_equal(lazy[rows], whole[rows])
    assert [path.stem for path in decoded] == ["007", "003", "029"]


def test_a_size_counts_in_the_bound_and_is_kept_by_lazy_reading(files, monkeypatch):
    monkeypatch.setattr(gather, "IN_MEMORY", 30 * 4 * 4 * 3)
    whole = pixels_of(files, (4, 4))
    assert isinstance(whole, ArrayPixels)
    monkeypatch.setattr(gather, "IN_MEMORY", 30 * 4 * 4 * 3 - 1)
    lazy = pickle.loads(pickle.dumps(pixels_of(files, (4, 4))))
    assert isinstance(lazy, FilePixels) and np.array_equal(lazy[np.arange(30)], whole.array)


def test_a_large_folder_is_listed_by_a_sample_of_its_headers(files, monkeypatch):
    monkeypatch.setattr(gather, "LOOKED_AT", 5)
    monkeypatch.setattr(gather, "IN_MEMORY", 0)
    looked = []
    real = gather.header
    monkeypatch.setattr(gather, "header", lambda path: looked.append(path) or real(path))
    data = load(files[0].parent)
    assert len(data) == 30 and len(looked) == 5


@pytest.mark.parametrize("odd", [picture(0).astype(np.uint16)[..., :1], picture(0, height=5)])
def test_what_the_sample_missed_is_refused_when_it_is_read(files, monkeypatch, odd):
    save(odd, files[1])
    monkeypatch.setattr(gather, "LOOKED_AT", 2)
    with pytest.raises(InputError, match=r"001\.png has"):
        pixels_of(files)
    monkeypatch.setattr(gather, "IN_MEMORY", 0)
    lazy = pixels_of(files)
    with pytest.raises(InputError, match=r"001\.png has"):
        lazy.at(1)


@pytest.mark.parametrize("cut", [0, -40])  # in the header, in the pixels
def test_all_broken_files_are_named_at_once(files, cut):
    for row in (3, 7, 20):
        files[row].write_bytes(files[row].read_bytes()[:cut])
    with pytest.raises(InputError, match=r"003\.png.*one of 3 such files: .*003\.png, .*007\.png, .*020\.png\."):
        pixels_of(files)
    for row in (3, 7):
        save(picture(row), files[row])
    with pytest.raises(InputError, match=r"020\.png") as told:
        pixels_of(files)
    assert "such files" not in str(told.value)


def test_mixed_sizes_stay_as_they_are_until_a_size_is_asked_for(tmp_path):
    files = [save(picture(i, 6 + i, 8), tmp_path / f"{i}.png") for i in range(3)]
    ragged = pixels_of(files)
    assert isinstance(ragged, RaggedPixels) and ragged.shape == (None, None, 3)
    assert [ragged.at(i).shape[0] for i in range(3)] == [6, 7, 8]
    with pytest.raises(InputError, match="--size"):
        ragged[np.arange(3)]
    assert pixels_of(files, (6, 8)).shape == (6, 8, 3)


def test_grey_and_transparent_pictures_among_others_become_colours(files, monkeypatch):
    grey, clear = picture(1, channels=1), picture(2, channels=4)
    clear[0, :, 3], clear[1, :, 3] = 0, 255
    save(grey, files[1]), save(clear, files[2])
    with pytest.warns(UserWarning, match="2 of 30 images are grey or have alpha and become plain colour"):
        whole = pixels_of(files)
    assert np.array_equal(whole.at(0), picture(0)) and np.array_equal(whole.at(1), grey.repeat(3, 2))
    assert (whole.at(2)[0] == 255).all() and np.array_equal(whole.at(2)[1], clear[1, :, :3])
    monkeypatch.setattr(gather, "IN_MEMORY", 0)
    monkeypatch.setattr(gather, "LOOKED_AT", 2)  # neither is in the sample
    lazy = pixels_of(files)
    assert all(np.array_equal(lazy.at(row), whole.at(row)) for row in range(30))


def test_pictures_that_all_have_alpha_become_colours_and_bands_do_not(tmp_path):
    clear = picture(2, channels=4)
    clear[..., 3] = 255
    files = [save(clear, tmp_path / f"{k}.png") for k in range(2)]
    with pytest.warns(UserWarning, match="2 of 2 images"):
        assert np.array_equal(pixels_of(files).at(1), clear[..., :3])
    assert pixels_of([save(clear, tmp_path / "0.tif")]).shape[2] == 4


@pytest.mark.parametrize("suffix", [".npy", ".tif"])
def test_mixed_bands_name_two_files(tmp_path, suffix):
    """Bands are not grey and colours: nothing is known of the missing ones."""
    files = [tmp_path / f"{n}{suffix}" for n in (3, 1)]
    for n, file in zip((3, 1), files, strict=True):
        np.save(file, picture(0, channels=n)) if suffix == ".npy" else save(picture(0, channels=n), file)
    with pytest.raises(InputError) as told:
        pixels_of(files)
    for word in (f"3{suffix} has 3 channels", f"1{suffix} has 1 channel of"):
        assert word in str(told.value)


def test_equal_names_and_sizes_with_other_pixels_are_another_set(tmp_path, monkeypatch):
    monkeypatch.setattr(gather, "IN_MEMORY", 0)
    prints = []
    for k in range(3):
        folder = tmp_path / str(k) / "set"
        save(picture(min(k, 1)), folder / "a.bmp")  # uncompressed: every file has one length
        prints.append(load(folder).fingerprint())
    assert prints[0] != prints[1] == prints[2]


def test_threads_keep_the_order_and_pass_the_first_error():
    assert list(threads.in_threads(lambda n: n * n, range(1000), "")) == [n * n for n in range(1000)]
    with pytest.raises(ZeroDivisionError):
        list(threads.in_threads(lambda n: 1 // (500 - n), range(1000), ""))
    assert list(threads.in_threads(str, [], "")) == []


def test_leaving_early_waits_for_no_thread():
    """The garbage collector may end what was left, inside a lock that the threads need."""
    begun, left, seen = threading.Event(), threading.Event(), queue.Queue()
    first = threads.TOGETHER

    def work(n):
        if n == first:
            begun.set()
            seen.put(left.wait(10))
        return n

    found = threads.in_threads(work, range(2 * first), "")
    next(found)
    assert begun.wait(20)
    found.close()
    left.set()
    assert seen.get(timeout=20), "work that was under way ended after the rest had been left"
