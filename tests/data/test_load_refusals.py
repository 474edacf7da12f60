# SPDX-License-Identifier: Apache-2.0
"""What a user can do wrong with data, each told in one sentence that names the file or argument."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from image_files import picture, png_bytes, save

from ganaug.data.checks import require_classes
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.load import load
from ganaug.data.readers import arrays, walk


def told(source: object, *words: str, **options: object) -> None:
    """`load` refuses with one line that holds all the words."""
    with pytest.raises(InputError) as error:
        load(source, **options)  # type: ignore[arg-type]
    for word in words:
        assert word in str(error.value), f"'{word}' is missing in: {error.value}"
    assert "\n" not in str(error.value)


def test_missing_folder_and_unknown_name(tmp_path):
    told(tmp_path / "gone", "gone", "digits")
    told("didgits", "didgits", "digits")


def test_nothing_to_read(tmp_path):
    told(tmp_path, str(tmp_path), "holds no images")
    (tmp_path / "a.zip").write_bytes(b"x")
    told(tmp_path / "a.zip", "a.zip is an archive: unpack it")
    (tmp_path / "a.txt").write_text("x")
    told(tmp_path / "a.txt", "a.txt", "class folders")


def test_empty_class(class_folders):
    folder = class_folders(cat=2, dog=2)
    (folder / "owl").mkdir()
    told(folder, "owl", "no images")


def test_only_empty_classes(tmp_path):
    (tmp_path / "owl").mkdir()
    told(tmp_path, "owl", "no images")


def test_folds_with_different_classes(class_folders):
    class_folders("train", cat=2, dog=2)
    told(class_folders("test", cat=1), "'dog'", "train", "test")


def test_folds_without_classes(class_folders, tmp_path):
    folder = class_folders("train", cat=2)
    save(picture(0), folder / "test" / "a.png")
    told(folder, "test", "class folders")


def test_something_beside_the_folds(class_folders):
    class_folders("train", cat=2)
    class_folders("test", cat=2)
    told(class_folders("old", cat=2), "'old'", "train")


def test_images_and_masks_are_not_two_classes(tmp_path):
    save(picture(0), tmp_path / "train" / "images" / "a.png")
    save(np.eye(6, 8, dtype=np.uint8)[..., None], tmp_path / "train" / "masks" / "a.png")
    data = load(tmp_path)
    assert len(data) == 1 and data.classes == () and data.label is None and data.mask_classes == ("0", "1")
    (tmp_path / "train" / "masks" / "a.png").unlink()
    told(tmp_path, "a.png", "no mask")


def spoil(how: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces an image by one that cannot be used."""
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:60])
    elif how == "text":
        path.write_text("hello")
    elif how == "huge":
        path.write_bytes(png_bytes(60_000, 60_000, 8, 2))
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "unreadable":  # a superuser may read everything, so the refusal is played
        real = Path.open
        refuse: Callable = lambda self, *a, **k: denied() if self == path else real(self, *a, **k)  # noqa: E731
        monkeypatch.setattr(Path, "open", refuse)


def denied() -> None:
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("how", ["truncated", "text", "huge", "empty", "unreadable"])
def test_one_bad_image_among_good_ones(class_folders, monkeypatch, how):
    folder = class_folders(cat=3, dog=2)
    spoil(how, folder / "cat" / "1.png", monkeypatch)
    told(folder, str(Path("cat") / "1.png"))


def test_mixed_kinds(class_folders):
    folder = class_folders(cat=2, dog=2)
    save(picture(0).astype(np.uint16)[..., :1], folder / "dog" / "1.png")
    told(folder, str(Path("cat") / "0.png"), "3 channels", str(Path("dog") / "1.png"), "1 channel ")


def test_a_folder_that_may_not_be_read(class_folders, monkeypatch):
    folder = class_folders(cat=2)
    monkeypatch.setattr(walk.os, "scandir", lambda _: denied())
    told(folder, str(folder), "permission denied")


@pytest.mark.parametrize("size", [0, -3, (4, 0)])
def test_sizes_that_are_none(class_folders, size):
    told(class_folders(cat=2), "size", size=size)


