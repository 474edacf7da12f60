# SPDX-License-Identifier: Apache-2.0
"""Every layout that `load` knows, read into the columns it states."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from image_files import picture, save

from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.load import load


def test_an_image_set_comes_back_as_it_is():
    data = ImageSet.of(np.zeros((2, 4, 4), np.uint8), [0, 1])
    assert load(data) is data


def test_embedded_digits():
    data = load("digits")
    assert len(data) == 1797 and data.spec.size == (8, 8) and set(data.fold) == {0, 2}
    assert load("digits", size=12).spec.size == (12, 12)
    assert load("digits", name="mine").name == "mine"


def test_an_embedded_name_and_a_folder_of_that_name(class_folders, monkeypatch):
    folder = class_folders(cat=1, dog=1)
    monkeypatch.chdir(folder.parent)
    folder.rename("digits")
    for way in ("./digits", Path("digits"), folder.parent / "digits"):
        assert load(way).classes == ("cat", "dog")
    with pytest.raises(InputError, match=r"'digits' is an embedded set, and .*digits exists too: write \./digits"):
        load("digits")


# --- class folders ---


def test_class_folders(class_folders):
    folder = class_folders(cat=3, dog=2)
    for stray in (".hidden.png", "Thumbs.db", "notes.txt"):
        (folder / "cat" / stray).write_text("no image")
    data = load(folder)
    assert data.classes == ("cat", "dog") and data.label.tolist() == [0, 0, 0, 1, 1] and data.name == "set"
    assert np.array_equal(data.image.at(4), picture(101)) and data.fold is None
    assert json.loads(data.origin[4]) == {"file": "dog/1.png"}


def test_folders_inside_a_class_belong_to_it(class_folders):
    folder = class_folders(cat=1, dog=1)
    save(picture(5), folder / "cat" / "indoors" / "evening" / "a.png")
    assert load(folder).counts() == {"cat": 2, "dog": 1}


def test_classes_named_by_numbers_are_in_the_order_of_the_numbers(tmp_path):
    for k in (10, 2, 1):
        save(picture(k), tmp_path / str(k) / "a.png")
    assert load(tmp_path).classes == ("1", "2", "10")


def test_class_folders_below_folds(class_folders):
    class_folders("train", cat=3, dog=2)
    class_folders("val", cat=1, dog=1)
    data = load(class_folders("Test", cat=1, dog=2))
    assert {name: len(data.in_fold(name)) for name in ("train", "val", "test")} == {"train": 5, "val": 2, "test": 3}
    assert data.classes == ("cat", "dog") and data.label[data.in_fold("test")].tolist() == [0, 1, 1]


@pytest.mark.parametrize("way", [".", "./", "../set"])
def test_a_folder_given_from_where_one_stands(class_folders, monkeypatch, way):
    folder = class_folders(cat=1, dog=1)
    monkeypatch.chdir(folder)
    data = load(way)
    assert data.name == "set" and [json.loads(text)["file"] for text in data.origin] == ["cat/0.png", "dog/0.png"]
    assert data.fingerprint() == load(folder).fingerprint()


def test_one_class_is_not_refused_here(class_folders):
    assert load(class_folders(cat=2)).classes == ("cat",)


def test_a_plain_folder_and_a_single_image(tmp_path):
    for i in range(3):
        save(picture(i), tmp_path / f"{i}.png")
    data = load(tmp_path)
    assert data.label is None and data.classes == () and len(data) == 3
    assert np.array_equal(load(tmp_path / "1.png").image.at(0), picture(1))


# --- arrays ---


def test_npz_with_all_that_has_a_meaning(tmp_path):
    images = np.random.default_rng(0).integers(0, 9000, (4, 5, 6, 12)).astype(np.uint16)
    bands = [f"B{k}" for k in range(12)]
    source = ["slide b", "slide a", "slide b", "slide c"]
    np.savez(
        tmp_path / "a.npz",
        images=images,
        labels=[1, 0, -1, 1],
        classes=["x/y", ".."],
        bands=bands,
        source=source,
        camera=[3, 1, 2, 2],
        angles=[0, 1, 2, 3],
    )
    data = load(tmp_path / "a.npz")
    assert data.classes == ("x/y", "..") and data.label.tolist() == [1, 0, -1, 1] and data.bands == tuple(bands)
    assert data.group.tolist() == [1, 0, 1, 2] and data.camera.tolist() == [3, 1, 2, 2]
    assert np.array_equal(data.image.array, images) and {n for n, _ in data.columns()} == {
        *("label", "group", "camera", "index")
    }
    assert load(tmp_path).fingerprint() == data.fingerprint()  # the only archive of its folder


def test_npz_without_channels_names_or_labels(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((3, 5, 6)), labels=np.array(["b", "a", "b"]))
    data = load(tmp_path / "a.npz")
    assert data.image.shape == (5, 6, 1) and data.image.dtype == np.float32
    assert data.classes == ("a", "b") and data.label.tolist() == [1, 0, 1]
    np.savez(tmp_path / "b.npz", images=np.zeros((3, 5, 6), np.uint8))
    assert load(tmp_path / "b.npz").label is None


@pytest.mark.parametrize(
    "names",
    [("train_images", "train_labels", "test_images", "test_labels"), ("x_train", "y_train", "X_test", "y_test")],
)
def test_npz_with_the_folds_in_one_archive(tmp_path, names):
    """As MedMNIST and many courses hand them out; labels may be a column, or zeros and a one."""
    x, y = np.stack([picture(k) for k in range(5)]), np.array([0, 1, 0, 1, 0])
    arrays = dict(zip(names, (x, np.eye(2)[y], x[:3] // 2, y[:3, None]), strict=True))
    np.savez(tmp_path / "a.npz", **arrays, unknown=np.zeros(3))
    data = load(tmp_path / "a.npz")
    assert data.fold.tolist() == [0] * 5 + [2] * 3 and data.label.tolist() == [*y, *y[:3]]
    assert np.array_equal(data.image.at(6), picture(1) // 2)


@pytest.mark.parametrize("names", [("X", "y"), ("arr_0", "arr_1"), ("data", "target"), ("train_x", "train_y")])
def test_npz_with_other_names(tmp_path, names):
    np.savez(tmp_path / "a.npz", **dict(zip(names, (np.zeros((3, 5, 6, 3), np.uint8), [0, 2, 1]), strict=True)))
    data = load(tmp_path / "a.npz")
    assert data.label.tolist() == [0, 2, 1] and data.fold is None


@pytest.mark.parametrize(("name", "last"), [("masks", ()), ("mask", (1,))])
def test_npz_with_masks(tmp_path, name, last):
    held = np.random.default_rng(0).choice([0, 255], (3, 5, 6)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", images=np.zeros((3, 5, 6), np.uint8), **{name: held.reshape(3, 5, 6, *last)})
    data = load(tmp_path / "a.npz")
    assert data.mask_classes == ("background", "foreground")
    assert np.array_equal(data.mask, held // 255)


def test_npz_keeps_its_images_where_a_mask_stands_beside(tmp_path):
    arrays = {"x": np.zeros((3, 2)), "images": np.zeros((3, 5, 6), np.uint8), "mask": np.ones((3, 5, 6), np.uint8)}
    np.savez(tmp_path / "a.npz", **arrays)
    data = load(tmp_path / "a.npz")
    assert data.image.shape == (5, 6, 1) and (data.mask == 1).all()


def test_npz_with_masks_a_fold(tmp_path):
    arrays = {f"{part}_images": np.zeros((4, 5, 6), np.uint8) for part in ("train", "test")}
    arrays |= {f"{part}_masks": np.arange(120).reshape(4, 5, 6) % (2 + k) for k, part in enumerate(("train", "test"))}
    np.savez(tmp_path / "a.npz", **arrays)
    data = load(tmp_path / "a.npz")
    assert data.mask_classes == ("0", "1", "2")
    assert np.array_equal(data.mask[4:], arrays["test_masks"]) and data.fold.tolist() == [0] * 4 + [2] * 4


@pytest.mark.parametrize("held", [np.zeros((3, 5, 7), int), np.zeros((3, 5, 6)), np.full((3, 5, 6), 900)])
def test_npz_with_masks_that_are_none(tmp_path, held):
    np.savez(tmp_path / "a.npz", images=np.zeros((3, 5, 6), np.uint8), masks=held, x=np.zeros(3))
    with pytest.warns(UserWarning, match=r"the masks in .*a\.npz are not read: .*(found|hold)"):
        assert load(tmp_path / "a.npz").mask is None


def test_npz_a_fold_by_a_word_in_the_name(tmp_path):
    for k, name in enumerate(("patches_test", "patches_train")):
        np.savez(tmp_path / f"{name}.npz", images=np.full((2, 4, 4), k, np.uint8))
    data = load(tmp_path)
    assert data.fold.tolist() == [0, 0, 2, 2] and data.image[np.arange(4)].max((1, 2, 3)).tolist() == [1, 1, 0, 0]


def test_npz_a_fold(tmp_path):
    for name, n, first in (("train", 4, 0), ("val", 1, 4), ("test", 2, 5)):
        images = np.full((n, 5, 6, 3), first, np.uint8)
        patients = [f"p{first + i}" for i in range(n)]
        np.savez(tmp_path / f"{name}.npz", images=images, labels=np.arange(n) % 2, classes=["a", "b"], patient=patients)
    data = load(tmp_path)
    assert data.fold.tolist() == [0] * 4 + [1] + [2] * 2 and data.label.tolist() == [0, 1, 0, 1, 0, 0, 1]
    assert data.image.array[:, 0, 0, 0].tolist() == [0] * 4 + [4] + [5] * 2
    assert data.group.tolist() == list(range(7)), "patients of different folds are different ones"


def test_an_archive_beside_class_folders_does_not_hide_them(class_folders):
    folder = class_folders(cat=1, dog=1)
    np.savez(folder / "features.npz", images=np.zeros((9, 2, 2)))
    assert len(load(folder)) == 2


# --- tables ---


def table_of(folder: Path, text: str, name: str = "labels.csv", images: str = "") -> Path:
    for i in range(4):
        save(picture(i), folder / images / f"{i}.png")
    (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(("mark", "images"), [(",", ""), (";", ""), ("\t", ""), (",", "images")])
def test_csv(tmp_path, mark, images):
    lines = ["\ufeffFile,Class,split,patient,camera", "1.png,a/b,train,p2,7", "0.png, Größe ,test,p1,8"]
    text = "\n".join([*lines, "2.png,..,,p2,7", '3.png,,VAL,,""']).replace(",", mark)
    data = load(table_of(tmp_path, text, images=images))
    assert data.classes == ("..", "Größe", "a/b") and data.label.tolist() == [2, 1, 0, -1]
    assert data.fold.tolist() == [0, 2, -1, 1] and data.group.tolist() == [1, 0, 1, 2]
    assert data.camera.tolist() == [7, 8, 7, -1] and np.array_equal(data.image.at(0), picture(1))
    assert data.name == tmp_path.name


def test_metadata_jsonl(tmp_path):
    lines = [{"file_name": f"{i}.png", "label": 10 - i, "identity": i % 2} for i in range(4)]
    text = "\n\n".join(map(json.dumps, lines))
    data = load(table_of(tmp_path, text, "metadata.jsonl"))
    assert data.classes == ("7", "8", "9", "10") and data.label.tolist() == [3, 2, 1, 0]
    assert data.identity.tolist() == [0, 1, 0, 1]
    assert load(tmp_path / "metadata.jsonl").fingerprint() == data.fingerprint()


def test_a_table_without_labels(tmp_path):
    data = load(table_of(tmp_path, "path\n2.png\n0.png\n", "metadata.csv"))
    assert data.label is None and np.array_equal(data.image.at(0), picture(2))


def test_a_table_of_another_name_is_found_and_files_are_sought_by_name(tmp_path):
    """As collections are handed out: names without ending, images in a folder of their own, a column of classes."""
    lines = ["image_id,lesion_id,dx", "1,L1,mel", "0,L2,nv", "sub\\\\2.png,L1,nv", "/home/me/3.png,L3,"]
    data = load(table_of(tmp_path, "\n".join(lines), "metadata of 2020.csv", images="part 1"))
    assert (
        data.classes == ("mel", "nv") and data.label.tolist() == [0, 1, 1, -1] and data.group.tolist() == [0, 1, 0, 2]
    )
    assert all(np.array_equal(data.image.at(row), picture(k)) for row, k in enumerate((1, 0, 2, 3)))
    assert json.loads(data.origin[0]) == {"file": "part 1/1.png"}


def test_images_of_another_split_are_in_no_fold_and_told_of(tmp_path):
    folder = table_of(tmp_path, "file,split\n0.png,train\n1.png,other_stain\n2.png,TEST\n3.png,\n")
    with pytest.warns(UserWarning, match=r"1 images in .*labels\.csv have another split, such as 'other_stain'"):
        assert load(folder).fold.tolist() == [0, -1, 2, -1]


def test_columns_of_zeros_and_a_one_are_classes(tmp_path):
    text = "image,MEL,NV,patient\n0,1.0,0.0,a\n1,0.0,1.0,a\n2,0.0,1.0,b\n"
    data = load(table_of(tmp_path, text, "truth.csv", images="x"))
    assert data.classes == ("MEL", "NV") and data.label.tolist() == [0, 1, 1] and data.group.tolist() == [0, 0, 1]
    for more in ("3,1.0,1.0,b", "3,0.5,0.5,b"):  # several at once, or shares: no classes
        assert load(table_of(tmp_path, f"{text}{more}\n", "truth.csv", images="x")).label is None


@pytest.mark.parametrize(("values", "told"), [("aab", True), ("abc", False)])
def test_the_only_other_column_is_the_class_where_values_occur_again(tmp_path, values, told):
    text = "\n".join(["file,kind of animal", *(f"{k}.png,{value}" for k, value in enumerate(values))])
    assert (load(table_of(tmp_path, text)).label is not None) == told


def test_a_table_beside_class_folders_is_told_of_and_not_read(class_folders):
    folder = class_folders(cat=2, dog=2)
    (folder / "names.csv").write_text("file,label\ncat/0.png,x\n")
    with pytest.warns(UserWarning, match=r"names\.csv is not read, the folders are taken as classes"):
        assert load(folder).classes == ("cat", "dog")


def test_what_systems_leave_behind_is_no_class(class_folders):
    folder = class_folders(cat=2, dog=2)
    for name in ("__MACOSX", "@eaDir"):
        save(picture(0), folder / name / "a.png")
    assert load(folder).classes == ("cat", "dog")


def test_pictures_of_kinds_that_are_not_read_are_told_of(class_folders):
    folder = class_folders(cat=2, dog=2)
    for name in ("1.HEIC", "2.heic", "3.gif", ".4.gif", "notes.txt"):
        (folder / "cat" / name).write_bytes(b"x")
    with pytest.warns(UserWarning, match=r"not read \(2 \.heic, 1 \.gif\): convert them"):
        assert len(load(folder)) == 4


def test_class_folders_inside_one_more_folder(class_folders):
    folder = class_folders(cat=2, dog=2)
    outer = folder.parent / "unpacked"
    outer.mkdir()
    folder.rename(outer / "photos")
    (outer / "README.txt").write_text("x")
    data = load(outer)
    assert data.classes == ("cat", "dog") and data.name == "unpacked"
    save(picture(0), outer / "photos" / "odd.png")  # then it is a class with folders in it
    assert load(outer).classes == ("photos",)


def test_ids_of_any_length_are_told_apart(tmp_path):
    ids = ("123456789012345678901", "--5", "7", "7")
    text = "\n".join(["file,identity,patient", *(f"{i}.png,{id},{id}" for i, id in enumerate(ids))])
    data = load(table_of(tmp_path, text))
    assert data.identity.tolist() == data.group.tolist() == [1, 0, 2, 2]
    (tmp_path / "labels.csv").write_text("file,identity\n0.png,-5\n1.png,123456789012345678\n")
    assert load(tmp_path).identity.tolist() == [-5, 123456789012345678]


# --- tars ---


def tar_of(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def test_a_foreign_webdataset(tmp_path):
    png = [save(picture(i), tmp_path / "png" / f"{i}.png").read_bytes() for i in range(3)]
    files = {"a/0.png": png[0], "a/0.cls": b"11", "b/0.cls": b"2\n", "b/0.png": png[1]}
    tar_of(tmp_path / "x-0.tar", {**files, "b/0.txt": b"a caption"})
    tar_of(tmp_path / "x-1.tar", {"c.json": b'{"label": 2, "camera": 4}', "c.png": png[2]})
    (tmp_path / "png").rename(tmp_path / ".png")
    data = load(tmp_path)
    assert data.classes == ("2", "11") and data.label.tolist() == [1, 0, 0] and data.camera.tolist() == [-1, -1, 4]
    assert all(np.array_equal(data.image.at(i), picture(i)) for i in range(3))
    assert len(load(tmp_path / "x-0.tar")) == 2


# --- a second pool ---


def test_unlabelled_images_lose_their_labels(class_folders, tmp_path):
    folder = class_folders(cat=2, dog=2)
    for i in range(5):
        save(picture(50 + i), tmp_path / "pool" / "any" / f"{i}.png")
    data = load(folder, unlabelled=tmp_path / "pool")
    more = data.others["unlabelled"]
    assert len(data) == 4 and len(more) == 5 and more.label is None and more.classes == ()
    assert more.scaling == data.scaling and data.spec.others["unlabelled"].rows == 5


def test_test_images_of_a_pool_are_never_learnt_from(class_folders):
    class_folders("train", cat=2, dog=1)
    class_folders("val", cat=1, dog=1)
    folder = class_folders("test", cat=1, dog=2)
    more = load(folder, unlabelled=folder).others["unlabelled"]
    whole = load(folder)
    assert len(more) == 5 and more.fold is None and len(whole) == 8
    assert np.array_equal(more.image[np.arange(5)], whole.image[whole.in_fold("train", "val")])
    alone = whole.select(whole.in_fold("test"))
    with pytest.raises(InputError, match="are all of a test fold"):
        load(folder, unlabelled=alone)


def test_unlabelled_images_must_be_alike(class_folders, tmp_path):
    folder = class_folders(cat=2, dog=2)
    save(picture(0, channels=1), tmp_path / "grey" / "a.png")
    save(picture(0, 9, 9), tmp_path / "large" / "a.png")
    for pool in ("grey", "large"):
        with pytest.raises(InputError, match=pool):
            load(folder, unlabelled=tmp_path / pool)
    assert load(folder, size=6, unlabelled=tmp_path / "large").others["unlabelled"].spec.size == (6, 6)
