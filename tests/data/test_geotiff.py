# SPDX-License-Identifier: Apache-2.0
"""Georeferenced images: what is read, cut and written lies where it lay, and nodata is never taken for signal."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from image_files import picture, save
from tifffile import TiffFile

from ganaug.data import gather, manifest
from ganaug.data import rasters as rasters_module
from ganaug.data import write_geotiff as write_geotiff_module
from ganaug.data.encode import encoded
from ganaug.data.errors import InputError
from ganaug.data.geo import Place, place_of, read_place, reflectance, with_place
from ganaug.data.image_set import ImageSet
from ganaug.data.load import load as ganaug_load
from ganaug.data.readers import geotiff
from ganaug.data.scaling import Scaling
from ganaug.data.tiles import tiled
from ganaug.data.write import write
from ganaug.data.write_geotiff import clear_of, write_back, write_geotiff

UTM = (10.0, 0.0, 499_980.0, 0.0, -10.0, 4_600_020.0)
BANDS = ("B2", "B3", "B4", "B8")


def rasters():
    return pytest.importorskip("rasterio")


def scene(height: int = 48, width: int = 64, bands: int = 4, dtype: str = "uint16", seed: int = 0) -> np.ndarray:
    """Random numbers 1..4000 [C, H, W]."""
    return np.random.default_rng(seed).integers(1, 4001, (bands, height, width)).astype(dtype)


def raster(path: Path, values: np.ndarray, crs="EPSG:32630", transform=UTM, names=BANDS, **more) -> Path:
    """A GeoTIFF; `more` as rasterio takes it, and `scale` and `tags`."""
    rasterio = rasters()
    scale, tags = more.pop("scale", None), more.pop("tags", {})
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = values.shape
    profile = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": values.dtype, **more}
    with rasterio.open(path, "w", crs=crs, transform=rasterio.Affine(*transform), **profile) as out:
        out.write(values)
        for band, name in enumerate(names[:count], 1):
            out.set_band_description(band, name)
        out.update_tags(**tags)
        if scale:
            out.scales = (scale,) * count
    return path


def load(path: Path, size=None, fit="resize") -> ImageSet:
    assert geotiff.recognise(path)
    return geotiff.read(path, size, fit)


# --- places: no file and no rasterio ---


def test_corners_by_hand():
    place = Place("EPSG:32630", UTM, 0.0)
    assert place.corner(0, 0) == (499_980.0, 4_600_020.0) and place.corner(3, 2) == (500_000.0, 4_599_990.0)
    assert place.window(3, 2).transform == (10.0, 0.0, 500_000.0, 0.0, -10.0, 4_599_990.0)
    half = place.resized(0.5, 0.25)
    assert half.transform == (40.0, 0.0, 499_980.0, 0.0, -20.0, 4_600_020.0)
    assert half.corner(24, 16) == place.corner(48, 64)


def test_windows_compose_and_invert_when_the_grid_is_turned():
    turned = Place("EPSG:27700", (3.0, -4.0, 100.0, -4.0, -3.0, 900.0))
    assert turned.window(5, 7).window(2, 1).transform == pytest.approx(turned.window(7, 8).transform)
    assert turned.pixel(*turned.corner(11, 13)) == pytest.approx((11, 13))


def test_padding_moves_the_corner_outwards():
    place = Place("", UTM).fitted((20, 40), (10, 20), (20, 20))  # halved, then 5 rows above
    assert place.corner(5, 0) == pytest.approx(UTM[2::3]) and place.transform[0] == 20.0


@pytest.mark.parametrize("nodata", [None, 0.0, -9999.0, float("nan"), float("inf")])
def test_a_place_survives_json(nodata):
    place = Place("EPSG:32630", (10.0, 0.1, 1 / 3, 0.2, -10.0, 4.6e6 + 1 / 7), nodata)
    back = Place.from_json(json.loads(json.dumps(place.to_json(), allow_nan=False)))
    assert back.transform == place.transform and back.crs == place.crs
    assert str(back.nodata) == str(nodata)
    with pytest.raises(InputError, match="damaged"):
        Place.from_json({"crs": "EPSG:1", "transform": [1, 2]})


def test_the_place_of_a_tile_is_that_of_its_image_moved():
    place = Place("EPSG:32630", UTM)
    origin = json.dumps({"file": "a.tif", "place": place.to_json(), "top": 16, "left": 32})
    assert place_of(origin) == place.window(16, 32)
    assert place_of(with_place(origin, place.window(16, 32))) == place.window(16, 32)
    assert place_of("{}") is None and place_of("no json") is None


def test_reflectance_by_hand():
    dn = np.array([[0, 1000], [2000, 11000]], np.uint16)
    assert reflectance(dn, -1000).tolist() == [[-0.1, 0.0], [0.1, 1.0]]
    assert reflectance(dn, [0, -1000]).tolist() == [[0.0, 0.0], [0.2, 1.0]]


# --- reading ---


def test_a_plain_tiff_is_left_to_the_plain_reader(tmp_path):
    (tmp_path / "a.tif").write_bytes(encoded(scene().transpose(1, 2, 0), ".tif"))
    assert not geotiff.recognise(tmp_path / "a.tif") and not geotiff.recognise(tmp_path)
    save(picture(0), tmp_path / "b.png")
    assert not geotiff.recognise(tmp_path / "b.png") and not geotiff.recognise(tmp_path / "missing")


def test_without_rasterio_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    file = raster(tmp_path / "a.tif", scene())
    monkeypatch.setitem(__import__("sys").modules, "rasterio", None)
    assert geotiff.recognise(file)  # by its tags alone
    with pytest.raises(InputError, match=r"pip install 'ganaug\[geo\]'"):
        geotiff.read(file, None, "resize")


@pytest.mark.parametrize("options", [{}, {"compress": "lzw", "interleave": "band"}, {"tiled": True, "nodata": 0}])
def test_one_file(tmp_path, options):
    values = scene()
    data = load(raster(tmp_path / "a.tif", values, **options))
    assert np.array_equal(data.image.at(0), values.transpose(1, 2, 0)) and data.image.dtype == np.uint16
    assert data.bands == BANDS and data.valid is None and data.scaling == Scaling("uint16", values.min(), values.max())
    assert json.loads(data.origin[0])["file"] == "a.tif"
    assert place_of(data.origin[0]) == Place("EPSG:32630", UTM, options.get("nodata"))


@pytest.mark.parametrize("dtype,nodata", [("uint16", 0), ("float32", float("nan")), ("float32", -9999), ("int16", -1)])
def test_the_mean_with_a_border_of_nodata_is_that_of_the_interior(tmp_path, dtype, nodata):
    values = scene(dtype=dtype)
    inside = np.zeros(values.shape[1:], bool)
    inside[8:-8, 4:-12] = True
    values[:, ~inside] = nodata
    values[2, 20, 30] = nodata  # one band alone makes the pixel unknown
    inside[20, 30] = False
    data = load(raster(tmp_path / "a.tif", values, nodata=nodata))
    assert np.array_equal(data.valid[0], inside)
    interior = values[:, inside].mean(1, dtype=np.float64)
    whole = data.image.at(0).reshape(-1, 4).mean(0, dtype=np.float64)
    assert whole == pytest.approx(interior, abs=0.5 if dtype == "uint16" else 1e-2)
    assert data.scaling.low == values[:, inside].min() and data.scaling.high == values[:, inside].max()
    assert abs(np.asarray(values, np.float64)[:, ~inside].mean() - interior.mean()) > 100 or np.isnan(nodata)  # control


def test_nan_that_no_tag_announces_is_not_valid_either(tmp_path):
    values = scene(dtype="float32")
    values[1, 3, 4] = np.nan
    data = load(raster(tmp_path / "a.tif", values))
    assert (~data.valid).sum() == 1 and not data.valid[0, 3, 4] and np.isfinite(data.image.at(0)).all()


def test_a_fourth_band_is_never_alpha(tmp_path):
    values = scene(dtype="uint8", bands=4)
    values[3, :4] = 0
    data = load(raster(tmp_path / "a.tif", values, photometric="rgb"))
    assert data.valid is None and data.image.shape[2] == 4


@pytest.mark.parametrize("fit", ["resize", "pad"])
def test_size_moves_the_place_and_lets_no_nodata_in(tmp_path, fit):
    values = scene(32, 64)
    values[:] = np.where(np.arange(64) < 10, 0, np.where(np.arange(64) < 20, 1000, 3000))  # the fill is about 2600
    data = load(raster(tmp_path / "a.tif", values, nodata=0), (32, 32), fit)
    place = place_of(data.origin[0])
    top = 8 if fit == "pad" else 0
    assert place.corner(top, 0) == pytest.approx(UTM[2::3])
    assert place.corner(32 - top, 32) == pytest.approx(Place("", UTM).corner(32, 64))
    assert not data.valid[0, :, :6].any() and data.valid[0, top : 32 - top, 6:].all()
    assert (data.image.at(0)[top : 32 - top, 6:9] == 1000).all() and (data.image.at(0)[16, 5] > 1000).all()


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("memory", [gather.IN_MEMORY, 1])
def test_padding_is_not_taken_for_signal(tmp_path, monkeypatch, dtype, memory):
    values = np.full((4, 16, 32), 1000, dtype)
    values[:, :, 16:] = 3001
    monkeypatch.setattr(gather, "IN_MEMORY", memory)
    file = raster(tmp_path / "a.tif", values)
    data = load(file, (32, 32), "pad")
    assert not data.valid[0, :8].any() and data.valid[0, 8:24].all() and not data.valid[0, 24:].any()
    mean = 2000 if dtype == "uint16" else 2000.5
    assert (data.image.at(0)[:8] == mean).all() and (data.image.at(0)[24:] == mean).all()
    assert np.array_equal(data.image.at(0)[8:24], values.transpose(1, 2, 0))
    assert load(file, (8, 8), "resize").valid is None and load(file, (16, 32), "pad").valid is None


def test_folder_with_table_and_bands_txt(tmp_path):
    for k in range(3):
        raster(tmp_path / f"{k}.tif", scene(seed=k), names=())
    (tmp_path / "labels.csv").write_text("file,label\n0.tif,bog\n2.tif,fen\n1.tif,bog\n")
    (tmp_path / "bands.txt").write_text("B02\nB03\nB04\nB8A\n")
    data = load(tmp_path)
    assert data.bands == ("B02", "B03", "B04", "B8A") and data.classes == ("bog", "fen")
    assert data.label.tolist() == [0, 1, 0] and json.loads(data.origin[1])["file"] == "2.tif"
    assert load(tmp_path / "labels.csv").fingerprint() == data.fingerprint()
    (tmp_path / "bands.txt").write_text("B02\nB03\n")
    with pytest.raises(InputError, match="2 names for 4 bands"):
        load(tmp_path)


def test_masks_are_unknown_where_there_is_no_data(tmp_path):
    for k, part in enumerate(("train", "train", "test")):
        values = scene(seed=k)
        values[:, :5] = 0
        raster(tmp_path / part / "images" / f"{k}.tif", values, nodata=0, compress="lzw")
        mask = np.random.default_rng(k).integers(0, 3, (48, 64, 1)).astype(np.uint8)
        save(mask, tmp_path / part / "masks" / f"{k}.png")
    data = load(tmp_path)
    assert data.mask_classes == ("0", "1", "2") and data.fold.tolist() == [2, 0, 0]
    assert (data.mask[:, :5] == 255).all() and set(np.unique(data.mask[:, 5:])) == {0, 1, 2}
    assert not data.valid[:, :5].any() and data.valid[:, 5:].all()
    save(mask[:40], tmp_path / "test" / "masks" / "2.png")
    with pytest.raises(InputError, match=r"2\.png has 40x64"):
        load(tmp_path)


@pytest.mark.parametrize(("dtype", "nodata"), [("int16", -9999), ("uint16", 65535), ("uint8", 0)])
def test_what_a_mask_states_as_no_data_is_unknown_unless_it_is_0(tmp_path, dtype, nodata):
    raster(tmp_path / "images" / "a.tif", scene())
    held = np.random.default_rng(0).integers(0, 3, (48, 64)).astype(dtype)
    held[:5] = nodata
    raster(tmp_path / "masks" / "a.tif", held[None], names=("class",), nodata=nodata)
    found = load(tmp_path).mask[0]
    assert (found[:5] == (255 if nodata else 0)).all() and np.array_equal(found[5:], held[5:])


def test_scenes_too_large_to_be_read_whole_are_cut_however_few_bytes_they_have(tmp_path, monkeypatch):
    file = raster(tmp_path / "a.tif", scene(bands=1), names=("x",))
    whole = load(file)
    monkeypatch.setattr(rasters_module, "MOST_PIXELS", 2000)  # the scene has 3072
    cut = tiled(load(file), 16)
    expected = tiled(whole, 16)
    assert len(cut) == len(expected) > 1 and np.array_equal(cut.image[np.arange(9)], expected.image[np.arange(9)])


def test_the_offset_of_the_metadata_is_told(tmp_path):
    data = load(raster(tmp_path / "a.tif", scene(), tags={"BOA_ADD_OFFSET": "-1000"}))
    assert json.loads(data.origin[0])["add_offset"] == [-1000.0] * 4
    plain = load(raster(tmp_path / "b" / "a.tif", scene(), tags={"DATATAKE": "2024-01-01"}))
    assert "add_offset" not in json.loads(plain.origin[0])


def test_a_set_above_the_memory_bound_is_read_when_asked_for(tmp_path, monkeypatch):
    values = scene()
    values[:, :4] = 0
    file = raster(tmp_path / "a.tif", values, nodata=0, tiled=True, blockxsize=16, blockysize=16)
    whole = load(file)
    monkeypatch.setattr(gather, "IN_MEMORY", 1000)
    lazy = load(file)
    assert isinstance(lazy.image, rasters_module.RasterPixels) and lazy.scaling == whole.scaling
    assert np.array_equal(lazy.image.at(0), whole.image.at(0))
    monkeypatch.setattr(rasters_module, "MOST_PIXELS", 2000)  # the scene has 3072
    with pytest.raises(InputError, match=r"a\.tif is too large .* --tiles"):
        lazy.image.at(0)
    rows, top, left = np.array([0, 0]), np.array([0, 16]), np.array([16, 32])
    cut = lazy.image.windows(rows, top, left, 16)
    expected = np.stack([whole.image.at(0)[y : y + 16, x : x + 16] for y, x in zip(top, left, strict=True)])
    assert np.array_equal(cut[np.array([0, 1])], expected) and cut.shape == (16, 16, 4)
    swapped = cut.select(np.array([1, 0]))
    assert np.array_equal(swapped.at(0), expected[1]) and cut.fingerprint() != swapped.fingerprint()


# --- class folders ---


def classes(folder: Path, **more) -> Path:
    """A scene of 48x64 pixels without data at the left edge as 12 tiles of 16, in turn in bog/ and fen/."""
    values, place = scene(), Place("", UTM)
    values[:, :, :6] = 0
    for k, (top, left) in enumerate((top, left) for top in range(0, 48, 16) for left in range(0, 64, 16)):
        tile, transform = values[:, top : top + 16, left : left + 16], place.window(top, left).transform
        raster(folder / ("bog", "fen")[k % 2] / f"{k:02d}.tif", tile, **{"transform": transform, "nodata": 0, **more})
    return folder


def test_class_folders_keep_place_nodata_and_bands(tmp_path):
    data = ganaug_load(classes(tmp_path / "in"))
    assert data.classes == ("bog", "fen") and data.label.tolist() == [0] * 6 + [1] * 6 and data.bands == BANDS
    assert [json.loads(text)["file"] for text in data.origin[[0, 6]]] == ["bog/00.tif", "fen/01.tif"]
    assert place_of(data.origin[6]) == Place("EPSG:32630", UTM, 0.0).window(0, 16)
    assert not data.valid[[0, 2, 4], :, :6].any() and data.valid[:, :, 6:].all() and data.valid[6:].all()
    alone = load(tmp_path / "in" / "bog" / "00.tif")
    assert np.array_equal(data.image.at(0), alone.image.at(0)) and (data.image.at(0) > 0).all()
    half = ganaug_load(tmp_path / "in", size=8)
    assert place_of(half.origin[6]).corner(8, 8) == place_of(data.origin[6]).corner(16, 16)


def test_class_folders_below_folds_and_of_other_kinds(tmp_path):
    for part, fold in (("train", 0), ("test", 2)):
        classes(tmp_path / "in" / part)
        data = ganaug_load(tmp_path / "in")
        assert set(data.fold) == {0, fold} and len(data) == 12 * (1 + fold // 2) and data.bands == BANDS
    for letter in "AB":
        raster(tmp_path / "pairs" / letter / "0.tif", scene())
        (tmp_path / "plain" / letter.lower()).mkdir(parents=True)
        (tmp_path / "plain" / letter.lower() / "0.tif").write_bytes(encoded(scene().transpose(1, 2, 0), ".tif"))
    assert "b" in ganaug_load(tmp_path / "pairs").views, "the layout of pairs goes before"
    assert not geotiff.recognise_classes(tmp_path / "plain") and ganaug_load(tmp_path / "plain").classes == ("a", "b")


@pytest.mark.parametrize(("names", "kind"), [(("A", "B"), "views"), (("trainA", "trainB"), "others")])
def test_radar_and_optical_images_keep_place_and_nodata(tmp_path, names, kind):
    radar = scene(bands=2, dtype="float32")
    radar[:, :, :6] = -9999
    for k in range(2):
        raster(tmp_path / names[0] / f"{k}.tif", radar, nodata=-9999, names=("VV", "VH"))
        raster(tmp_path / names[1] / f"{k}.tif", scene(seed=k))
    data = ganaug_load(tmp_path)
    other = getattr(data, kind)["b"]
    assert data.bands == ("VV", "VH") and other.bands == BANDS and len(data) == len(other) == 2
    assert not data.valid[:, :, :6].any() and data.valid[:, :, 6:].all()
    assert data.image[:].min() > 0 and data.scaling.low > 0, "nodata is no signal"
    assert place_of(data.origin[0]).crs == place_of(other.origin[1]).crs == "EPSG:32630"


def test_class_folders_go_back_into_their_scene(tmp_path):
    values = scene()
    values[:, :, :6] = 0
    file = raster(tmp_path / "a.tif", values, nodata=0)
    data = ganaug_load(classes(tmp_path / "in"))
    again = ganaug_load(write(data.but(boxes=np.ones((12, 1, 4), np.float32)), tmp_path / "out", "geotiff"), size=32)
    assert np.array_equal(again.label, data.label) and again.classes == data.classes and (again.boxes == 2).all()
    bog = data.select(data.label == 0)
    brighter = bog.but(image=bog.image[np.arange(6)] + 1)
    expected = values.copy()
    expected.reshape(4, 48, 2, 2, 16)[:, :, :, 0] += 1  # every second tile of a row
    with rasters().open(write_back(brighter, file, tmp_path / "b.tif")) as out:
        assert np.array_equal(out.read(), np.where(values > 0, expected, 0))


@pytest.mark.parametrize(
    ("odd", "sentence"),
    [
        ({"crs": None}, r"fen/x\.tif has no CRS"),
        ({"values": np.zeros((4, 16, 16), np.uint16), "nodata": 0}, r"fen/x\.tif holds nodata only"),
    ],
)
def test_class_folders_that_do_not_fit(tmp_path, odd, sentence):
    classes(tmp_path)
    raster(tmp_path / "fen" / "x.tif", **{"values": scene(16, 16), **odd})
    with pytest.raises(InputError, match=sentence) as error:
        ganaug_load(tmp_path)
    assert "\n" not in str(error.value)


def test_class_folders_from_several_zones_keep_their_places(tmp_path):
    classes(tmp_path)
    raster(tmp_path / "fen" / "x.tif", scene(16, 16), crs="EPSG:32631")
    data = ganaug_load(tmp_path)
    assert [place_of(text).crs for text in data.origin[[0, -1]]] == ["EPSG:32630", "EPSG:32631"]


def test_a_class_without_places_beside_one_with_places(tmp_path):
    raster(tmp_path / "fen" / "0.tif", scene())
    for k in range(geotiff.LOOKED_AT + 1):
        save(picture(k), tmp_path / "bog" / f"{k}.png")
    with pytest.raises(InputError, match=r"bog/0\.png has no CRS, and \S+fen/0\.tif has one"):
        ganaug_load(tmp_path)


# --- what does not fit ---


def test_refusals_name_the_file(tmp_path):
    def two(name: str, *second, **more) -> Path:
        raster(tmp_path / name / "a.tif", scene())
        raster(tmp_path / name / "b.tif", *(second or (scene(seed=1),)), **more)
        return tmp_path / name

    plain = two("plain")
    (plain / "c.tif").write_bytes(encoded(scene().transpose(1, 2, 0), ".tif"))
    cases = [
        (plain, r"c\.tif has no CRS, and \S+a\.tif has one"),
        (two("none", crs=None), r"b\.tif has no CRS"),
        (two("bare", crs=None, transform=(1, 0, 0, 0, 1, 0)), r"b\.tif has no CRS"),
        (two("crs", crs="EPSG:32631"), r"b\.tif has the CRS EPSG:32631 and \S+a\.tif EPSG:32630"),
        (two("empty", np.zeros_like(scene()), nodata=0), r"b\.tif holds nodata only"),
        (two("order", names=("B8", *BANDS[:3])), r"b\.tif has the bands B8, B2, B3, B4 and \S+a\.tif B2, B3, B4, B8"),
        (two("unnamed", names=()), r"b\.tif has the bands without names"),
        (two("offset", tags={"BOA_ADD_OFFSET": "-1000"}), r"b\.tif states the ADD_OFFSET -1000.0"),
        (two("kinds", scene(bands=3)), r"b\.tif has 3 channels"),
    ]
    for folder, sentence in cases:
        with pytest.raises(InputError, match=sentence):
            load(folder)


def test_values_far_above_the_stated_scale(tmp_path):
    high = scene()
    high[0, 0, 0] = 15_000  # a cloud: 1.5
    load(raster(tmp_path / "a.tif", high, scale=1e-4))
    high[0, 0, 0] = 40_000
    with pytest.raises(InputError, match=r"b\.tif holds 40000, and its stated scale ends at 10000"):
        load(raster(tmp_path / "b.tif", high, scale=1e-4))
    load(raster(tmp_path / "c.tif", high, scale=0.1))  # heights in decimetres
    folder = tmp_path / "ours"
    folder.mkdir()
    ours = load(raster(tmp_path / "d.tif", scene())).but(scaling=Scaling("uint16", 0.0, 4000.0))
    manifest.write(ours, write_geotiff(ours, folder), folder)
    assert load(folder).scaling == ours.scaling
    raster(folder / "000000.tif", high)
    with pytest.raises(InputError, match=r"000000\.tif holds 40000, and its stated scale ends at 4000"):
        load(folder)


# --- writing ---


def written(data: ImageSet, folder: Path) -> list[Path]:
    folder.mkdir()
    files = write_geotiff(data, folder)
    manifest.write(data, files, folder)
    return [folder / file for file in files]


@pytest.mark.parametrize("dtype,nodata", [("uint16", 0), ("float32", -9999.0), ("float32", float("nan"))])
def test_read_cut_write_read(tmp_path, dtype, nodata):
    rasterio = rasters()
    values = scene(dtype=dtype)
    values[:, :3] = nodata
    file = raster(tmp_path / "a.tif", values, nodata=nodata)
    tiles = tiled(load(file), 16)
    assert len(tiles) == 9  # 3 rows, and 2 of 4 columns for training, 1 as gap, 1 for testing
    files = written(tiles, tmp_path / "out")
    with rasterio.open(file) as before:
        for row, name in enumerate(files):
            known = json.loads(tiles.origin[row])
            top, left = known["top"], known["left"]
            with rasterio.open(name) as after:
                for there in ((0, 0), (0, 16), (16, 0), (16, 16)):
                    moved = (there[0] + top, there[1] + left)
                    assert after.xy(*there, offset="ul") == pytest.approx(before.xy(*moved, offset="ul"), abs=1e-6)
                assert after.crs == before.crs and after.dtypes == before.dtypes
                assert after.descriptions == before.descriptions and "SYNTHETIC" not in after.tags()
                assert str(after.nodata) == str(before.nodata)
                assert np.array_equal(after.read(), values[:, top : top + 16, left : left + 16], equal_nan=True)
                assert after.profile["compress"] == "deflate" and TiffFile(name).pages[0].is_tiled
                assert after.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == ("2" if dtype == "uint16" else "3")
    again = load(tmp_path / "out")
    assert np.array_equal(again.valid, tiles.valid) and np.array_equal(again.origin, tiles.origin)
    assert np.array_equal(again.image[np.arange(9)][tiles.valid], tiles.image[np.arange(9)][tiles.valid])
    assert again.scaling == tiles.scaling and np.array_equal(again.fold, tiles.fold)
    assert [place_of(text) for text in again.origin] == [read_place(name).place for name in files]


def test_masks_are_written_beside(tmp_path):
    for k in range(3):
        raster(tmp_path / "in" / "images" / f"{k}.tif", scene(seed=k))
        save(np.random.default_rng(k).integers(0, 3, (48, 64, 1)).astype(np.uint8), tmp_path / f"in/masks/{k}.png")
    data = load(tmp_path / "in").but(mask_classes=("bog", "fen", "heath"))
    files = written(data, tmp_path / "out")
    again = load(tmp_path / "out")
    assert np.array_equal(again.mask, data.mask) and again.mask_classes == data.mask_classes
    mask = read_place(tmp_path / "out" / "masks" / files[1].name)
    assert mask.place == Place("EPSG:32630", UTM)


def generated(n: int = 2, **columns) -> ImageSet:
    """Rows that a system made."""
    origin = [json.dumps({"system": "dcgan", "version": "0.1", "seed": 7, "index": k}) for k in range(n)]
    pixels = np.random.default_rng(0).integers(0, 3, (n, 12, 20, 4)).astype(np.uint16)
    return ImageSet(image=pixels, bands=BANDS, **{"origin": np.array(origin), **columns})


def test_a_generated_image_lies_nowhere_and_says_what_made_it(tmp_path):
    rasterio = rasters()
    data = generated(parents=np.array([[3, 4], [5, 6]]))
    files = written(data, tmp_path / "out")
    with rasterio.open(files[1]) as made:
        tags = made.tags()
        assert {"SYNTHETIC": "1", "SYSTEM": "dcgan", "SEED": "7", "PARENTS": "5,6"}.items() <= tags.items()
        assert not made.crs.is_projected and not made.crs.is_geographic and made.crs.to_epsg() is None
        assert tuple(made.transform)[:6] == (1.0, 0.0, 0.0, 0.0, -1.0, 12.0) and made.descriptions == BANDS
    again = load(tmp_path / "out")
    assert np.array_equal(again.image[np.arange(2)], data.image[np.arange(2)])
    assert np.array_equal(again.origin, data.origin) and place_of(again.origin[0]) is None


def test_generated_rows_keep_clear_of_the_nodata_value_of_the_real_ones(tmp_path):
    real = load(raster(tmp_path / "a.tif", scene(12, 20), nodata=0))
    files = written(ImageSet.cat([real, generated().but(scaling=real.scaling)]), tmp_path / "out")
    again = load(tmp_path / "out")
    assert again.valid is None and (generated().image[np.arange(2)] == 0).any()  # control
    assert np.array_equal(again.image[np.array([1, 2])], np.maximum(generated().image[np.arange(2)], 1))
    assert [read_place(file).place is None for file in files] == [False, True, True]


def test_numbers_beside_nodata_by_hand():
    assert clear_of(np.array([0, 1, 65535], np.uint16), 0).tolist() == [1, 1, 65535]
    assert clear_of(np.array([0, 1, 65535], np.uint16), 65535).tolist() == [0, 1, 65534]
    moved = clear_of(np.array([0.0, 2.0], np.float32), 0.0)
    assert moved.dtype == np.float32 and 0 < moved[0] < 1e-30 and moved[1] == 2


def test_pixels_without_data_in_integers_without_a_nodata_value(tmp_path):
    pixels = scene(12, 20).transpose(1, 2, 0)[None]
    valid = np.ones((1, 12, 20), bool)
    valid[0, :4] = False
    data = ImageSet(image=pixels, valid=valid, bands=BANDS)
    written(data, tmp_path / "out")
    assert np.array_equal(load(tmp_path / "out").valid, valid)


# --- back into the scene ---


def test_tiles_go_back_to_their_places_and_nothing_else_changes(tmp_path):
    rasterio = rasters()
    values = scene()
    values[:, :6] = 0
    file = raster(tmp_path / "a.tif", values, nodata=0, tags={"PRODUCT": "x"}, scale=1e-4)
    tiles = tiled(load(file), 16).select([0, 4])
    zeros = tiles.but(image=np.zeros_like(tiles.image[np.arange(2)]))
    out = write_back(zeros, file, tmp_path / "b.tif")
    expected = values.copy()
    for text in tiles.origin:
        top, left = (json.loads(text)[name] for name in ("top", "left"))
        part = expected[:, top : top + 16, left : left + 16]
        part[part > 0] = 1  # 0 is nodata: generated numbers keep clear of it, and nodata stays
    with rasterio.open(file) as before, rasterio.open(out) as after:
        assert np.array_equal(after.read(), expected) and not np.array_equal(expected, values)
        assert after.profile == before.profile and after.tags() == before.tags() and after.scales == before.scales
        assert after.descriptions == before.descriptions


def test_the_same_tiles_give_the_same_scene_and_generated_ones_a_tag(tmp_path):
    rasterio = rasters()
    file = raster(tmp_path / "a.tif", scene(dtype="int16"), nodata=-1)
    tiles = tiled(load(file), 16)
    places_only = np.array([with_place(text, place_of(text)) for text in tiles.origin])
    corners_only = np.array([json.dumps({k: json.loads(t)[k] for k in ("top", "left")}) for t in tiles.origin])
    made = np.array([json.dumps({**json.loads(text), "system": "dcgan"}) for text in tiles.origin])
    for k, origin in enumerate((tiles.origin, places_only, corners_only, made)):
        with rasterio.open(write_back(tiles.but(origin=origin), file, tmp_path / f"{k}.tif")) as out:
            assert np.array_equal(out.read(), scene(dtype="int16")) and out.dtypes[0] == "int16"
            assert out.tags().get("SYNTHETIC") == ("1" if k == 3 else None)


def test_tiles_that_do_not_fit(tmp_path):
    file = raster(tmp_path / "a.tif", scene())
    tile = tiled(load(file), 16).select([0])
    place = Place("EPSG:32630", UTM)

    def at(other: Place) -> ImageSet:
        return tile.but(origin=np.array([with_place("{}", other)]))

    cases = [
        (at(place.window(-1, 0)), "row -1, column 0 does not lie inside"),
        (at(place.window(40, 0)), "does not lie inside"),
        (at(place.window(0.5, 0)), "not lie on the grid"),
        (at(place.resized(2, 2)), "not lie on the grid"),
        (at(Place("EPSG:32631", UTM)), "not lie on the grid"),
        (tile.but(origin=None), "tile 0 names no place"),
        (tile.but(image=tile.image[np.array([0])][..., :3]), "3 bands"),
    ]
    for wrong, sentence in cases:
        with pytest.raises(InputError, match=sentence):
            write_back(wrong, file, tmp_path / "b.tif")
        assert not (tmp_path / "b.tif").exists()
    with pytest.raises(InputError, match="the scene itself"):
        write_back(tile, file, file)


def test_a_scene_that_the_disk_took_half_of_is_refused(tmp_path, monkeypatch):
    file = raster(tmp_path / "a.tif", scene())
    tile = tiled(load(file), 16).select([0])
    tile = tile.but(image=tile.image[np.array([0])] + 1)
    opened = write_geotiff_module.opened

    @contextmanager
    def lossy(path, mode="r"):
        """What GDAL does on a full disk: the writing seems to work, and the file stays as it was."""
        with opened(file if mode == "r" and path != file else path, mode) as dataset:
            yield dataset

    monkeypatch.setattr(write_geotiff_module, "opened", lossy)
    with pytest.raises(InputError, match=r"b\.tif could not be written whole"):
        write_back(tile, file, tmp_path / "b.tif")
    assert list(tmp_path.iterdir()) == [file]


# --- through load, tiles, sizes and write ---


def test_load_and_write_know_the_layout(tmp_path):
    rasters()
    for k in range(3):
        raster(tmp_path / "in" / f"{k}.tif", scene(seed=k), nodata=0)
    data = ganaug_load(tmp_path / "in")
    out = write(data, tmp_path / "out", "geotiff")
    assert ganaug_load(out).fingerprint() == data.fingerprint() and read_place(out / "000002.tif").bands == BANDS
    (tmp_path / "plain.tif").write_bytes(encoded(scene().transpose(1, 2, 0), ".tif"))
    assert "place" not in json.loads(ganaug_load(tmp_path / "plain.tif").origin[0])


def test_a_large_scene_is_cut_without_being_read_whole(tmp_path, monkeypatch):
    values = scene(96, 128)
    values[:, :33, :40] = 0  # 2 x 2 tiles of 16 hold nothing else
    file = raster(tmp_path / "a.tif", values, nodata=0, tiled=True, blockxsize=16, blockysize=16)
    whole = ganaug_load(file, tiles=16)
    monkeypatch.setattr(gather, "IN_MEMORY", 1000)
    monkeypatch.setattr(rasters_module, "MOST_PIXELS", 16 * 16)
    lazy = ganaug_load(file, tiles=16)
    rows = np.arange(len(whole))
    assert isinstance(lazy.image, rasters_module.RasterPixels) and np.array_equal(lazy.image[rows], whole.image[rows])
    assert len(whole) == 6 * 7 - 4 and whole.valid.any((1, 2)).all()  # of 8 columns, one is the gap
    assert np.array_equal(lazy.origin, whole.origin) and np.array_equal(lazy.fold, whole.fold)


def test_tiles_of_tiles_and_resized_sets_keep_their_place(tmp_path):
    parts = [ganaug_load(raster(tmp_path / f"{k}.tif", scene(seed=k))) for k in range(3)]
    data = ImageSet.cat([part.but(scaling=parts[0].scaling) for part in parts])
    twice = tiled(tiled(data, 32), 16)
    row = next(k for k, text in enumerate(twice.origin) if json.loads(text)["top"] == 16)
    known = json.loads(twice.origin[row])
    source = data.image.at(int(known["file"][0]))
    assert np.array_equal(twice.image.at(row), source[known["top"] :, known["left"] :][:16, :16])
    half = ganaug_load(twice, size=8)
    place, before = place_of(half.origin[row]), place_of(twice.origin[row])
    assert place.corner(0, 0) == before.corner(0, 0) and place.corner(8, 8) == before.corner(16, 16)
    assert place_of(ganaug_load(tmp_path / "0.tif", size=24).origin[0]).corner(24, 24) == Place("", UTM).corner(48, 64)