def test_a_fit_that_is_none(class_folders):
    told(class_folders(cat=2), "fit", "'crop'", size=4, fit="crop")


# --- tables ---


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,label\na.png,x\nc.png,y\nd.png,y\n", ["2 missing files", "c.png"]),
        ("name,label\na.png,x\n", ["column 'file'", "name, label"]),
        ("file,label\nnotes.txt,x\n", ["notes.txt", "no image"]),
        ("file,split\na.png,eval\n", ["the split 'eval'", "none of train, val, test"]),
        ("file,label\n", ["holds no images"]),
        ("file,label\nb,x\n", ["names 'b'", "b.png", "b.jpg"]),
        ("", ["holds no images"]),
    ],
)
def test_tables(tmp_path, text, words):
    save(picture(0), tmp_path / "a.png")
    for name in ("b.png", "b.jpg"):
        save(picture(0), tmp_path / "more" / name)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "labels.csv").write_text(text)
    told(tmp_path, "labels.csv", *words)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", ["line 2"]),
        ("[" * 100_000, ["line 2"]),
        ("[1]", ["line 2"]),
        ('{"file": "a.png", "label": ["x"]}', ["['x']"]),
        ('{"file": "a.png", "split": "eval"}', ["the split 'eval'"]),
    ],
)
def test_json_lines(tmp_path, line, words):
    save(picture(0), tmp_path / "a.png")
    (tmp_path / "metadata.jsonl").write_text('{"file": "a.png"}\n' + line)
    told(tmp_path, "metadata.jsonl", *words)


def test_a_table_that_is_no_text(tmp_path):
    (tmp_path / "labels.csv").write_bytes(b"file,label\n\xff\xfe\x00.png,x")
    told(tmp_path, "labels.csv", "UTF-8")


# --- arrays ---

GOOD = np.zeros((4, 6, 6, 3), np.uint8)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"features": GOOD}, ["'images'", "holds features"]),
        ({"images": np.zeros((4, 6))}, ["(4, 6)"]),
        ({"images": np.zeros((4, 3, 32, 32), np.uint8)}, ["channels last"]),
        ({"images": np.full((4, 6, 6), np.nan)}, ["NaN"]),
        ({"images": np.full((4, 6, 6), 1e300)}, ["'images'", "beyond float32"]),
        ({"images": np.zeros((4, 6, 6), np.int64)}, ["int64"]),
        ({"images": GOOD, "labels": [0, 1]}, ["'labels'", "(2,)"]),
        ({"images": GOOD, "labels": [0, 1, 2, 0], "classes": ["a", "b"]}, ["up to 2", "2 classes"]),
        ({"images": GOOD, "labels": [0, 1, 0.5, 0]}, ["whole numbers"]),
        ({"images": GOOD, "labels": [0, 1, -2, 0]}, ["whole numbers"]),
        ({"images": GOOD, "labels": [0, 1, np.inf, 0]}, ["whole numbers"]),
        ({"images": GOOD, "labels": [0, 1, 2, 10**9]}, ["up to 1000000000 for 4 images", "number the classes"]),
        ({"images": GOOD, "labels": ["a", "b", "c", "a"], "classes": ["a", "b"]}, ["'c'"]),
        ({"images": GOOD, "labels": np.array(["a", "b", "c", "a"], object)}, ["pickled"]),
    ],
)
def test_archives(tmp_path, content, words):
    np.savez(tmp_path / "bad.npz", **content)
    told(tmp_path / "bad.npz", "bad.npz", *words)


def test_archives_that_do_not_open(tmp_path):
    np.savez(tmp_path / "cut.npz", images=GOOD)
    content = (tmp_path / "cut.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.npz").write_text("hello")
    for name in ("cut.npz", "text.npz"):
        told(tmp_path / name, name, "cannot be read")
    told(tmp_path, "2 .npz files", "cut.npz")


