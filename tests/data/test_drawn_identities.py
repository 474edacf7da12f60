# SPDX-License-Identifier: Apache-2.0
"""Drawn identities: the columns agree with the pixels, identity shows in the parts and not in the background."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

import numpy as np
import pytest

from ganaug.data.drawn import pedestrians as people
from ganaug.data.drawn import roster, shapes, sightings
from ganaug.data.drawn import vehicles as cars
from ganaug.data.embedded import EMBEDDED
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.load import load

KINDS = {"pedestrians": people, "vehicles": cars}
SIZE = {"pedestrians": (64, 32), "vehicles": (64, 64)}
both = pytest.mark.parametrize("kind", KINDS)


@cache
def usual(kind: str) -> ImageSet:
    return EMBEDDED[kind]()


def pixels(data: ImageSet) -> np.ndarray:
    return np.asarray(data.image[np.arange(len(data))])


def seen(kind: str, data: ImageSet, rows: np.ndarray) -> sightings.Sighting:
    """How the rows of a set with four cameras and seed 0 were seen."""
    return sightings.sightings(data.index[rows], data.camera[rows], cameras=4, poses=len(KINDS[kind].POSES))


# --- shapes ----------------------------------------------------------------------------------------------------------


def test_shapes_cover_their_area():
    at, size = np.array([[20.3, 17.8], [21.0, 15.5]]), (40, 44)
    radius = np.array([6.3, 9.1])
    circle = shapes.ellipse(at, np.stack([radius, radius], 1), size).values.sum((1, 2))
    oval = shapes.ellipse(at, np.array([[12.0, 5.0], [4.0, 11.0]]), size).values.sum((1, 2))
    line = shapes.capsule(at - np.array([5, 2]), at + np.array([3, 4]), radius / 2, size).values.sum((1, 2))
    np.testing.assert_allclose(circle, np.pi * radius**2, rtol=0.01)
    np.testing.assert_allclose(oval, np.pi * np.array([60, 44]), rtol=0.02)
    np.testing.assert_allclose(line, 10 * radius + np.pi * (radius / 2) ** 2, rtol=0.02)


def test_a_box_is_exact_and_a_polygon_agrees_with_it_either_way_round():
    centre, half = np.array([[10.25, 8.5]]), np.array([[3.4, 2.1]])
    corners = centre[:, None] + half[:, None] * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    exact = shapes.box(centre, half, (18, 22)).whole((18, 22))
    assert exact.sum() == pytest.approx(4 * 3.4 * 2.1, rel=1e-5)
    for way in (corners, corners[:, ::-1]):
        found = shapes.polygon(way, (18, 22)).whole((18, 22))
        assert np.abs(found - exact).max() < 0.26  # the corner pixels alone differ
        assert (np.abs(found - exact) > 0.01).sum() <= 4


def test_a_slanted_polygon_has_its_area_and_vanishes_edge_on():
    corners = np.array([[[5.0, 4.0], [22.0, 9.0], [20.0, 20.0], [8.0, 17.0]]])
    x, y = corners[0].T
    area = abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2
    assert shapes.polygon(corners, (28, 28)).values.sum() == pytest.approx(area, rel=0.02)
    line = np.array([[[5.0, 4.0], [9.0, 12.0], [9.0, 12.0], [5.0, 4.0]]])
    assert shapes.polygon(line, (28, 28)).values.sum() == 0


def test_a_shape_does_not_reach_beyond_its_window():
    rng = np.random.default_rng(0)
    at, thin = rng.uniform(5, 27, (40, 2)), np.stack([rng.uniform(0, 0.4, 40), rng.uniform(2, 9, 40)], 1)
    corners = at[:, None] + rng.uniform(-9, 9, (40, 3, 2))
    radius = rng.uniform(0.3, 4, 40)
    for draw, *given in (
        (shapes.ellipse, at, thin),
        (shapes.capsule, at, at[::-1], radius),
        (shapes.polygon, corners),
        (shapes.box, at, thin),
    ):
        together = draw(*given, (32, 32)).whole((32, 32))
        alone = [draw(*(a[k : k + 1] for a in given), (32, 32)).whole((32, 32))[0] for k in range(40)]
        np.testing.assert_array_equal(together, np.stack(alone))


def test_shapes_outside_the_image_leave_it_alone():
    canvas = shapes.Canvas(1, (16, 16))
    away = np.array([[-40.0, 90.0]])
    for patch in (shapes.capsule(away, away + 3, np.array([4.0]), (16, 16)), shapes.box(away, away * 0 + 2, (16, 16))):
        canvas.paint(patch, np.ones((1, 3)), part=1)
    assert canvas.colour.sum() == 0 and canvas.mask.sum() == 0


# --- a pure function of seed and row ---------------------------------------------------------------------------------


@both
def test_pixels_do_not_depend_on_batches(kind, monkeypatch):
    whole = EMBEDDED[kind](6, 8)
    monkeypatch.setattr(roster, "BATCH", 7)
    cut = EMBEDDED[kind](6, 8)
    assert whole.fingerprint() == cut.fingerprint()


@both
def test_any_rows_in_any_order_are_drawn_the_same(kind):
    data, rows = usual(kind), np.array([700, 3, 911, 3, 40])
    who = KINDS[kind].looks(data.identity[rows])
    drawing = KINDS[kind].render(who, seen(kind, data, rows), SIZE[kind])
    np.testing.assert_array_equal(drawing.images, pixels(data)[rows])
    np.testing.assert_array_equal(drawing.masks, data.mask[rows])
    np.testing.assert_array_equal(drawing.keypoints, data.keypoints[rows])


@both
def test_seeds_differ_and_repeat(kind):
    first, again, other = (EMBEDDED[kind](4, 4, seed=seed) for seed in (1, 1, 2))
    assert first.fingerprint() == again.fingerprint()
    assert (pixels(first) != pixels(other)).mean() > 0.9
    assert np.abs(first.attributes - other.attributes).mean() > 0.05


# --- who, where and when ---------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(("identities", "images", "cameras"), [(76, 12, 4), (10, 4, 6), (9, 5, 2)])
def test_folds_share_no_identity_and_every_query_has_a_match(kind, identities, images, cameras):
    data = EMBEDDED[kind](identities, images, size=(16, 16), cameras=cameras)
    train, test = data.in_fold("train"), data.in_fold("test")
    assert len(train) + len(test) == len(data) == identities * images
    assert not set(data.identity[train]) & set(data.identity[test])
    assert 0.6 < len(train) / len(data) < 0.9
    assert not data.query[train].any()
    where = [(i, c) for i, c, q in zip(data.identity, data.camera, data.query, strict=True) if q]
    assert sorted(where) == sorted({(i, c) for i, c in zip(data.identity[test], data.camera[test], strict=True)})
    gallery = test[~data.query[test]]
    for identity, camera in where:
        assert (data.camera[gallery][data.identity[gallery] == identity] != camera).any()


def test_the_first_sixty_of_seventy_six_train():
    data = usual("pedestrians")
    assert set(data.identity[data.in_fold("train")]) == set(range(60))
    assert data.camera.min() == 0 and data.camera.max() == 3


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"identities": 3}, "identities"),
        ({"images": 3}, "images"),
        ({"cameras": 1}, "cameras"),
        ({"seed": -1}, "seed"),
        ({"size": (64, 12)}, "size"),
        ({"identities": 5, "look_alikes": True}, "even"),
    ],
)
@both
def test_what_makes_no_set_is_refused(kind, arguments, word):
    with pytest.raises(InputError, match=word):
        EMBEDDED[kind](**arguments)


@both
@pytest.mark.parametrize("size", [(32, 16), (33, 47), (128, 64), (256, 128)])
def test_sizes(kind, size):
    data = EMBEDDED[kind](4, 4, size=size)
    assert pixels(data).shape == (16, *size, 3) and pixels(data).dtype == np.uint8
    assert data.mask.shape == (16, *size) and data.mask.dtype == np.uint8
    assert set(np.unique(data.mask)) >= set(range(6))
    assert 0.07 < (data.mask > 0).mean() < 0.6


@both
def test_loaded_by_name_with_its_columns(kind):
    data = load(kind)
    assert data.name == kind
    assert data.identity.dtype == data.camera.dtype == np.int64 and data.query.dtype == bool
    assert data.keypoints.shape == (912, len(KINDS[kind].KEYPOINTS), 2) and data.keypoints.dtype == np.float32
    assert data.attributes.shape == (912, len(data.attribute_names)) and data.attributes.dtype == np.float32
    assert data.attribute_names[:3] == tuple(f"{KINDS[kind].PARTS[0]}_{c}" for c in "rgb")
    assert set(data.attributes[:, -2]) == set(range(len(KINDS[kind].POSES)))
    assert set(data.attributes[:, -1]) == set(range(len(sightings.VIEWS)))


# --- pixels, masks and keypoints agree -------------------------------------------------------------------------------


def part_means(data: ImageSet, parts: list[int]) -> np.ndarray:
    """Mean colours 0..1 of parts [N, P, 3]; grey where a part is hidden."""
    images = pixels(data) / 255
    means = []
    for part in parts:
        inside = (data.mask == part)[..., None]
        count = inside.sum((1, 2))
        mean = (images * inside).sum((1, 2)) / np.maximum(count, 1)
        means.append(np.where(count > 0, mean, 0.5))
    return np.stack(means, 1)


@pytest.mark.parametrize(
    ("kind", "part"), [("pedestrians", people.TORSO), ("pedestrians", people.LEGS), ("vehicles", 1)]
)
def test_a_part_has_its_colour_times_the_light(kind, part):
    data = usual(kind)
    how = seen(kind, data, np.arange(len(data)))
    wanted = np.clip(data.attributes[:, 3 * part - 3 : 3 * part] * how.light, 0, 1)
    sharp = (how.coarse == 1) & ((data.mask == part).sum((1, 2)) > 30)
    error = np.abs(part_means(data, [part])[:, 0] - wanted)[sharp].mean(1)
    assert sharp.sum() > 600
    assert np.median(error) < 0.04 and np.quantile(error, 0.95) < 0.12
    strangers = np.abs(part_means(data, [part])[sharp, 0] - np.roll(wanted[sharp], 50, axis=0)).mean()
    assert strangers > 4 * error.mean()


def under(data: ImageSet, rows: np.ndarray, point: int) -> np.ndarray:
    """The part at a keypoint, for rows whose keypoint is inside the image."""
    x, y = np.rint(data.keypoints[rows, point]).astype(int).T
    height, width = data.mask.shape[1:]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return data.mask[rows[inside], y[inside], x[inside]]


@both
def test_keypoints_lie_in_the_image(kind):
    data = usual(kind)
    height, width = data.mask.shape[1:]
    inside = (data.keypoints > -0.5) & (data.keypoints < np.array([width, height]) - 0.5)
    assert inside.all(-1).mean() > 0.97


def test_joints_lie_in_their_parts():
    data = usual("pedestrians")
    view, everyone = data.attributes[:, -1], np.arange(len(data))
    at = {name: people.KEYPOINTS.index(name) for name in people.KEYPOINTS}
    face = under(data, np.flatnonzero(view == 0), at["nose"])
    assert (face == people.HEAD).mean() > 0.85
    assert np.isin(under(data, everyone, at["nose"]), (people.HEAD, people.HAIR, people.ARMS)).mean() > 0.95
    for side in ("right", "left"):
        assert (under(data, everyone, at[f"{side}_knee"]) == people.LEGS).mean() > 0.95
        assert np.isin(under(data, everyone, at[f"{side}_ankle"]), (people.LEGS, people.SHOES)).mean() > 0.95
    right, left = (data.keypoints[:, at[f"{side}_shoulder"], 0] for side in ("right", "left"))
    assert (right < left)[view == 0].all() and (right > left)[view == 3].all()


def test_wheels_lie_in_tyres_and_rims():
    data = usual("vehicles")
    view = data.attributes[:, -1]
    for side, name in ((1, "left"), (2, "right")):
        rows = np.flatnonzero(view == side)
        for end in ("front", "rear"):
            found = under(data, rows, cars.KEYPOINTS.index(f"{end}_{name}_wheel"))
            assert np.isin(found, (cars.TYRES, cars.RIMS)).mean() > 0.95


# --- identity and nuisance -------------------------------------------------------------------------------------------


def rank1_and_chance(features: np.ndarray, data: ImageSet) -> tuple[float, float]:
    """Share of images whose nearest one of another camera has the same identity, and of all such images that do."""
    features = features.reshape(len(data), -1)
    square = (features**2).sum(1)
    distance = square[:, None] + square - 2 * features @ features.T
    other = data.camera[:, None] != data.camera
    match = (data.identity[:, None] == data.identity) & other
    nearest = np.where(other, distance, np.inf).argmin(1)
    return match[np.arange(len(data)), nearest].mean(), (match.sum(1) / other.sum(1)).mean()


@both
def test_identity_shows_in_the_parts_and_not_in_the_background(kind):
    data = usual(kind)
    data = data.select(data.in_fold("test"))
    clothes, chance = rank1_and_chance(part_means(data, [1, 2, 3, 4, 5, 6, 7]), data)
    assert clothes > 3 * chance
    corners = pixels(data)[:, ::4, ::4] / 255 * (data.mask[:, ::4, ::4, None] == 0)
    empty = corners.reshape(len(data), 4, corners.shape[1] // 4, -1, 3).sum((2, 3))
    seen_there = (data.mask[:, ::4, ::4] == 0).reshape(len(data), 4, -1).sum(2)[..., None]
    background, _ = rank1_and_chance(empty / np.maximum(seen_there, 1), data)
    assert background < 2 * chance


@both
def test_cameras_differ_in_light(kind):
    data = usual(kind)
    gain = sightings.camera_light(4, 0)
    apart = np.abs(gain[:, None] - gain).mean(-1)[np.triu_indices(4, 1)]
    assert apart.min() > 0.05
    part = 3 if kind == "pedestrians" else 1
    colour = data.attributes[:, 3 * part - 3 : 3 * part]
    ratio = np.where(colour > 0.2, part_means(data, [part])[:, 0] / np.maximum(colour, 0.2), np.nan)
    found = np.stack([np.nanmedian(ratio[data.camera == c], axis=0) for c in range(4)])
    assert np.corrcoef(found.ravel(), gain.ravel())[0, 1] > 0.95


@both
def test_look_alikes_share_colours_and_differ_in_the_place_of_the_mark(kind):
    data = EMBEDDED[kind](20, 4, look_alikes=True)
    colours = data.attributes[::4, :-2]
    np.testing.assert_array_equal(colours[::2], colours[1::2])
    assert np.abs(colours[::2] - np.roll(colours[::2], 1, axis=0)).mean() > 0.1
    assert not set(data.identity[data.fold == 0] // 2) & set(data.identity[data.fold == 2] // 2)
    view, along = {"pedestrians": (0, 1), "vehicles": (2, 2)}[kind]
    how = seen(kind, data, np.zeros(20, int))._replace(view=np.full(20, view), pose=np.zeros(20, int))
    mark = KINDS[kind].render(KINDS[kind].looks(np.arange(20), look_alikes=True), how, (64, 64)).masks == 7
    middle = [np.nonzero(image)[along - 1].mean() for image in mark]
    assert np.abs(np.diff(np.reshape(middle, (10, 2)), axis=1)).min() > 3


@both
def test_one_identity_in_the_pose_of_another(kind):
    data, rows = usual(kind), np.arange(0, 240, 3)
    donors = rows + 400
    swapped = KINDS[kind].render(KINDS[kind].looks(data.identity[rows]), seen(kind, data, donors), SIZE[kind])
    shape, own, wanted = swapped.masks > 0, data.mask[rows] > 0, data.mask[donors] > 0
    overlap = [(m & wanted).sum() / (m | wanted).sum() for m in (shape, own)]
    assert overlap[0] > overlap[1] + 0.15
    parts, light = [1, 3], seen(kind, data, donors).light[:, None]
    worn = part_means(ImageSet.of(swapped.images, mask=swapped.masks), parts)
    painted = data.attributes[:, :-2].reshape(len(data), -1, 3)[:, [part - 1 for part in parts]]
    to_owner, to_donor = (np.abs(worn - np.clip(painted[r] * light, 0, 1)).mean() for r in (rows, donors))
    assert to_owner < 0.4 * to_donor


def test_coarse_images_are_blurred_and_keep_their_brightness():
    for side, factor in ((64, 2), (33, 3)):
        matrix = sightings.enlarging(side, factor)
        np.testing.assert_allclose(matrix.sum(1), 1, rtol=1e-6)
        stripes = np.resize([0.0, 1.0], side)
        assert np.ptp(matrix @ stripes) < 0.7
    data = usual("pedestrians")
    rows = np.arange(200)
    who, how = people.looks(data.identity[rows]), seen("pedestrians", data, rows)
    assert set(how.coarse) == {1, 2, 3} and 0.1 < (how.coarse > 1).mean() < 0.3
    sharp, soft = (
        people.render(who, how._replace(coarse=np.full(200, n)), (64, 32)).images.astype(float) for n in (1, 3)
    )
    assert (np.diff(soft, axis=2) ** 2).mean() < 0.5 * (np.diff(sharp, axis=2) ** 2).mean()
    assert abs(soft.mean() - sharp.mean()) < 1


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_do_not_depend_on_the_processor(kind):
    """Sums in float32 do: OpenBLAS adds in another order for each kind of processor."""
    code = f"import ganaug, hashlib; print(hashlib.sha256(ganaug.load({kind!r}).image[:].tobytes()).hexdigest())"
    found = {
        subprocess.check_output([sys.executable, "-c", code], env=os.environ | {"OPENBLAS_CORETYPE": core})
        for core in ("Nehalem", "Haswell")
    }
    assert len(found) == 1


def test_load_draws_at_the_size_that_is_asked_for():
    from ganaug.data.load import load

    assert load("vehicles", size=(32, 48)).image.shape == (32, 48, 3)
