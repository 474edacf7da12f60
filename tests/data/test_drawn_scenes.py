# SPDX-License-Identifier: Apache-2.0
"""Drawn scenes: pure in seed and row, labels that agree with the pixels, and photographs that differ in known ways."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.ndimage import maximum_filter, minimum_filter

from ganaug.data.drawn import exposure, layouts, peat, scenes, spectra
from ganaug.data.drawn.layouts import Layout, Numbers
from ganaug.data.embedded import EMBEDDED
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.load import load

draw = scenes.scenes
SIZE = {"street": (32, 32), "peat": (64, 64)}
both = pytest.mark.parametrize("style", SIZE)
COLUMNS = ("mask", "instances", "boxes", "fold")


@cache
def some(style: str, real: bool = False, bands: int = 3) -> ImageSet:
    return draw(60, size=SIZE[style], style=style, real=real, bands=bands)


def pixels(data: ImageSet) -> np.ndarray:
    return np.asarray(data.image[np.arange(len(data))])


def materials(style: str, n: int = 60, real: bool = False, seed: int = 0) -> np.ndarray:
    """The rows of the style's materials that the first rows of a set show."""
    kind = scenes.STYLES[style]
    u = scenes.uniforms(seed, scenes.LAYOUT + real, np.arange(n), kind.numbers + 1)
    return kind.draw(Numbers(u[:, 1:]), SIZE[style]).material


# --- a pure function of seed and row ---------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(("real", "bands"), [(False, 3), (True, 3), (True, 13)])
def test_a_row_does_not_depend_on_the_others(style, real, bands, monkeypatch):
    few = draw(7, size=SIZE[style], style=style, real=real, bands=bands)
    monkeypatch.setattr(scenes, "BLOCK", 5 * SIZE[style][0] * SIZE[style][1])
    many = draw(13, size=SIZE[style], style=style, real=real, bands=bands)
    assert many.select(slice(0, 7)).fingerprint() == few.fingerprint()
    rows = np.array([12, 3, 3])
    alone = scenes.drawn(rows, scenes.STYLES[style], SIZE[style], real, bands, 0)
    for found, column in zip(alone, (pixels(many), many.mask, many.instances, many.boxes), strict=True):
        np.testing.assert_array_equal(found, column[rows])


def test_a_style_states_how_many_numbers_a_scene_takes():
    for style, kind in scenes.STYLES.items():
        numbers = Numbers(np.random.default_rng(0).random((2, kind.numbers)))
        kind.draw(numbers, SIZE[style])
        assert numbers.used == kind.numbers


@both
def test_seeds_and_domains_show_different_scenes(style):
    maps = [draw(20, size=SIZE[style], style=style, real=r, seed=s).mask for r, s in ((0, 0), (1, 0), (0, 1), (1, 1))]
    flat = {image.tobytes() for masks in maps for image in masks}
    assert len(flat) == 80


@both
def test_a_scene_is_the_same_at_twice_the_size(style):
    height, width = SIZE[style]
    fine = draw(20, size=(2 * height, 2 * width), style=style).mask[:, ::2, ::2]
    assert (fine == some(style).mask[:20]).mean() > 0.93
    assert (fine == some(style).mask[20:40]).mean() < 0.75


# --- columns ---------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("real", [False, True])
def test_columns(style, real):
    data = some(style, real)
    assert data.mask.dtype == np.uint8 and data.instances.dtype == np.int32 and data.boxes.dtype == np.float32
    assert set(np.unique(data.mask)) == set(range(len(data.mask_classes)))
    assert list(data.in_fold("test")) == list(range(4, 60, 5))
    assert len(data.in_fold("train")) == 48
    assert data.boxes.shape == (60, scenes.STYLES[style].most, 4)
    assert data.name == {"street": "scenes", "peat": "scenes-peat"}[style] + real * "-real"