@pytest.mark.parametrize("how", ["encrypted", "another method", "no deflate"])
def test_archives_that_do_not_unpack(tmp_path, how):
    np.savez_compressed(tmp_path / "bad.npz", images=GOOD)
    content = bytearray((tmp_path / "bad.npz").read_bytes())
    listed = content.index(b"PK\x01\x02")
    for flags in (6, listed + 8) if how == "encrypted" else ():
        content[flags] |= 1
    for method in (8, listed + 10) if how == "another method" else ():
        content[method] = 99
    if how == "no deflate":
        start = 30 + content[26] + content[28]  # after the name and the extra field
        content[start : start + 8] = b"\xff" * 8
    (tmp_path / "bad.npz").write_bytes(content)
    told(tmp_path / "bad.npz", "bad.npz", "cannot be read as .npz")


def test_only_arrays_with_a_meaning_are_unpacked_and_not_too_many_bytes(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", images=GOOD, labels=[0, 1, 0, 1], features=np.zeros(10_000), depth=np.zeros(10_000))
    monkeypatch.setattr(arrays, "MOST_BYTES", 2_000)
    assert set(arrays.opened(tmp_path / "a.npz")[None]) == {"images", "labels"} and len(load(tmp_path / "a.npz")) == 4
    monkeypatch.setattr(arrays, "MOST_BYTES", 500)
    told(tmp_path / "a.npz", "a.npz", "are read at once", "as files")


@pytest.mark.parametrize(
    ("other", "word"),
    [
        ({"images": GOOD, "classes": ["a", "c"]}, "class names"),
        ({"images": GOOD[:, :5], "classes": ["a", "b"]}, "image shapes"),
        ({"images": GOOD.astype(np.uint16), "classes": ["a", "b"]}, "image dtypes"),
    ],
)
def test_folds_that_do_not_fit(tmp_path, other, word):
    np.savez(tmp_path / "train.npz", images=GOOD, labels=[0, 1, 0, 1], classes=["a", "b"])
    np.savez(tmp_path / "test.npz", labels=[0, 1, 0, 1], **other)
    told(tmp_path, "train.npz", "test.npz", word)


def test_tars_that_do_not_open(tmp_path):
    (tmp_path / "a.tar").write_text("no tar")
    told(tmp_path / "a.tar", "a.tar", "cannot be read")


@pytest.mark.parametrize(
    ("facts", "words"), [(b"[" * 100_000, "cannot be read as a tar"), (b'{"split": "eval"}', "the split 'eval' in")]
)
def test_samples_with_facts_that_mean_nothing(tmp_path, facts, words):
    image = save(picture(0), tmp_path / "a.png").read_bytes()
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, content in (("a.png", image), ("a.json", facts)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    told(tmp_path / "a.tar", "a.tar", words)


# --- classes to learn from ---


def labelled(*labels: int, classes: tuple[str, ...] = ("cat", "dog"), **columns: object) -> ImageSet:
    return ImageSet.of(np.zeros((len(labels), 4, 4), np.uint8), labels, classes, **columns)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (labelled(0, 0, 0, classes=("cat",)), ["1 class", "'cat'", "at least 2"]),
        (labelled(0, 0, 0, 1), ["class 'dog'", "1 training image,", "at least 2"]),
        (labelled(0, 0, 0), ["class 'dog'", "0 training images"]),
        (labelled(0, 0, 1, 1, fold=np.array([0, 0, 0, 2], np.int8)), ["class 'dog'", "1 training image,"]),
        (ImageSet.of(np.zeros((3, 4, 4), np.uint8)), ["no labels"]),
    ],
)
def test_classes_too_few_or_too_small(data, words):
    with pytest.raises(InputError) as error:
        require_classes(data)
    for word in words:
        assert word in str(error.value)


def test_enough_classes():
    require_classes(labelled(0, 0, 1, 1))
    require_classes(labelled(0, 0, 1), least_rows=1)
    require_classes(labelled(0, 0, classes=("cat",)), least=1)


def test_a_damaged_manifest_is_named(class_folders):
    folder = class_folders(cat=2)
    (folder / "ganaug.json").write_text(json.dumps({"classes": ["cat"]}))
    (folder / "manifest.jsonl").write_text("{}\n")
    told(folder, "manifest.jsonl", "damaged")
    (folder / "manifest.jsonl").write_text("[" * 100_000)
    told(folder, "manifest.jsonl", "damaged", "RecursionError")
