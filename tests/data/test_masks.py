# SPDX-License-Identifier: Apache-2.0
"""images/ beside masks/: every kind of mask, what stands beside, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_files import picture, save
from mask_files import classes, scenes, told
from PIL import Image

from ganaug.data.image_set import ImageSet
from ganaug.data.load import load

RED, GREEN, BLACK = (255, 0, 0), (0, 128, 0), (0, 0, 0)


def three() -> list[np.ndarray]:
    return [classes(row) for row in range(3)]


# --- what values mean ---------------------------------------------------------------------------------------------


def test_class_numbers_and_unknown_pixels(tmp_path):
    masks = three()
    masks[1][2:4, 3:] = 255
    data = load(scenes(tmp_path / "set", masks))
    assert data.mask.dtype == np.uint8 and np.array_equal(data.mask, np.stack(masks))
    assert data.mask_classes == ("0", "1", "2") and data.spec.mask_classes == data.mask_classes
    assert np.array_equal(data.image.at(2), picture(2)) and data.label is None and data.name == "set"
    assert json.loads(data.origin[0]) == {"file": "images/0.png"}


def test_a_class_number_that_no_mask_holds_keeps_its_place(tmp_path):
    mask = np.where(classes(0) == 1, 2, classes(0)).astype(np.uint8)
    assert load(scenes(tmp_path, [mask])).mask_classes == ("0", "1", "2")


def test_black_and_white_are_background_and_foreground(tmp_path):
    wanted = [classes(row, 2) for row in range(2)]
    data = load(scenes(tmp_path, [255 * mask for mask in wanted]))
    assert data.mask_classes == ("background", "foreground") and np.array_equal(data.mask, np.stack(wanted))


def test_one_bit_masks(tmp_path):
    wanted = classes(0, 2)
    scenes(tmp_path, [wanted])
    Image.fromarray(255 * wanted).convert("1").save(tmp_path / "masks" / "0.png")
    assert np.array_equal(load(tmp_path).mask[0], wanted)


def test_a_palette_is_read_by_its_indices_not_by_its_colours(tmp_path):
    scenes(tmp_path, three())
    for row, mask in enumerate(three()):
        image = Image.fromarray(mask)
        image.putpalette([200, 30, 30, 200, 30, 30, 9, 9, 9])  # two indices of one colour
        assert image.mode == "P"
        image.save(tmp_path / "masks" / f"{row}.png")
    assert np.array_equal(load(tmp_path).mask, np.stack(three()))


def test_colours_are_classes(tmp_path):
    palette = np.array([BLACK, RED, GREEN], np.uint8)
    data = load(scenes(tmp_path, [palette[mask] for mask in three()]))
    assert data.mask_classes == ("#000000", "#008000", "#ff0000")  # in the order of their numbers
    assert np.array_equal(np.array([0, 2, 1])[data.mask], np.stack(three()))


def test_classes_txt_names_the_numbers(tmp_path):
    scenes(tmp_path, three())
    (tmp_path / "classes.txt").write_text("\ufeffground\nroad, wet\n\n  Größe \nnever\n", encoding="utf-8")
    data = load(tmp_path)
    assert data.mask_classes == ("ground", "road, wet", "Größe", "never") and np.array_equal(data.mask, three())


def test_two_names_for_black_and_white(tmp_path):
    wanted = [classes(row, 2) for row in range(2)]
    scenes(tmp_path, [255 * mask for mask in wanted])
    (tmp_path / "classes.txt").write_text("ground\nroof\n")
    data = load(tmp_path)
    assert data.mask_classes == ("ground", "roof") and np.array_equal(data.mask, np.stack(wanted))


def test_classes_csv_names_values(tmp_path):
    values = np.array([7, 255, 100], np.uint8)
    scenes(tmp_path, [values[mask] for mask in three()])
    (tmp_path / "classes.csv").write_text("Name,Value\nroad,7\nsky,255\ncar,100\nnever,3\n")
    data = load(tmp_path)
    assert data.mask_classes == ("road", "sky", "car", "never") and np.array_equal(data.mask, np.stack(three()))


def test_classes_csv_names_colours(tmp_path):
    palette = np.array([BLACK, RED, GREEN], np.uint8)
    scenes(tmp_path, [palette[mask] for mask in three()])
    (tmp_path / "classes.csv").write_text("name,red,green,blue\nvoid,0,0,0\ncar,255,0,0\ntree,0,128,0\n")
    data = load(tmp_path)
    assert data.mask_classes == ("void", "car", "tree") and np.array_equal(data.mask, np.stack(three()))


@pytest.mark.parametrize("where", [".", "train"])
def test_names_stand_above_the_folds_or_in_one(tmp_path, where):
    for fold in ("train", "test"):
        scenes(tmp_path / fold, three())
    (tmp_path / where / "classes.txt").write_text("a\nb\nc\n")
    assert load(tmp_path).mask_classes == ("a", "b", "c")


# --- what stands where --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "suffix"), [("_mask", ".png"), ("_label", ".png"), ("", ".bmp"), ("", ".tif"), ("", ".PNG")]
)
def test_names_of_masks(tmp_path, ending, suffix):
    data = load(scenes(tmp_path, three(), ending, suffix))
    assert np.array_equal(data.mask, np.stack(three()))


@pytest.mark.parametrize(
    ("images", "masks"),
    [("Images", "Masks"), ("img", "labels"), ("JPEGImages", "SegmentationClass"), ("imgs", "gt")],
)
def test_names_of_folders(tmp_path, images, masks):
    data = load(renamed(scenes(tmp_path, three()), images, masks))
    assert np.array_equal(data.mask, np.stack(three()))


def renamed(folder: Path, images: str, masks: str) -> Path:
    (folder / "images").rename(folder / "x"), (folder / "x").rename(folder / images)
    (folder / "masks").rename(folder / "y"), (folder / "y").rename(folder / masks)
    return folder


def test_labels_without_images_are_no_masks(tmp_path):
    folder = renamed(scenes(tmp_path, three()), "images", "labels")
    for row in range(3):
        (folder / "labels" / f"{row}.png").unlink()
        (folder / "labels" / f"{row}.txt").write_text("0 0.5 0.5 0.1 0.1")  # boxes
    told(tmp_path, "labels", "holds no images")


def test_folds_inside_images_and_masks(tmp_path):
    for fold, at in (("train", 0), ("test", 1)):
        scenes(tmp_path / fold, three()[at : at + 1])
        for kind in ("images", "masks"):
            (tmp_path / kind).mkdir(exist_ok=True)
            (tmp_path / fold / kind).rename(tmp_path / kind / fold)
        (tmp_path / fold).rmdir()
    data = load(tmp_path)
    assert sorted(data.fold) == [0, 2] and np.array_equal(data.mask[data.fold == 2][0], three()[1])


def test_masks_as_arrays_beside_photographs(tmp_path):
    for row, mask in enumerate(three()):
        save(picture(row), tmp_path / "images" / "walk" / f"{row}.jpg")
        (tmp_path / "masks" / "walk").mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "masks" / "walk" / f"{row}.npy", np.where(mask == 2, -1, mask).astype(np.int64))
    data = load(tmp_path)
    assert np.array_equal(data.mask, np.where(np.stack(three()) == 2, 255, np.stack(three())))  # -1 is unknown


def test_folds_and_tables(tmp_path):
    for fold, masks in (("train", three()), ("val", three()[:1]), ("Test", three()[:2])):
        scenes(tmp_path / fold, masks)
    (tmp_path / "train" / "labels.csv").write_text("file,label,patient\n0.png,ill,p\n1.png,well,q\n2.png,ill,p\n")
    data = load(tmp_path)
    assert {name: len(data.in_fold(name)) for name in ("train", "val", "test")} == {"train": 3, "val": 1, "test": 2}
    train = data.select(data.in_fold("train"))
    assert [train.classes[k] for k in train.label] == ["ill", "well", "ill"] and train.group.tolist() == [0, 1, 0]
    assert np.array_equal(train.mask, np.stack(three())) and (data.label[data.in_fold("test")] == -1).all()


@pytest.mark.parametrize("named", ["a/0.png", "images/a/0.png"])
def test_a_table_tells_folders_inside_images_apart(tmp_path, named):
    for folder in ("a", "b"):
        save(picture(0), tmp_path / "images" / folder / "0.png")
        save(classes(0)[..., None], tmp_path / "masks" / folder / "0.png")
    lines = ["file,label,split", f"{named},x,train", f"{named.replace('a/0', 'b/0')},y,test"]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    data = load(tmp_path)
    assert data.label.tolist() == [0, 1] and data.fold.tolist() == [0, 2]


def test_a_table_above_the_folds(tmp_path):
    for fold in ("train", "test"):
        scenes(tmp_path / fold, three()[:1])
    (tmp_path / "labels.csv").write_text("file,label\ntrain/images/0.png,x\ntest/images/0.png,y\n")
    data = load(tmp_path)
    assert {data.classes[k]: f for k, f in zip(data.label, data.fold, strict=True)} == {"x": 0, "y": 2}


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_instances_of_16_bit_and_validity(tmp_path, suffix):
    numbers = np.arange(48).reshape(6, 8) * 1000
    scenes(tmp_path, three())
    for row in range(3):
        for name, content in (("instances", numbers + row), ("valid", 255 * (numbers > 4000))):
            (tmp_path / name).mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / name / f"{row}.tif", content.astype(np.uint16))
            if suffix == ".png":
                (tmp_path / name / f"{row}.tif").unlink()
                Image.fromarray(content.astype(np.uint16)).save(tmp_path / name / f"{row}.png")
    data = load(tmp_path)
    assert data.instances.dtype == np.int32 and np.array_equal(data.instances, [numbers + row for row in range(3)])
    assert data.valid.dtype == bool and np.array_equal(data.valid[1], numbers > 4000)


def test_instances_beside_masks_of_other_names(tmp_path):
    scenes(tmp_path, three(), ending="_mask")
    for row, mask in enumerate(three()):
        save(mask[..., None], tmp_path / "instances" / f"{row}.png")
    assert np.array_equal(load(tmp_path).instances, np.stack(three()))


# --- sizes --------------------------------------------------------------------------------------------------------


def test_masks_are_resized_to_the_nearest_pixel(tmp_path):
    mask = np.zeros((6, 8), np.uint8)
    mask[:, 4:] = 2
    mask[0, 0] = 1
    data = load(scenes(tmp_path, [mask]), size=(12, 4))
    assert data.mask.shape == (1, 12, 4) and data.image.shape == (12, 4, 3)
    assert set(np.unique(data.mask)) <= {0, 1, 2} and np.array_equal(data.mask[0, :, 2:], np.full((12, 2), 2))


@pytest.mark.parametrize("values", [(0, 1, 2), (0, 255)], ids=["numbers", "black and white"])
def test_padding_is_unknown_and_no_object(tmp_path, values):
    mask = np.array(values, np.uint8)[classes(0, len(values), 4, 8)]
    scenes(tmp_path, [mask])
    for name in ("instances", "valid"):
        save(np.full((4, 8, 1), 9, np.uint8), tmp_path / name / "0.png")
    data = load(tmp_path, size=8, fit="pad")
    assert np.array_equal(data.mask[0, 2:6], classes(0, len(values), 4, 8)) and len(data.mask_classes) == len(values)
    outside = np.r_[0:2, 6:8]
    assert (data.mask[0, outside] == 255).all() and (data.image.at(0)[outside] == 0).all()
    assert (data.instances[0, outside] == 0).all() and (data.instances[0, 2:6] == 9).all()
    assert not data.valid[0, outside].any() and data.valid[0, 2:6].all()


def test_masks_of_background_alone_do_not_make_padding_an_object(tmp_path):
    data = load(scenes(tmp_path, [np.zeros((4, 8), np.uint8)]), size=8, fit="pad")
    assert data.mask_classes == ("0",) and set(np.unique(data.mask)) == {0, 255}


def test_a_set_in_memory_moves_its_masks_too():
    mask = np.repeat(classes(0), 2, axis=0)[None]
    images = np.zeros((1, 12, 8, 1), np.uint8)
    data = load(ImageSet.of(images, mask=mask, valid=mask > 0, instances=mask.astype(np.int64) * 500), size=(6, 8))
    assert np.array_equal(data.mask[0], classes(0)) and np.array_equal(data.instances[0], 500 * classes(0).astype(int))
    assert np.array_equal(data.valid[0], classes(0) > 0)


# --- refusals -----------------------------------------------------------------------------------------------------


def test_a_mask_of_another_size(tmp_path):
    scenes(tmp_path, three())
    save(np.zeros((6, 7, 1), np.uint8), tmp_path / "masks" / "1.png")
    for size in (None, 4):
        told(tmp_path, str(Path("masks") / "1.png"), "6x7", str(Path("images") / "1.png"), "6x8", size=size)


def test_another_map_of_another_size(tmp_path):
    scenes(tmp_path, three())
    for row in range(3):
        save(np.zeros((6, 7 + (row != 1), 1), np.uint8), tmp_path / "instances" / f"{row}.png")
    told(tmp_path, str(Path("instances") / "1.png"), "6x7", "6x8", size=4)


def test_an_image_without_one_of_the_other_maps(tmp_path):
    scenes(tmp_path, three())
    save(classes(0)[..., None], tmp_path / "instances" / "0.png")
    told(tmp_path, str(Path("images") / "1.png"), "instances/")


def test_an_image_without_mask_and_a_mask_without_image(tmp_path):
    scenes(tmp_path / "one", three())
    (tmp_path / "one" / "masks" / "2.png").unlink()
    told(tmp_path / "one", str(Path("images") / "2.png"), "no mask", "2.png")
    scenes(tmp_path / "other", three())
    (tmp_path / "other" / "images" / "2.png").unlink()
    told(tmp_path / "other", str(Path("masks") / "2.png"), "no image")


def test_values_that_no_class_has(tmp_path):
    scenes(tmp_path, three())
    (tmp_path / "classes.txt").write_text("a\nb\n")
    told(tmp_path, str(Path("masks") / "0.png"), "holds 2", "2 classes", "a: 0, b: 1")
    (tmp_path / "classes.txt").unlink()
    (tmp_path / "classes.csv").write_text("name,red,green,blue\na,0,0,0\n")
    save(np.array([BLACK, RED], np.uint8)[classes(1, 2)], tmp_path / "masks" / "1.png")
    told(tmp_path, "1 classes", "a: #000000")


@pytest.mark.parametrize("channels", [1, 3])
def test_black_and_white_masks_in_a_lossy_format_are_black_and_white_again(tmp_path, channels):
    mask = np.zeros((40, 40), np.uint8)
    mask[8:24, 16:32] = 255
    save(picture(0, 40, 40), tmp_path / "images" / "0.png")
    save(mask[..., None].repeat(channels, 2), tmp_path / "masks" / "0.jpg")
    data = load(tmp_path)
    assert data.mask_classes == ("background", "foreground") and np.array_equal(data.mask[0], mask // 255)


def test_other_masks_in_a_lossy_format(tmp_path):
    for row in range(3):
        save(picture(row), tmp_path / "images" / f"{row}.png")
        save(60 * classes(row, 4, 6, 8)[..., None], tmp_path / "masks" / f"{row}.jpg")
    told(tmp_path, "different values", "PNG", "classes.csv")


def test_values_that_are_no_numbers_of_classes(tmp_path):
    scenes(tmp_path, three(), suffix=".tif")
    tifffile.imwrite(tmp_path / "masks" / "1.tif", classes(1) + np.float32(0.5))
    told(tmp_path, str(Path("masks") / "1.tif"), "no class numbers")


@pytest.mark.parametrize("text", ["name,colour\na,7\n", "name,value\na,red\n", "name,red,green,blue\na,1,2\n"])
def test_tables_of_classes_that_are_none(tmp_path, text):
    (scenes(tmp_path, three()) / "classes.csv").write_text(text)
    told(tmp_path, "classes.csv", "name and value")


def test_names_that_are_no_text_or_too_many(tmp_path):
    (scenes(tmp_path, three()) / "classes.txt").write_bytes(b"a\n\xff\xfe\n")
    told(tmp_path, "classes.txt", "UTF-8")
    (tmp_path / "classes.txt").write_text("\n".join(f"c{k}" for k in range(256)))
    told(tmp_path, "classes.txt", "256 classes")


def test_images_of_mixed_sizes_need_one(tmp_path):
    scenes(tmp_path, [classes(0), classes(1, 3, 5, 7)])
    told(tmp_path, "different sizes", "--size")
    assert load(tmp_path, size=6).mask.shape == (2, 6, 6)


def test_folders_without_images(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    told(tmp_path, "holds no images")


def test_classes_called_images_and_masks_are_a_set_that_ganaug_wrote(tmp_path):
    from ganaug.data.write import write

    data = ImageSet.of(np.stack([picture(i) for i in range(4)]), [0, 1, 0, 1], ["images", "masks"])
    assert load(write(data, tmp_path / "out")).classes == ("images", "masks")
    shutil.rmtree(tmp_path / "out")