def test_classes_have_unequal_and_varying_areas():
    share = np.stack([(some("street").mask == k).mean((1, 2)) for k in range(4)], 1)
    assert some("street").mask_classes == ("sky", "ground", "building", "tree")
    assert np.all(np.diff(share.mean(0)) < -0.02)
    assert share.std(0).min() > 0.03
    assert some("peat").mask_classes == ("bare_peat", "vegetation", "water", "grip", "gully", "track")


def test_sky_lies_above_ground():
    mask = some("street").mask
    assert (mask[:, 0] == 0).mean() > 0.85 and (mask[:, -1] == 1).mean() > 0.8


@pytest.mark.parametrize("bands", [1, 3, 13])
@pytest.mark.parametrize("size", [(16, 16), (33, 47), (256, 128)])
@both
def test_bands_and_sizes(style, size, bands):
    for real in (False, True):
        data = draw(2, size=size, style=style, bands=bands, real=real)
        assert pixels(data).shape == (2, *size, bands) and data.mask.shape == data.instances.shape == (2, *size)
        assert pixels(data).dtype == (np.uint16 if bands == 13 else np.uint8)
        assert pixels(data).min() >= (bands == 13)
        assert data.spec.bands == data.bands and len(data.bands) == bands


def test_all_sets_of_thirteen_bands_are_scaled_alike():
    flat, photo = (some("peat", real, 13) for real in (False, True))
    assert flat.scaling == photo.scaling == draw(1, bands=13).scaling
    assert pixels(photo).max() < flat.scaling.high


