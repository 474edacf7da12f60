# SPDX-License-Identifier: Apache-2.0
"""What is written reads back equal, in every format, whatever the classes are called; and nothing is half written."""

from __future__ import annotations

import csv
import errno
import json
import os
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from image_files import picture, save
from PIL import Image

from ganaug.data import gather
from ganaug.data import write as module
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.load import load
from ganaug.data.pixels import ArrayPixels, RaggedPixels
from ganaug.data.scaling import Scaling
from ganaug.data.write import FORMATS as ALL_FORMATS
from ganaug.data.write import write

FORMATS = tuple(name for name in ALL_FORMATS if name != "market")  # which needs identities: test_identity_layouts
NASTY = ("a/b", "..", "Gr öße", "train", "CON", "", "a.", ".a", "A", "a", "x\ny", "%61", "\u0000", "é", "e\u0301")
ORIGIN = '{"system": "dcgan", "version": "0.1", "seed": 3, "index": %d, "label_policy": "hard"}'


def table(channels: int = 3, dtype: str = "uint8", n: int = 24, classes: tuple[str, ...] = NASTY) -> ImageSet:
    """A set with every column that lines can hold."""
    rng = np.random.default_rng(0)
    return ImageSet.of(
        (rng.random((n, 5, 7, channels)) * 250).astype(dtype),
        rng.integers(-1, len(classes), n),
        classes,
        soft_label=rng.dirichlet(np.ones(len(classes)), n).astype(np.float32),
        group=rng.integers(0, 5, n),
        camera=rng.integers(-1, 3, n),
        fold=rng.integers(0, 3, n).astype(np.int8),
        index=rng.permutation(1000)[:n],
        parents=rng.integers(0, 99, (n, 2)),
        origin=np.array([ORIGIN % row for row in range(n)]),
        bands=tuple(f"B{k}" for k in range(channels)),
    )


def assert_equal(found: ImageSet, data: ImageSet) -> None:
    """Pixels, dtypes, class names and their order, scaling and every column of `data`."""
    assert len(found) == len(data) and found.classes == data.classes and found.bands == data.bands
    assert found.scaling == data.scaling and found.image.dtype == data.image.dtype
    assert all(np.array_equal(found.image.at(row), data.image.at(row)) for row in range(len(data)))
    extra = {name for name, _ in found.columns()} - {name for name, _ in data.columns()}
    assert extra <= {"origin"}
    for name, column in data.columns():
        assert getattr(found, name).dtype == column.dtype and np.array_equal(getattr(found, name), column), name
    assert found.fingerprint() == data.fingerprint()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("channels", [1, 3, 4, 13])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_reads_back_equal(tmp_path, format, channels, dtype):
    data = table(channels, dtype)
    assert_equal(load(write(data, tmp_path / "out", format)), data)


@pytest.mark.parametrize("format", FORMATS)
def test_without_labels_and_folds(tmp_path, format):
    plain = ImageSet.of(np.stack([picture(i) for i in range(4)]))
    assert_equal(load(write(plain, tmp_path / "plain", format)), plain)
    unknown = ImageSet.of(np.stack([picture(i) for i in range(4)]), [-1, 1, -1, 0], ["b", "a"])
    assert_equal(load(write(unknown, tmp_path / "unknown", format)), unknown)


@pytest.mark.parametrize("format", FORMATS)
def test_scaling_of_the_training_set_survives(tmp_path, format):
    images = np.random.default_rng(0).random((4, 5, 5)).astype(np.float32)
    data = ImageSet.of(images, [0, 1, 0, 1], scaling=Scaling("float32", -2.0, 7.5))
    assert load(write(data, tmp_path / "out", format)).scaling == data.scaling


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from(list(FORMATS)))
def test_any_class_names_and_small_arrays(source, format):
    classes = source.draw(st.lists(st.text(max_size=8) | st.sampled_from(NASTY), min_size=1, max_size=5, unique=True))
    dtype = source.draw(st.sampled_from(["uint8", "uint16", "float32"]))
    channels = source.draw(st.sampled_from([1, 2, 3, 4, 13]))
    shape = (source.draw(st.integers(1, 4)), source.draw(st.integers(1, 4)), source.draw(st.integers(1, 4)), channels)
    values = {"allow_nan": False, "allow_infinity": False} if dtype == "float32" else {}
    images = source.draw(hnp.arrays(dtype, shape, elements=hnp.from_dtype(np.dtype(dtype), **values)))
    labels = source.draw(st.lists(st.integers(-1, len(classes) - 1), min_size=shape[0], max_size=shape[0]))
    data = ImageSet.of(images, labels, classes)
    with TemporaryDirectory() as place:
        out = write(data, Path(place) / "out", format)
        assert sorted(p.name for p in Path(place).iterdir()) == ["out"], "a class name led elsewhere"
        assert_equal(load(out), data)


