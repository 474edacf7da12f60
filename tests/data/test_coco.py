# SPDX-License-Identifier: Apache-2.0
"""COCO annotations: boxes, masks and instances as their outlines say, and what is written reads back equal."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from image_files import picture, save
from mask_files import told
from test_write import assert_equal

from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.load import load
from ganaug.data.outlines import as_runs, from_runs, inside_polygon, uncompressed
from ganaug.data.readers.coco import NOBODY
from ganaug.data.write import write

CATEGORIES = [{"id": 3, "name": "cat"}, {"id": 18, "name": "dog"}]


def square(x: float, y: float, side: float) -> list[float]:
    return [x, y, x + side, y, x + side, y + side, x, y + side]


def thing(image: int, category: int = 3, **facts: object) -> dict:
    return {"id": 0, "image_id": image, "category_id": category, "iscrowd": 0, "bbox": [0, 0, 1, 1], **facts}


def coco(folder: Path, *annotations: dict, n: int = 2, name: str = "annotations.json", images: str = "images") -> Path:
    """n pictures of 6x8 pixels with annotations; image ids count from 50."""
    content = {
        "images": [{"id": 50 + k, "file_name": f"{k}.png", "height": 6, "width": 8} for k in range(n)],
        "annotations": list(annotations),
        "categories": CATEGORIES,
    }
    for k in range(n):
        save(picture(k), folder / images / f"{k}.png")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))
    return folder


# --- outlines -----------------------------------------------------------------------------------------------------


def plain_inside(points: list[float], height: int, width: int) -> np.ndarray:
    """The even-odd rule, a pixel and a side at a time."""
    corners = list(zip(points[::2], points[1::2], strict=True))
    found = np.zeros((height, width), bool)
    for row in range(height):
        for column in range(width):
            x, y = column + 0.5, row + 0.5
            for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
                if (y1 <= y) != (y2 <= y) and x1 + (y - y1) / (y2 - y1) * (x2 - x1) <= x:
                    found[row, column] ^= True
    return found


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.floats(-3, 12), st.floats(-3, 9)), min_size=3, max_size=8))
def test_polygons_hold_the_pixels_whose_centre_they_hold(corners):
    points = [v for corner in corners for v in corner]
    assert np.array_equal(inside_polygon(np.array(points), (6, 8)), plain_inside(points, 6, 8))


def test_polygons_of_known_area():
    found = inside_polygon(np.array(square(2, 1, 3)), (6, 8))
    assert found.sum() == 9 and found[1:4, 2:5].all()
    triangle = inside_polygon(np.array([0.0, 0, 100.5, 0, 0, 100.5]), (100, 100))
    assert triangle.sum() == 5050 and triangle[0, 99] and triangle[50, 49] and not triangle[50, 50]


@settings(deadline=None, max_examples=60)
@given(hnp.arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6))))
def test_runs_come_back(inside):
    runs = as_runs(inside)
    assert sum(runs["counts"]) == inside.size and all(n > 0 for n in runs["counts"][1:])
    assert np.array_equal(from_runs(runs, inside.shape), inside)


def test_runs_go_down_the_columns_and_begin_outside():
    inside = np.array([[0, 1], [0, 1], [1, 0]], bool)
    assert as_runs(inside) == {"counts": [2, 3, 1], "size": [3, 2]}
    assert as_runs(np.ones((2, 2), bool))["counts"] == [0, 4] and as_runs(np.zeros((2, 2), bool))["counts"] == [4]


def compressed(counts: list[int]) -> str:
    """Run lengths as COCO compresses them: differences from the fourth on, five bits a character, lowest first."""
    text = ""
    for k, count in enumerate(counts):
        rest, more = count - (counts[k - 2] if k > 2 else 0), True
        while more:
            bits, rest = rest & 31, rest >> 5
            more = rest != (-1 if bits & 16 else 0)  # the rest is more than the repeated sign
            text += chr(48 + bits + 32 * more)
    return text


@settings(deadline=None, max_examples=60)
@given(hnp.arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_compressed_runs_of_masks_come_back(inside):
    runs = as_runs(inside)
    assert np.array_equal(from_runs({**runs, "counts": compressed(runs["counts"])}, inside.shape), inside)


@given(st.lists(st.integers(0, 10**8), max_size=12))
def test_compressed_runs_of_any_length_come_back(counts):
    assert uncompressed(compressed(counts)) == counts


def test_compressed_runs_by_hand():
    # 0 | 20 = 10100b: its top bit would be a sign, so a character of zeros follows | 4 | 3 - 20 = -17 = ...1 01111b |
    # 3 - 4 = -1 = 11111b | 18 - 3 = 15 = 01111b
    assert uncompressed("0d04_OO?") == [0, 20, 4, 3, 3, 18] and compressed([0, 20, 4, 3, 3, 18]) == "0d04_OO?"
    inside = from_runs({"counts": "0d04_OO?", "size": [6, 8]}, (6, 8))
    assert inside.T.ravel().tolist() == [True] * 20 + [False] * 4 + [True] * 3 + [False] * 3 + [True] * 18


# --- reading ------------------------------------------------------------------------------------------------------


def test_compressed_outlines_are_read_as_plain_ones(tmp_path):
    counts = [13, 2, 4, 2, 4, 2, 21]
    for name, form in (("plain", counts), ("short", "=24000a0")):
        coco(tmp_path / name, thing(51, segmentation={"counts": form, "size": [6, 8]}))
    plain, short = (load(tmp_path / name) for name in ("plain", "short"))
    assert np.array_equal(short.mask, plain.mask) and np.array_equal(short.instances, plain.instances)
    assert short.mask[1, 1:3, 2:5].all() and short.mask.sum() == 6


def test_boxes_masks_and_instances(tmp_path):
    runs = {"counts": [0, 6, 42], "size": [6, 8]}  # the first column
    coco(
        tmp_path / "zoo",
        thing(50, 18, segmentation=[square(1, 1, 3), square(6, 4, 1)], bbox=[1, 1, 6, 4]),
        thing(51, 3, segmentation=runs, bbox=[0, 0, 1, 6]),
        thing(50, 3, segmentation=[square(2, 2, 3)], bbox=[2, 2, 3.5, 3]),
    )
    data = load(tmp_path / "zoo")
    assert data.mask_classes == ("background", "cat", "dog") and data.name == "zoo"
    mask, numbers = np.zeros((2, 6, 8), int), np.zeros((2, 6, 8), int)
    mask[0, 1:4, 1:4] = mask[0, 4, 6] = 2
    numbers[0, 1:4, 1:4] = numbers[0, 4, 6] = 1
    mask[0, 2:5, 2:5], numbers[0, 2:5, 2:5] = 1, 2  # the last one is on top
    mask[1, :, 0] = numbers[1, :, 0] = 1
    assert np.array_equal(data.mask, mask) and np.array_equal(data.instances, numbers)
    nan = float("nan")
    wanted = [[[1, 1, 7, 5], [2, 2, 5.5, 5]], [[0, 0, 1, 6], [nan] * 4]]
    assert data.boxes.dtype == np.float32 and np.array_equal(data.boxes, np.array(wanted, np.float32), equal_nan=True)
    assert np.array_equal(data.image.at(1), picture(1)) and data.label is None and data.fold is None


def test_crowds_have_a_class_and_nothing_else_and_lie_below(tmp_path):
    crowd = {"counts": [0, 48], "size": [6, 8]}
    coco(
        tmp_path,
        thing(50, 18, segmentation=[square(1, 1, 2)], bbox=[1, 1, 2, 2]),
        thing(50, 3, segmentation=crowd, bbox=[0, 0, 8, 6], iscrowd=1),
        thing(50, 3, segmentation=[square(4, 1, 1)], bbox=[4, 1, 1, 1]),
        n=1,
    )
    data = load(tmp_path)
    inside = np.zeros((6, 8), bool)
    inside[1:3, 1:3] = True
    assert np.array_equal(data.mask[0], np.where(inside, 2, 1)) and data.boxes.shape == (1, 2, 4)
    assert np.array_equal(np.argwhere(data.instances[0] == 2), [[1, 4]]) and (data.instances[0][inside] == 1).all()
    assert (data.instances[0] > 0).sum() == 5


def test_boxes_without_outlines_are_no_masks(tmp_path):
    coco(tmp_path, thing(51, bbox=[1, 2, 3, 4], segmentation=[]), thing(51, 18, bbox=[0, 0, 2, 2]))
    data = load(tmp_path)
    assert data.mask is None and data.instances is None
    assert np.array_equal(data.boxes[1], [[1, 2, 4, 6], [0, 0, 2, 2]]) and np.isnan(data.boxes[0]).all()


def test_a_box_without_outline_among_outlines_leaves_its_pixels_unknown(tmp_path):
    coco(tmp_path, thing(50, segmentation=[square(0, 0, 2)]), thing(50, bbox=[1, 1, 3, 2]), n=1)
    wanted = np.zeros((6, 8), int)
    wanted[1:3, 1:4] = 255
    wanted[:2, :2] = 1
    assert np.array_equal(load(tmp_path).mask[0], wanted)


@pytest.mark.parametrize(
    ("name", "images"),
    [
        ("annotations.json", ""),
        ("annotations.json", "images"),
        ("instances_train2017.json", "train2017"),
        ("annotations/instances_train2017.json", "train2017"),
        ("annotations/instances_all.json", "images/all"),
    ],
)
def test_where_annotations_and_images_lie(tmp_path, name, images):
    coco(tmp_path / "set", thing(50, segmentation=[square(0, 0, 2)]), name=name, images=images)
    data = load(tmp_path / "set")
    assert len(data) == 2 and data.mask.sum() == 4 and data.fold is None
    assert load(tmp_path / "set" / name).fingerprint() == data.fingerprint()


def test_several_parts_are_folds(tmp_path):
    for part, n in (("train2017", 3), ("val2017", 1), ("test", 2)):
        outlines = [thing(50 + k, segmentation=[square(0, 0, n)]) for k in range(n)]
        coco(tmp_path, *outlines, n=n, name=f"annotations/instances_{part}.json", images=part)
    data = load(tmp_path)
    assert {name: len(data.in_fold(name)) for name in ("train", "val", "test")} == {"train": 3, "val": 1, "test": 2}
    assert (data.mask[data.in_fold("train")].sum((1, 2)) == 9).all()
    assert (data.mask[data.in_fold("test")].sum((1, 2)) == 4).all()


@pytest.mark.parametrize(("fit", "box"), [("resize", [2, 0, 6, 12]), ("pad", [1, 2, 3, 8])])
def test_boxes_move_with_the_size(tmp_path, fit, box):
    coco(tmp_path, thing(50, segmentation=[[1, 0, 3, 0, 3, 6, 1, 6]], bbox=[1, 0, 2, 6]), n=1)
    size = (12, 16) if fit == "resize" else (10, 8)
    data = load(tmp_path, size=size, fit=fit)
    assert np.array_equal(data.boxes[0, 0], box)
    rows, columns = np.nonzero(data.mask[0] == 1)
    assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == box
    assert set(np.unique(data.mask)) == ({0, 1} if fit == "resize" else {0, 1, 255})


# --- refusals -----------------------------------------------------------------------------------------------------


def test_files_that_are_no_coco(tmp_path):
    for text, word in (("{", "JSON"), ("[]", "TypeError"), ('{"images": []}', "categories")):
        (tmp_path / "annotations.json").write_text(text)
        told(tmp_path, "annotations.json", "complete COCO", word if word != "JSON" else "")
    coco(tmp_path, thing(99))
    told(tmp_path, "annotations.json", "99")
    coco(tmp_path, thing(50, 4))
    told(tmp_path, "annotations.json", "category 4")


def test_files_nested_too_deep(tmp_path):
    (tmp_path / "annotations.json").write_text("[" * 100_000)
    told(tmp_path, "annotations.json", "complete COCO", "RecursionError")


@pytest.mark.parametrize("box", [[1, 2, 3], [1, 2, 3, float("nan")], [1, 2, 3, 10**400], ["1", 2, 3, 4], "1 2 3 4", 5])
@pytest.mark.parametrize("outline", [[], [square(0, 0, 2)]])
def test_boxes_that_are_none(tmp_path, box, outline):
    coco(tmp_path, thing(51, bbox=box, segmentation=outline))
    told(tmp_path, "annotations.json has the bbox", "x, y, width and height")


def renamed(folder: Path, name: str) -> None:
    content = json.loads((folder / "annotations.json").read_text())
    content["images"][0]["file_name"] = name
    (folder / "annotations.json").write_text(json.dumps(content))


def test_images_outside_the_folder(tmp_path):
    folder = coco(tmp_path / "set", thing(50))
    outside = save(picture(0), tmp_path / "other.png")
    for name in (str(outside), "../../other.png", "../images/../../other.png"):
        renamed(folder, name)
        told(folder, f"names the image {name},", "not below its folder")
    renamed(folder, "../images/0.png")
    assert json.loads(load(folder).origin[0])["file"] == "images/0.png"


@pytest.mark.parametrize(("numbers", "more"), [((3, 4), []), ((10**9, 2), [NOBODY]), (("x", 2), [NOBODY])])
def test_numbers_of_other_tools_are_not_taken_for_ours(tmp_path, numbers, more):
    objects = [thing(50, segmentation=[square(0, 0, 2)]), thing(50)]
    coco(tmp_path, *({**each, "instance": n} for each, n in zip(objects, numbers, strict=True)), n=1)
    content = json.loads((tmp_path / "annotations.json").read_text())
    (tmp_path / "annotations.json").write_text(json.dumps({**content, "categories": [*CATEGORIES, *more]}))
    data = load(tmp_path)
    assert data.boxes.shape == (1, 2, 4) and (data.instances[0, :2, :2] == 1).all()


def test_images_that_do_not_fit(tmp_path):
    coco(tmp_path, thing(50))
    (tmp_path / "images" / "1.png").unlink()
    told(tmp_path, "1 missing image,", "1.png")
    save(picture(1, 6, 7), tmp_path / "images" / "1.png")
    told(tmp_path, "1.png", "6x8", "6x7")


def test_images_of_mixed_sizes_need_one_for_masks(tmp_path):
    coco(tmp_path, thing(50, segmentation=[square(0, 0, 2)]))
    save(picture(1, 5, 7), tmp_path / "images" / "1.png")
    content = json.loads((tmp_path / "annotations.json").read_text())
    content["images"][1] |= {"height": 5, "width": 7}
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    told(tmp_path, "different sizes", "--size")
    assert load(tmp_path, size=6).mask.shape == (2, 6, 6)


@pytest.mark.parametrize(
    ("outline", "word"),
    [
        ({"counts": "PPYo0", "size": [6, 8]}, "[6, 8] pixels"),  # 1025024
        ({"counts": "=24000a", "size": [6, 8]}, "cut off"),
        ({"counts": "=24 000a0", "size": [6, 8]}, "damaged"),
        ({"counts": "=24é00a0", "size": [6, 8]}, "damaged"),
        ({"counts": "o" * 1000 + "0", "size": [6, 8]}, "damaged"),
        ({"counts": "=24O00a0", "size": [6, 8]}, "[6, 8] pixels"),
        ({"counts": "", "size": [6, 8]}, "[6, 8] pixels"),
        ({"counts": [-1, 49], "size": [6, 8]}, "[6, 8] pixels"),
        ({"counts": [10**30], "size": [6, 8]}, "outline"),
        ({"size": [6, 8]}, "outline"),
        ({"counts": [0, 9], "size": [3, 3]}, "[3, 3]"),
        ({"counts": [0, 9], "size": [6, 8]}, "[6, 8]"),
        ([[0, 0, 1, 1]], "three points"),
        ([[0, 0, 1, float("nan"), 1, 1]], "finite"),
        ([[0, 0, 1, float("inf"), 1, 1]], "finite"),
    ],
)
def test_outlines_that_can_not_be_read(tmp_path, outline, word):
    coco(tmp_path, thing(51, segmentation=outline))
    told(tmp_path, str(Path("images") / "1.png"), word)


def test_one_image_named_twice_and_parts_that_number_otherwise(tmp_path):
    coco(tmp_path, name="instances_train.json", images="train")
    content = json.loads((tmp_path / "instances_train.json").read_text())
    content["categories"][0]["id"] = 1
    (tmp_path / "instances_val.json").write_text(json.dumps(content))
    told(tmp_path, "instances_train.json", "instances_val.json", "categories")
    (tmp_path / "instances_val.json").unlink()
    content["images"][1]["file_name"] = "0.png"
    (tmp_path / "instances_train.json").write_text(json.dumps(content))
    told(tmp_path, "0.png", "twice")


# --- writing ------------------------------------------------------------------------------------------------------

NAMES = ("background", "cat", "dog")


def scene(names: tuple[str, ...] = NAMES, dtype: str = "int32", **columns: object) -> ImageSet:
    """Images with unknown pixels, crowds, single objects of odd numbers, and boxes that are not their objects' own."""
    rng = np.random.default_rng(0)
    images = np.stack([picture(row) for row in range(4)])
    mask = np.array([0, 1, 2, 255], np.uint8)[rng.integers(0, 4, (4, 6, 8))]
    numbers = np.where(mask == 0, 0, np.array([0, 2, 3, 7])[rng.integers(0, 4, (4, 6, 8))]).astype(dtype)
    boxes = rng.random((4, 4, 4)).astype(np.float32)
    boxes[:2, 1] = np.nan
    return ImageSet.of(images, mask=mask, instances=numbers, boxes=boxes, mask_classes=names, **columns)


