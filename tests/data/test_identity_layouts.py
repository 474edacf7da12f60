# SPDX-License-Identifier: Apache-2.0
"""Re-identification layouts: what each says about identity, camera and part; and the Market layout written and read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from image_files import picture, save

from ganaug.data import gather
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.load import load
from ganaug.data.pixels import FilePixels
from ganaug.data.write import write

MARKET = {
    "bounding_box_train": ["0002_c1s1_000451_03.jpg", "0002_c6s4_000452_01.jpg", "0007_c3s1_000001_00.jpg"],
    "query": ["0003_c2s1_000010_00.jpg"],
    "bounding_box_test": ["-1_c1s1_000401_03.jpg", "0000_c5s1_000002_00.jpg", "0003_c4s2_000009_01.jpg"],
}
DUKE = {
    "bounding_box_train": ["0001_c2_f0046182.jpg", "0005_c11_f0046302.jpg"],  # Duke has 8 cameras, others have more
    "query": ["0009_c1_f0000001.jpg"],
    "bounding_box_test": ["0009_c12_f0000002.jpg"],
}
CUHK03 = {
    "bounding_box_train": ["0001_c1_1.png"],
    "query": ["0800_c1_2.png"],
    "bounding_box_test": ["0800_c2_9.png"],
}
VERI = {
    "image_train": ["0001_c001_00016450_0.jpg", "0001_c020_00016451_0.jpg"],
    "image_query": ["0002_c002_00030600_0.jpg"],
    "image_test": ["0002_c014_00030601_0.jpg"],
}
PYTORCH = {
    "train": ["0002/0002_c1s1_000451_03.jpg"],
    "train_all": ["0002/0002_c1s1_000451_03.jpg", "0002/0002_c15s1_000452_03.jpg"],
    "query": ["0003/0003_c2s1_000010_00.jpg"],
    "gallery": ["-1/-1_c1s1_000401_03.jpg", "0003/0003_c4s2_000009_01.jpg"],
}


def made(root: Path, folders: dict[str, list[str]], under: str = "") -> Path:
    """A set of tiny images, each different, by folder and name."""
    for k, (folder, names) in enumerate(folders.items()):
        for i, name in enumerate(names):
            save(picture(100 * k + i, 16, 8), root / under / folder / name)
    return root


def lists(root: Path, **texts: str) -> Path:
    """Text files by name without suffix; `/` stands as `__`."""
    for name, text in texts.items():
        file = root / f"{name.replace('__', '/')}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def msmt17(root: Path, version: int = 1) -> Path:
    train, test = ("train", "test") if version == 1 else ("mask_train_v2", "mask_test_v2")
    names = "0000_000_01_0303morning_0015_0.jpg", "0000_001_14_0303morning_0016_0.jpg"
    made(root, {f"{train}/0000": list(names), f"{train}/0001": ["0001_000_02_0303noon_0015_0.jpg"]})
    made(root, {f"{test}/0000": list(names), f"{test}/0001": ["0001_000_15_0303noon_0015_0.jpg"]})
    lists(root, list_train=f"0000/{names[0]} 0\n0001/0001_000_02_0303noon_0015_0.jpg 1\n")
    lists(root, list_val=f"0000/{names[1]} 0\n", list_query=f"0000/{names[0]} 0\n")
    return lists(root, list_gallery=f"0000/{names[1]} 0\n0001/0001_000_15_0303noon_0015_0.jpg 1\n\n")


def veri_wild(root: Path) -> Path:
    names = {"00001": [1, 2], "00007": [3, 4, 5], "00009": [6, 7]}
    made(root, {f"images/{vehicle}": [f"{image:06d}.jpg" for image in images] for vehicle, images in names.items()})
    header = "id/image;Camera ID;Time;Model;Type;Color\n"
    info = [f"{v}/{i:06d};{170 + i};2018-03-12 10:00:00;x;suv;red" for v, images in names.items() for i in images]
    lists(root, train_test_split__vehicle_info=header + "\n".join(info))
    lists(root, train_test_split__train_list="00001/000001\n00001/000002\n")
    lists(root, train_test_split__test_5000="00007/000003\n", train_test_split__test_5000_query="00007/000003\n")
    all_of_test = "00007/000003\n00007/000004\n00007/000005\n00009/000006\n00009/000007\n"
    query = "00007/000004\n00009/000006\n"
    return lists(root, train_test_split__test_3000=all_of_test, train_test_split__test_3000_query=query)


def vehicle_id(root: Path) -> Path:
    made(root, {"image": [f"{k:07d}.jpg" for k in range(1, 8)]})
    lists(root, train_test_split__train_list="0000001 12\n0000002 12\n")
    lists(root, train_test_split__test_list_2400="0000003 5\n0000004 5\n")
    return lists(root, train_test_split__test_list_800="0000003 5\n0000005 7\n0000004 5\n0000006 7\n0000007 5\n")


def columns(data: ImageSet) -> list[tuple[int, int | None, int, bool]]:
    """(identity, camera, fold, query) of each row."""
    assert data.identity.dtype == np.int64 and data.query.dtype == bool and data.fold.dtype == np.int8
    assert data.label is None and data.classes == () and len(data.spec.classes) == 0
    camera = [None] * len(data) if data.camera is None else data.camera.tolist()
    return list(zip(data.identity.tolist(), camera, data.fold.tolist(), data.query.tolist(), strict=True))


def told(source: Path, *words: str) -> None:
    """`load` refuses with one line that holds all the words."""
    with pytest.raises(InputError) as error:
        load(source)
    for word in words:
        assert word in str(error.value), f"'{word}' is missing in: {error.value}"
    assert "\n" not in str(error.value)


# --- layouts ---


def test_market_1501(tmp_path):
    folder = made(tmp_path / "Market", MARKET)
    (folder / "query" / "Thumbs.db").write_text("no image")
    (folder / "readme.txt").write_text("no image")
    data = load(folder)
    assert columns(data) == [
        *[(2, 1, 0, False), (2, 6, 0, False), (7, 3, 0, False)],
        *[(3, 2, 2, True), (-1, 1, 2, False), (0, 5, 2, False), (3, 4, 2, False)],
    ]
    assert data.name == "Market" and data.spec.size == (16, 8)
    assert json.loads(data.origin[3]) == {"file": "query/0003_c2s1_000010_00.jpg"}


def test_hand_drawn_boxes_are_a_set_of_their_own_and_never_gallery(tmp_path):
    folder = made(tmp_path, {**MARKET, "gt_bbox": ["0003_c2s1_000010_00.jpg", "0003_c2s1_000011_00.jpg"]})
    assert len(load(folder)) == 7 and load(folder).others == {}
    assert columns(load(folder / "gt_bbox")) == [(3, 2, 2, True)] * 2


def test_duke_and_cameras_of_two_digits(tmp_path):
    data = load(made(tmp_path, DUKE))
    assert columns(data) == [(1, 2, 0, False), (5, 11, 0, False), (9, 1, 2, True), (9, 12, 2, False)]


@pytest.mark.parametrize("given", ["labeled", "."])
def test_cuhk03_np(tmp_path, given):
    made(tmp_path, CUHK03, under="labeled")
    data = load(tmp_path / given)
    assert columns(data) == [(1, 1, 0, False), (800, 1, 2, True), (800, 2, 2, False)]
    assert np.array_equal(data.image.at(1), picture(100, 16, 8))


def test_cuhk03_np_with_both_kinds_of_boxes(tmp_path):
    made(made(tmp_path, CUHK03, under="labeled"), CUHK03, under="detected")
    told(tmp_path, "detected/ and labeled/", "one of the two")


@pytest.mark.parametrize("version", [1, 2])
def test_msmt17_shifts_its_identities(tmp_path, version):
    data = load(msmt17(tmp_path, version))
    assert columns(data) == [
        *[(1, 1, 0, False), (2, 2, 0, False), (1, 14, 1, False)],
        *[(3, 1, 2, True), (3, 14, 2, False), (4, 15, 2, False)],
    ]
    (tmp_path / "list_val.txt").unlink()
    assert load(tmp_path).fold.tolist() == [0, 0, 2, 2, 2]


def test_veri_776(tmp_path):
    data = load(made(tmp_path, VERI))
    assert columns(data) == [(1, 1, 0, False), (1, 20, 0, False), (2, 2, 2, True), (2, 14, 2, False)]


@pytest.mark.parametrize("above", [False, True])
def test_veri_wild_reads_the_smallest_test_set(tmp_path, above):
    folder = veri_wild(tmp_path)
    if above:
        (folder / "train_test_split" / "vehicle_info.txt").rename(folder / "vehicle_info.txt")
    assert columns(load(folder)) == [
        *[(1, 171, 0, False), (1, 172, 0, False), (7, 174, 2, True), (9, 176, 2, True)],
        *[(7, 173, 2, False), (7, 175, 2, False), (9, 177, 2, False)],
    ]


def test_vehicle_id_has_no_cameras_and_searches_one_image_a_vehicle(tmp_path):
    data = load(vehicle_id(tmp_path))
    assert data.camera is None and columns(data) == [
        *[(12, None, 0, False), (12, None, 0, False), (5, None, 2, False), (7, None, 2, False)],
        *[(5, None, 2, True), (7, None, 2, True), (5, None, 2, True)],
    ]


@pytest.mark.parametrize(("under", "given"), [("pytorch", "."), ("pytorch", "pytorch"), ("mine", "mine")])
def test_pytorch_folders(tmp_path, under, given):
    made(tmp_path, PYTORCH, under)
    assert columns(load(tmp_path / given)) == [
        *[(2, 15, 0, False), (2, 1, 0, False), (3, 2, 2, True), (-1, 1, 2, False), (3, 4, 2, False)]
    ]


def test_pytorch_folders_without_train_all(tmp_path):
    made(tmp_path, {name: files for name, files in PYTORCH.items() if name != "train_all"}, "pytorch")
    assert load(tmp_path).camera.tolist() == [1, 2, 1, 4]


def test_many_images_stay_in_their_files(tmp_path, monkeypatch):
    folder = made(tmp_path, CUHK03)
    monkeypatch.setattr(gather, "IN_MEMORY", 0)
    data = load(folder)
    assert isinstance(data.image, FilePixels) and np.array_equal(data.image.at(2), picture(200, 16, 8))
    assert load(folder, size=(8, 4)).spec.size == (8, 4)


# --- what else a folder may be ---


def test_class_folders_stay_class_folders(tmp_path):
    made(tmp_path, {"query": ["a.png"], "cat": ["b.png"], "images": ["c.png"]})
    assert load(tmp_path).classes == ("cat", "images", "query")


def test_class_folders_below_folds_stay_class_folders(tmp_path):
    made(tmp_path, {"train/a": ["a.png"], "train/b": ["b.png"], "test/a": ["c.png"], "test/b": ["d.png"]})
    assert load(tmp_path).classes == ("a", "b") and load(tmp_path).identity is None


# --- what is allowed: evaluation judges it ---


def test_a_query_without_a_match_and_a_single_camera_are_allowed(tmp_path):
    names = {
        "bounding_box_train": ["0001_c1_1.png"],
        "query": ["0005_c1_1.png"],
        "bounding_box_test": ["0006_c1_1.png"],
    }
    assert columns(load(made(tmp_path, names))) == [(1, 1, 0, False), (5, 1, 2, True), (6, 1, 2, False)]


def test_junk_and_distractors_may_lie_in_both_parts(tmp_path):
    more = {"bounding_box_train": ["-1_c1s1_1_0.jpg", "0000_c1s1_1_0.jpg"]}
    assert load(made(made(tmp_path, MARKET), more)).identity.tolist() == [-1, 0, 2, 2, 7, 3, -1, 0, 3]


# --- refusals ---


@pytest.mark.parametrize("part", ["query", "bounding_box_test"])
def test_an_identity_in_both_parts(tmp_path, part):
    made(made(tmp_path, MARKET), {part: ["0007_c1s1_000001_00.jpg"]})
    told(tmp_path, "identity 7", "training part", "test part")


def test_zero_is_a_person_where_a_query_asks_for_it(tmp_path):
    made(made(tmp_path, MARKET), {"bounding_box_train": ["0000_c1s1_1_0.jpg"], "query": ["0000_c2s1_1_0.jpg"]})
    told(tmp_path, "identity 0")


@pytest.mark.parametrize(
    ("folders", "bad", "example"),
    [
        (MARKET, "query/face.jpg", "0002_c1s1_000451_03.jpg"),
        (MARKET, "bounding_box_test/0003_s1.jpg", "0002_c1s1_000451_03.jpg"),
        (VERI, "image_train/0001_c01_00016450_0.jpg", "0001_c001_00016450_0.jpg"),
        (PYTORCH, "gallery/0003/0003_s2.jpg", "after the first c"),
    ],
)
def test_one_name_that_does_not_parse(tmp_path, folders, bad, example):
    save(picture(0, 16, 8), made(tmp_path, folders) / bad)
    told(tmp_path, bad, example)


def test_a_folder_that_is_no_identity(tmp_path):
    made(made(tmp_path, PYTORCH), {"gallery": ["anna/0003_c1_1.jpg"]})
    told(tmp_path, str(Path("gallery") / "anna"), "number")


def test_a_name_in_a_list_without_a_camera(tmp_path):
    save(picture(0, 16, 8), msmt17(tmp_path) / "test" / "a.jpg")
    lists(tmp_path, list_query="a.jpg 0\n")
    told(tmp_path, str(Path("test") / "a.jpg"), "0000_000_01_")


@pytest.mark.parametrize("folders", [MARKET, VERI])
def test_a_part_that_is_missing_or_empty(tmp_path, folders):
    query = made(tmp_path, folders) / next(name for name in folders if "query" in name)
    for file in query.iterdir():
        file.unlink()
    told(tmp_path, query.name, "no images")
    query.rmdir()
    told(tmp_path, f"no folder {query.name}/")


@pytest.mark.parametrize("part", ["train_all", "query", "gallery"])
def test_a_part_of_pytorch_folders_that_is_missing_or_empty(tmp_path, part):
    wanted = {"train_all": ["0001/1_c1.png"], "query": ["0002/2_c1.png"], "gallery": ["0002/2_c2.png"]}
    made(tmp_path, {name: files for name, files in wanted.items() if name != part}, "pytorch")
    told(tmp_path, "no folder train/" if part == "train_all" else f"no folder {part}/")
    (tmp_path / "pytorch" / part).mkdir()
    told(tmp_path, part, "no images")


@pytest.mark.parametrize("name", ["list_train", "list_query"])
def test_lists_of_msmt17(tmp_path, name):
    file = msmt17(tmp_path) / f"{name}.txt"
    good = file.read_text()
    file.write_text(good + "0000/0000_009_01_gone_0_0.jpg 0\n0000/0000_010_01_gone_0_0.jpg 0\n")
    told(tmp_path, file.name, "2 missing images", "0000_009_01_gone_0_0.jpg")
    file.write_text(good + "nonsense\n")
    told(tmp_path, f"line {len(good.splitlines()) + 1} of", file.name, "'nonsense'")
    file.write_text("\n")
    told(tmp_path, file.name, "no images")
    file.unlink()
    told(tmp_path, f"no {file.name}")


def test_msmt17_without_its_images(tmp_path):
    (msmt17(tmp_path) / "test").rename(tmp_path / "other")
    told(tmp_path, "test/ or mask_test_v2/")


def test_lists_of_vehicles(tmp_path):
    folder = veri_wild(tmp_path / "wild")
    (folder / "images" / "00007" / "000005.jpg").unlink()
    told(folder, "test_3000.txt", "1 missing image,", "000005.jpg")
    lists(folder, train_test_split__train_list="00001/000009\n")
    save(picture(0, 16, 8), folder / "images" / "00007" / "000005.jpg")
    told(folder, "train_list.txt", "00001/000009", "vehicle_info.txt")
    (folder / "train_test_split" / "test_3000_query.txt").unlink()
    told(folder, "no test_3000_query.txt")
    folder = vehicle_id(tmp_path / "id")
    lists(folder, train_test_split__test_list_800="0000003 5\n0000005 7\n")
    told(folder, "no query images")
    for size in (800, 2400):
        (folder / "train_test_split" / f"test_list_{size}.txt").unlink()
    told(folder, "test_list_800.txt")


def test_an_identity_in_both_lists(tmp_path):
    lists(vehicle_id(tmp_path), train_test_split__train_list="0000001 5\n")
    told(tmp_path, "identity 5")


# --- written and read back ---


def pedestrians(**changes: object) -> ImageSet:
    """Eight real images of a training and a test part, and two generated ones."""
    made_by = '{"system": "dg_net", "version": "0.1", "seed": 3, "label_policy": "hard"}'
    return ImageSet.of(
        np.stack([picture(k, 16, 8) for k in range(10)]),
        identity=np.array([2, 2, 7, 7, 3, 3, 0, -1, 7, -1]),
        camera=np.array([1, 6, 3, 2, 2, 4, 5, 1, 9, -1]),
        query=np.array([0, 0, 0, 0, 1, 0, 0, 0, 0, 0], bool),
        fold=np.array([0, 0, 0, 0, 2, 2, 2, 2, 0, 0], np.int8),
        index=np.arange(10) + 50,
        origin=np.array(["{}"] * 8 + [made_by] * 2),
    ).but(**changes)


def assert_equal(found: ImageSet, data: ImageSet) -> None:
    """Pixels and all columns."""
    assert all(np.array_equal(found.image.at(row), data.image.at(row)) for row in range(len(data)))
    assert {name for name, _ in found.columns()} - {"origin"} == {name for name, _ in data.columns()} - {"origin"}
    for name, column in data.columns():
        assert np.array_equal(getattr(found, name), column), name
        assert name == "origin" or getattr(found, name).dtype == column.dtype, name  # texts may be stored narrower
    assert found.fingerprint() == data.fingerprint()


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*_c*"))


def test_market_reads_back_equal(tmp_path):
    out = write(pedestrians(), tmp_path / "out", "market")
    assert_equal(load(out), pedestrians())
    assert names_in(out) == [
        *("bounding_box_test/-1_c1s1_000007_00.png", "bounding_box_test/0000_c5s1_000006_00.png"),
        *("bounding_box_test/0003_c4s1_000005_00.png", "bounding_box_train/-1_c1s9_000009_00.png"),
        *("bounding_box_train/0002_c1s1_000000_00.png", "bounding_box_train/0002_c6s1_000001_00.png"),
        *("bounding_box_train/0007_c2s1_000003_00.png", "bounding_box_train/0007_c3s1_000002_00.png"),
        *("bounding_box_train/0007_c9s9_000008_00.png", "query/0003_c2s1_000004_00.png"),
    ]


def test_market_names_alone_say_the_same(tmp_path):
    data = pedestrians()
    out = write(data, tmp_path / "out", "market")
    (out / "manifest.jsonl").unlink()
    (out / "ganaug.json").unlink()
    found = load(out)
    row = [int(json.loads(text)["file"].split("_")[-2]) for text in found.origin]
    assert sorted(row) == list(range(10))
    expected = data.select(row)
    assert_equal(found.but(index=expected.index), expected.but(camera=expected.camera.clip(1), origin=None))


@pytest.mark.parametrize("columns", [{"camera": None}, {"identity": np.array([2, 2, 7, 7, 3, 3, 0, -1, 7, 12345])}])
def test_market_without_cameras_and_with_many_identities(tmp_path, columns):
    assert_equal(load(write(pedestrians(**columns), tmp_path / "out", "market")), pedestrians(**columns))


@pytest.mark.parametrize("fold", [0, None])
@pytest.mark.parametrize("query", [np.zeros(2, bool), None])
def test_generated_images_alone_are_a_training_part(tmp_path, fold, query):
    fold = None if fold is None else np.full(2, fold, np.int8)
    data = pedestrians().select([8, 9]).but(fold=fold, query=query)
    out = write(data, tmp_path / "out", "market")
    assert_equal(load(out), data)
    assert names_in(out) == ["bounding_box_train/-1_c1s9_000001_00.png", "bounding_box_train/0007_c9s9_000000_00.png"]


def test_a_market_folder_of_ours_that_a_person_extended(tmp_path):
    out = write(pedestrians(), tmp_path / "out", "market")
    save(picture(99, 16, 8), out / "query" / "0003_c9s1_000000_00.png")
    (out / "bounding_box_test" / "-1_c1s1_000007_00.png").unlink()
    data = load(out)
    assert data.query.tolist() == [False] * 4 + [True] + [False] * 4 + [True] and data.camera[-1] == 9
    assert np.array_equal(data.image.at(9), picture(99, 16, 8))


@pytest.mark.parametrize("rows", [[4], [5, 6], [4, 5]])
def test_market_with_some_parts_only(tmp_path, rows):
    data = pedestrians().select(rows)
    if 4 in rows:
        assert_equal(load(write(data, tmp_path / "out", "market")), data)
    else:
        with pytest.raises(InputError, match="no queries"):
            write(data, tmp_path / "out", "market")


@pytest.mark.parametrize("bands", [1, 13])
def test_market_with_other_bands(tmp_path, bands):
    data = pedestrians().but(image=np.stack([picture(k, 16, 8, bands) for k in range(10)]))
    assert_equal(load(write(data, tmp_path / "out", "market")), data)


@pytest.mark.parametrize(
    ("columns", "word"),
    [
        ({"identity": None}, "needs identities"),
        ({"identity": np.arange(10) - 2}, "found -2"),
        ({"fold": np.array([1] * 4 + [2] * 4 + [0] * 2, np.int8)}, "training and test images only"),
        ({"fold": np.array([-1] * 4 + [2] * 4 + [0] * 2, np.int8)}, "training and test images only"),
        ({"fold": None}, "row 4 is a query"),
        ({"query": None}, "no queries"),
        ({"camera": np.arange(10) + 5}, "camera 14"),
        ({"identity": np.array([2, 2, 3, 7, 3, 3, 0, -1, 7, -1])}, "identity 3"),
    ],
)
def test_what_market_cannot_hold(tmp_path, columns, word):
    with pytest.raises(InputError, match=word):
        write(pedestrians(**columns), tmp_path / "out", "market")
    assert not list(tmp_path.iterdir())