@pytest.mark.parametrize("format", ["folder", "csv", "webdataset"])
def test_mixed_sizes(tmp_path, format):
    data = ImageSet(
        image=RaggedPixels([picture(i, 5 + i, 6) for i in range(3)]), label=np.array([0, 1, 0]), classes=("a", "b")
    )
    assert_equal(load(write(data, tmp_path / "out", format)), data)
    with pytest.raises(InputError, match="mixed sizes"):
        write(data, tmp_path / "npz", "npz")


def test_depth_goes_into_npz_and_nowhere_else(tmp_path):
    data = table().but(depth=np.random.default_rng(0).random((24, 5, 7)).astype(np.float32))
    assert_equal(load(write(data, tmp_path / "out", "npz")), data)
    with pytest.raises(InputError, match="'depth'"):
        write(data, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize("format", ["folder", "csv", "npz", "webdataset"])
def test_a_lazy_set_is_written_a_piece_at_a_time(tmp_path, monkeypatch, format):
    data = table(classes=("a", "b"))
    source = write(data, tmp_path / "source")
    monkeypatch.setattr(gather, "IN_MEMORY", 0)
    monkeypatch.setattr(module, "A_PIECE", 5)
    monkeypatch.setattr(module, "A_SHARD", 10)
    lazy = load(source)
    assert not isinstance(lazy.image, ArrayPixels)
    monkeypatch.setattr(gather, "IN_MEMORY", 2**30)
    out = write(lazy, tmp_path / "out", format)
    assert_equal(load(out), data)
    assert len(list(out.glob("*.tar"))) == (3 if format == "webdataset" else 0)


# --- for other tools ---


def test_manifest_tells_how_each_image_was_made(tmp_path):
    data = table(classes=("cat", "dog"))
    lines = [json.loads(line) for line in (write(data, tmp_path / "out") / "manifest.jsonl").read_text().splitlines()]
    assert len(lines) == len(data)
    for row, line in enumerate(lines):
        label = data.label[row]
        assert line["label"] == (data.classes[label] if label >= 0 else None) and line["index"] == data.index[row]
        assert line["parents"] == data.parents[row].tolist() and (tmp_path / "out" / line["file"]).is_file()
        assert (line["system"], line["version"], line["seed"], line["label_policy"]) == ("dcgan", "0.1", 3, "hard")


def test_class_folders_are_what_other_tools_expect(tmp_path):
    images = np.stack([picture(i) for i in range(4)])
    data = ImageSet.of(images, [0, 1, 0, 1], ["dog", "cat"], fold=np.array([0, 0, 2, 2], np.int8))
    out = write(data, tmp_path / "out")
    found = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png"))
    assert found == ["test/cat/000003.png", "test/dog/000002.png", "train/cat/000001.png", "train/dog/000000.png"]
    assert np.array_equal(np.asarray(Image.open(out / "test/cat/000003.png")), images[3])


def test_without_its_manifest_a_folder_is_read_as_any_other(tmp_path):
    out = write(table(classes=("b", "a")).but(fold=None), tmp_path / "out")
    for name in ("manifest.jsonl", "ganaug.json"):
        (out / name).unlink()
    assert load(out).classes == ("%unknown", "a", "b")


def test_a_folder_that_a_person_weeded_and_extended(tmp_path):
    data = ImageSet.of(
        np.stack([picture(i) for i in range(6)]), [0, 1, 0, 1, 2, 2], ["z/z", "a", "m"], group=np.arange(6)
    )
    out = write(data, tmp_path / "out")
    (out / "a" / "000001.png").unlink()
    rest = load(out)
    assert rest.index.tolist() == [0, 2, 3, 4, 5] and rest.group.tolist() == [0, 2, 3, 4, 5]
    save(picture(77), out / "a" / "mine.png")
    save(picture(78), out / "new" / "mine.png")
    more = load(out)
    assert more.classes == ("z/z", "a", "m", "new") and more.label.tolist() == [0, 0, 1, 2, 2, 1, 3]
    assert np.array_equal(more.image.at(5), picture(77)) and more.group is None


def test_labels_csv(tmp_path):
    data = table(classes=("a/b", "c,d"))
    with (write(data, tmp_path / "out", "csv") / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["" if k < 0 else data.classes[k] for k in data.label]
    assert [row["fold"] for row in rows] == [("train", "val", "test")[k] for k in data.fold]
    assert [int(row["group"]) for row in rows] == data.group.tolist()


def test_tars(tmp_path):
    data = table(classes=("cat", "dog"))
    with tarfile.open(write(data, tmp_path / "out", "webdataset") / "images-000000.tar") as tar:
        names = tar.getnames()
        row = int(np.flatnonzero(data.label == 1)[0])
        assert tar.extractfile(f"{row:06d}.cls").read() == b"1"
        assert json.loads(tar.extractfile(f"{row:06d}.json").read())["label"] == "dog"
    assert names.count("000000.png") == 1 and len(names) == 2 * len(data) + int((data.label >= 0).sum())


def test_an_archive_alone_is_complete(tmp_path):
    data = table(13, "uint16")
    out = write(data, tmp_path / "out", "npz")
    (out / "images.npz").rename(tmp_path / "alone.npz")
    assert_equal(load(tmp_path / "alone.npz"), data)
    with np.load(tmp_path / "alone.npz", allow_pickle=False) as archive:
        assert {"images", "labels", "classes", "group"} <= set(archive.files)


def test_archives_that_ganaug_wrote_join_as_folds(tmp_path):
    for name in ("train", "test"):
        part = table(classes=("a", "b")).but(fold=None)
        (write(part, tmp_path / f"{name}-folder", "npz") / "images.npz").rename(tmp_path / f"{name}.npz")
        for left in (tmp_path / f"{name}-folder").iterdir():
            left.unlink()
        (tmp_path / f"{name}-folder").rmdir()
    data = load(tmp_path)
    assert len(np.unique(data.index)) == 48 and data.fold.tolist() == [0] * 24 + [2] * 24


# --- nothing half written, nothing lost ---


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_other_content_stays(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("x")
    before = everything(tmp_path)
    for options in ({}, {"overwrite": True}):
        with pytest.raises(InputError, match="mine"):
            write(table(), tmp_path / "mine", **options)
    with pytest.raises(InputError, match="file"):
        write(table(), tmp_path / "file")
    assert everything(tmp_path) == before and len(list(tmp_path.iterdir())) == 2


def test_an_empty_folder_is_filled_and_our_own_replaced_when_asked(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    data = table(classes=("a", "b"))
    write(data, out)
    with pytest.raises(InputError, match="already holds other content"):
        write(data, out, "csv")
    assert_equal(load(out), data)
    write(data.select([0, 1]), out, "csv", overwrite=True)
    assert len(load(out)) == 2 and (out / "labels.csv").is_file() and list(tmp_path.iterdir()) == [out]


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("format", FORMATS)
def test_full_disk(tmp_path, monkeypatch, format):
    data = table(classes=("a", "b"))
    write(data, tmp_path / "out")
    before = everything(tmp_path)
    place = {"webdataset": (module, "add"), "npz": (module, "stream")}.get(format, (Path, "write_bytes"))
    monkeypatch.setattr(*place, full)
    with pytest.raises(InputError, match="disk is full") as told:
        write(data, tmp_path / "out", format, overwrite=True)
    assert str(tmp_path / "out") in str(told.value)
    assert everything(tmp_path) == before and len(list(tmp_path.iterdir())) == 1


def test_nonsense(tmp_path):
    data = table()
    for bad, options, word in (
        (data, {"format": "zip"}, "'zip'"),
        (data.select([]), {}, "empty"),
        (data.but(classes=("same",) * len(NASTY)), {}, "same name"),
        (data.but(views={"b": data}), {}, "'b'"),
    ):
        with pytest.raises(InputError, match=word):
            write(bad, tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())