def assert_same(found: ImageSet, data: ImageSet) -> None:
    boxes = None if data.boxes is None else np.nan_to_num(data.boxes, nan=-1)
    found_boxes = None if found.boxes is None else np.nan_to_num(found.boxes, nan=-1)
    assert_equal(found.but(boxes=found_boxes), data.but(boxes=boxes))
    assert found.mask_classes == data.mask_classes


@pytest.mark.parametrize("names", [NAMES, ("road", "cat", "dog"), ("Road", "background", "unknown")])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_reads_back_equal(tmp_path, names, dtype):
    data = scene(names, dtype, labels=[0, 1, 1, 0], fold=np.array([2, 0, 1, 0], np.int8), group=np.array([5, 5, 1, 2]))
    if "background" in names[1:]:  # where the background is another number, no object lies on it
        data = data.but(instances=np.where(data.mask == 1, 0, data.instances).astype(dtype))
    assert_same(load(write(data, tmp_path / "out", "coco")), data)


def test_parts_of_it_read_back_equal(tmp_path):
    whole = scene()
    for k, left in enumerate((("boxes",), ("instances",), ("instances", "boxes"), ("mask", "instances"))):
        data = whole.but(**dict.fromkeys(left))
        data = data.but(mask_classes=()) if "mask" in left else data
        assert_same(load(write(data, tmp_path / str(k), "coco")), data)
    empty = whole.but(mask=np.zeros_like(whole.mask), instances=None, boxes=None)
    assert_same(load(write(empty, tmp_path / "empty", "coco")), empty)