def test_loaded_by_name_at_any_size():
    assert EMBEDDED["scenes"](5).fingerprint() == draw(5).fingerprint()
    data = load("scenes-real", size=(16, 24))
    assert data.image.shape == (16, 24, 3) and len(data) == 1000 and data.name == "scenes-real"
    assert data.boxes[..., 2].max(initial=0, where=~np.isnan(data.boxes[..., 2])) <= 24


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"style": "desert"}, "style"),
        ({"bands": 4}, "bands"),
        ({"size": (32, 12)}, "size"),
        ({"n": 0}, "n must"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_makes_no_set_is_refused(arguments, word):
    with pytest.raises(InputError, match=word):
        draw(**{"n": 2, **arguments})


# --- labels agree with pixels ----------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("bands", [1, 3, 13])
def test_a_flat_scene_has_one_colour_a_material(style, bands):
    data, rows = some(style, False, bands), materials(style)
    np.testing.assert_array_equal(scenes.STYLES[style].class_of[rows], data.mask)
    for image, row in zip(pixels(data)[:20], rows, strict=False):
        colours = [np.unique(image[row == k], axis=0) for k in np.unique(row)]
        assert all(len(found) == 1 for found in colours)
        assert len(np.unique(np.concatenate(colours), axis=0)) == len(colours)


@both
def test_labels_do_not_know_how_a_scene_is_shown(style):
    kinds = [some(style, True, bands) for bands in (1, 3, 13)]
    for name in COLUMNS:
        for data in kinds[1:]:
            np.testing.assert_array_equal(getattr(data, name), getattr(kinds[0], name))


@both
def test_boxes_are_tight_around_what_is_seen(style):
    data, seen = some(style), 0
    for ids, boxes in zip(data.instances, data.boxes, strict=True):
        for k, box in enumerate(boxes):
            y, x = np.nonzero(ids == k + 1)
            seen += len(y) > 0
            wanted = [x.min(), y.min(), x.max() + 1, y.max() + 1] if len(y) else [np.nan] * 4
            np.testing.assert_array_equal(box, wanted)
    assert seen > 200 and np.isnan(data.boxes).any()


def test_boxes_of_a_worked_example():
    ids = np.array([[[0, 2, 2], [0, 2, 0], [0, 0, 0]]], np.int32)
    found = layouts.tight_boxes(ids, 3)[0]
    np.testing.assert_array_equal(found, [[np.nan] * 4, [1, 0, 3, 2], [np.nan] * 4])


@both
def test_objects_are_of_one_class_and_classes_of_objects_are_all_objects(style):
    data = some(style)
    things = {"street": ("building", "tree"), "peat": ("water", "grip", "gully", "track")}[style]
    inside = np.isin(data.mask, [data.mask_classes.index(name) for name in things])
    np.testing.assert_array_equal(inside, data.instances > 0)
    for ids, mask in zip(data.instances, data.mask, strict=True):
        assert all(len(np.unique(mask[ids == k])) == 1 for k in np.unique(ids[ids > 0]))


# --- peat ------------------------------------------------------------------------------------------------------------


def off_line(where: np.ndarray) -> np.ndarray:
    """Distances of pixels [n, 2] from the straight line that fits them best."""
    centred = where - where.mean(0)
    return np.abs(centred @ np.linalg.svd(centred, full_matrices=False)[2][1])


def lines(first: int, last: int) -> list[np.ndarray]:
    """Pixels of the larger objects with these ids."""
    found = [np.argwhere(ids == k) for ids in some("peat").instances for k in range(first, last + 1)]
    return [where for where in found if len(where) > 15]


def test_grips_are_straight_and_gullies_are_not():
    grips, gullies = lines(peat.FIRST_GRIP, peat.MOST), lines(peat.ON_GULLY, peat.ON_GULLY)
    assert len(grips) > 100 and len(gullies) > 30
    assert max(off_line(where).max() for where in grips) < 1.5
    assert np.median([off_line(where).max() for where in gullies]) > 4


def test_lines_are_thin():
    for where in lines(peat.FIRST_GRIP, peat.MOST) + lines(peat.ON_TRACK, peat.ON_TRACK):
        length = np.hypot(*np.ptp(where, axis=0)) + 1
        assert len(where) / length < 4.5  # pixels of a line of breadth 3 at 45 degrees


def test_a_layout_keeps_the_last_thing_laid():
    scene = Layout(1, (16, 16))
    left, all_over = np.arange(16) < 8, np.ones((1, 16, 16), bool)
    scene.lay(all_over, 3, 5)
    scene.lay(all_over & left, 2)
    assert (scene.material == np.where(left, 2, 3)).all() and (scene.instances == np.where(left, 0, 5)).all()


def test_waves():
    t = np.linspace(-2, 2, 4001)
    np.testing.assert_allclose(peat.wave(t), np.sin(2 * np.pi * t), atol=0.06)
    slope = np.gradient(peat.wave(t), t)
    np.testing.assert_allclose(slope[1:-1], peat.steepness(t)[1:-1], atol=0.03)


# --- spectra ---------------------------------------------------------------------------------------------------------


def index_of(data: ImageSet, one: str, other: str) -> np.ndarray:
    """(one - other) / (one + other) of every pixel."""
    a, b = (pixels(data)[..., data.bands.index(name)].astype(float) for name in (one, other))
    return (a - b) / (a + b)


def test_indices_of_a_flat_moor():
    data = some("peat", False, 13)
    ndvi, ndwi = index_of(data, "B8", "B4"), index_of(data, "B3", "B8")
    in_class = {name: data.mask == k for k, name in enumerate(data.mask_classes)}
    assert ndvi[in_class["vegetation"]].min() > 0.4
    assert ndwi[in_class["water"]].min() > 0 > ndwi[~in_class["water"]].max()
    assert 0 < ndvi[in_class["bare_peat"]].min() <= ndvi[in_class["bare_peat"]].max() < 0.3
    assert index_of(some("street", False, 13), "B8", "B4")[some("street").mask == 3].min() > 0.4


def test_bands_are_in_the_order_of_sentinel_2():
    assert spectra.BANDS[7:10] == ("B8", "B8A", "B9") and len(spectra.BANDS) == len(spectra.NANOMETRES) == 13
    assert np.all(np.diff(spectra.NANOMETRES) > 0) and np.all(np.diff(spectra.PATH) < 0)
    assert all(len(row) == 13 and min(row) > 0 and max(row) < 0.6 for row in spectra.SPECTRA.values())


# --- photographs -----------------------------------------------------------------------------------------------------


def test_a_photograph_has_the_cameras_colours_and_light():
    data, rows = some("street", True), materials("street", real=True)
    wanted = exposure.photographed_colours(scenes.STREET.materials, 3)
    u = scenes.uniforms(0, scenes.LAYOUT + 1, np.arange(60), scenes.STREET.numbers + 1)
    light = scenes.between(*scenes.LIGHT, u[:, :1, None]) * np.linspace(*exposure.RAMP, 32)
    given = np.clip(wanted[rows] * light[..., None], 0, 1)
    error = pixels(data) / 255 - given
    inside = minimum_filter(rows, (1, 3, 3)) == maximum_filter(rows, (1, 3, 3))  # beyond the reach of the blur
    for k in range(4):
        assert np.abs(np.median(error[inside & (rows == k)], axis=0)).max() < 0.02
    without = np.abs(pixels(data) / 255 - exposure.rendered_colours(scenes.STREET.materials, 3)[rows]).mean()
    assert np.abs(error).mean() < 0.4 * without


def test_the_camera_keeps_white_and_no_channels_order_of_the_classes():
    np.testing.assert_allclose(exposure.MATRIX.sum(1), 1)
    kinds = scenes.STREET.materials
    flat, photo = exposure.rendered_colours(kinds, 3), exposure.photographed_colours(kinds, 3)
    for before, after in zip(flat.T, photo.T, strict=True):
        swapped = np.subtract.outer(before, before) * np.subtract.outer(after, after) < 0
        assert swapped.any()
    apart = np.linalg.norm(photo[:, None] - photo, axis=2)[np.triu_indices(4, 1)]
    assert apart.min() > 4 * 0.06


def test_surface_noise_is_shared_by_bands_and_grain_is_not():
    flat = np.zeros((40, 32, 32), np.uint8)
    leaves = scenes.STREET.materials[3]._replace(colour=(0.5, 0.5, 0.5))
    seeds, ones = np.arange(40)[:, None], np.ones((40, 1, 1), np.float32)

    def shared(roughness: float) -> float:
        photo = exposure.photographed(flat, [leaves._replace(roughness=roughness)], 3, ones, seeds) / 255
        noise = (photo - photo.mean(0)).transpose(3, 0, 1, 2).reshape(3, -1)
        assert noise.std() == pytest.approx(0.06, rel=0.1) or roughness
        return np.corrcoef(noise)[0, 1]

    assert abs(shared(0.0)) < 0.03 and shared(0.25) > 0.2


def test_a_sensor_adds_path_radiance_after_its_gain():
    still = np.zeros((30, 16, 16), np.uint8)
    water = next(m for m in peat.MATERIALS if m.name == "water")._replace(roughness=0.0)
    seeds, ones = np.arange(30)[:, None], np.ones((30, 1, 1), np.float32)
    found = exposure.photographed(still, [water], 13, ones, seeds).mean((0, 1, 2)) / spectra.FULL
    mean_light = np.mean(exposure.RAMP)
    wanted = spectra.reflectance(["water"])[0] * spectra.GAIN * mean_light + spectra.PATH
    np.testing.assert_allclose(found, wanted, rtol=0.02, atol=2e-4)


def test_blur_keeps_the_mean_and_spreads_an_edge():
    edge = np.zeros((1, 8, 8), np.float32)
    edge[..., 4:] = 1
    soft = exposure.blurred(edge)
    np.testing.assert_allclose(soft[0, 3], [0, 0, 0, 0.2, 0.8, 1, 1, 1], atol=1e-6)
    np.testing.assert_allclose(soft.mean(), 0.5, atol=1e-6)


def test_smooth_fields_pass_through_their_lattice():
    lattice = np.random.default_rng(0).random((2, 4, 5)).astype(np.float32)
    field = layouts.smooth(lattice, (300, 400))
    np.testing.assert_allclose(field[:, ::299, ::399], lattice[:, ::3, ::4], atol=1e-4)
    np.testing.assert_allclose(field[:, 100, 100], lattice[:, 1, 1], atol=2e-3)
    assert field.min() >= lattice.min() and field.max() <= lattice.max()