def test_without_its_manifest_other_tools_find_the_same(tmp_path):
    data = scene()
    out = write(data, tmp_path / "out", "coco")
    for name in ("manifest.jsonl", "ganaug.json"):
        (out / name).unlink()
    found = load(out)
    assert np.array_equal(found.mask, data.mask) and np.array_equal(found.instances, data.instances)
    assert found.mask_classes == NAMES
    given = np.where(np.isnan(data.boxes), -1, data.boxes)
    known = np.where(np.isnan(found.boxes), -1, found.boxes)[:, : data.boxes.shape[1]]
    assert np.allclose(known[given >= 0], given[given >= 0], atol=1e-6)


def test_annotations_are_what_other_tools_expect(tmp_path):
    mask = np.zeros((1, 6, 8), np.uint8)
    mask[0, 1:3, 2:5], mask[0, 4:, :] = 2, 1
    numbers = np.where(mask == 2, 1, 0)
    data = ImageSet.of(np.stack([picture(0)]), mask=mask, instances=numbers, mask_classes=NAMES)
    content = json.loads((write(data, tmp_path / "out", "coco") / "annotations.json").read_text())
    assert content["images"] == [{"id": 1, "file_name": "000000.png", "height": 6, "width": 8}]
    assert {c["id"]: c["name"] for c in content["categories"]} == {2: "cat", 3: "dog", 255: "unknown"}
    crowd, dog = content["annotations"]
    assert dog["bbox"] == [2, 1, 3, 2] and dog["area"] == 6 and dog["category_id"] == 3 and dog["iscrowd"] == 0
    assert dog["segmentation"] == {"counts": [13, 2, 4, 2, 4, 2, 21], "size": [6, 8]}
    assert crowd["iscrowd"] == 1 and crowd["category_id"] == 2 and crowd["area"] == 16
    assert crowd["id"] != dog["id"] and crowd["image_id"] == dog["image_id"] == 1


@settings(deadline=None, max_examples=20)
@given(
    hnp.arrays(np.uint8, (2, 3, 4), elements=st.sampled_from([0, 1, 2, 255])),
    hnp.arrays(np.int32, (2, 3, 4), elements=st.integers(0, 3)),
)
def test_any_small_scene_reads_back(mask, numbers):
    numbers = np.where(mask == 0, 0, numbers).astype(np.int32)
    data = ImageSet.of(np.zeros((2, 3, 4, 1), np.uint8), mask=mask, instances=numbers, mask_classes=NAMES)
    with TemporaryDirectory() as place:
        assert_same(load(write(data, f"{place}/out", "coco")), data)


def test_what_coco_can_not_hold(tmp_path):
    data = scene()
    lying = data.but(instances=np.ones_like(data.instances))
    many = data.but(mask_classes=tuple(map(str, range(255))))
    for bad, word in ((data.but(mask=None), "no masks"), (lying, "lies on background"), (many, "254 mask classes")):
        with pytest.raises(InputError, match=word):
            write(bad, tmp_path / "out", "coco")
    assert not list(tmp_path.iterdir())
