# SPDX-License-Identifier: Apache-2.0
"""Geometry: group laws, agreement with analytic shapes and with scipy, and that everything moves together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.parts.ops import geometry
from ganaug.parts.ops.geometry import affine, flip, half_sides, inverse, moved_points, rot90, rotation

ALL = torch.ones(4, dtype=torch.bool)


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def full_batch(height: int, width: int, n: int = 4) -> Batch:
    """Random values in every spatial field, and a view of half the size."""
    half = Batch(image=torch.rand(n, 2, height // 2, width // 2), keypoints=torch.randint(9, (n, 1, 2)) / 4)
    return Batch(
        image=torch.rand(n, 3, height, width) * 2 - 1,
        label=torch.arange(n),
        mask=torch.randint(5, (n, height, width)),
        valid=torch.rand(n, height, width) > 0.3,
        instances=torch.randint(9, (n, height, width)),
        depth=torch.rand(n, height, width),
        boxes=torch.tensor([[[1.0, 2.0, 5.0, 4.0]]]).repeat(n, 1, 1),
        keypoints=torch.tensor([[[0.0, 5.0], [torch.nan, torch.nan]]]).repeat(n, 1, 1),
        views={"half": half},
    )


def same(a: Batch, b: Batch) -> bool:
    """Equal in every field, NaN at equal places."""
    equal = [torch.equal(x.nan_to_num(-99.0), getattr(b, name).nan_to_num(-99.0)) for name, x in a.tensors()]
    return all(equal) and all(same(view, b.views[name]) for name, view in a.views.items())


def turn_and_shift(degrees: float, factor: float, shift: tuple[float, float], height: int, width: int):
    """(linear [1, 2, 2], shift [1, 2], matrix [1, 2, 3] in half sides)."""
    linear = factor * rotation(torch.tensor([degrees]))
    moved = torch.tensor([shift])
    return linear, moved, half_sides(linear, moved, height, width)


# --- exact permutations -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", ["horizontal", "vertical"])
def test_two_flips_are_the_identity_to_the_bit(axis):
    batch = full_batch(16, 24)
    once = flip(batch, ALL, axis)
    assert not same(once, batch)
    assert same(flip(once, ALL, axis), batch)


def test_a_flip_moves_pixels_keypoints_and_boxes_by_the_stated_formulas():
    batch = full_batch(16, 32)
    moved = flip(batch, torch.tensor([True, False, False, True]))
    assert torch.equal(moved.image[0], batch.image[0].flip(-1))
    assert torch.equal(moved.mask[3], batch.mask[3].flip(-1))
    assert moved.keypoints[0, 0].tolist() == [31, 5]
    assert moved.boxes[0, 0].tolist() == [27, 2, 31, 4]
    assert torch.equal(moved.views["half"].image[0], batch.views["half"].image[0].flip(-1))
    assert same(moved.select([1, 2]), batch.select([1, 2]))
    up = flip(batch, ALL, "vertical")
    assert up.keypoints[0, 0].tolist() == [0, 10]
    assert up.boxes[0, 0].tolist() == [1, 12, 5, 14]


def test_four_quarter_turns_are_the_identity_to_the_bit():
    batch = turned = full_batch(16, 16)
    for _ in range(4):
        turned = rot90(turned, torch.ones(4, dtype=torch.long))
    assert same(turned, batch)


def test_each_row_turns_by_its_own_number_of_quarters():
    batch = full_batch(16, 16)
    turned = rot90(batch, torch.arange(4))
    for quarters in range(4):
        assert torch.equal(turned.image[quarters], torch.rot90(batch.image[quarters], quarters, (1, 2)))
        assert torch.equal(turned.depth[quarters], torch.rot90(batch.depth[quarters], quarters, (0, 1)))


def test_two_quarter_turns_are_both_flips():
    batch = full_batch(16, 24)
    both = flip(flip(batch, ALL, "horizontal"), ALL, "vertical")
    assert same(rot90(batch, torch.full((4,), 2)), both)


def test_a_quarter_turn_of_wide_images_is_refused():
    with pytest.raises(InputError, match="16x24"):
        rot90(full_batch(16, 24), torch.tensor([0, 0, 1, 0]))


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_points_stay_on_their_pixels_when_turned(quarters):
    image, x, y = torch.zeros(1, 1, 9, 9), 6, 2
    image[0, 0, y, x] = 1
    boxes = torch.tensor([[[x, y, x + 1, y + 1.0]]])
    batch = Batch(image=image, keypoints=torch.tensor([[[float(x), float(y)]]]), boxes=boxes)
    moved = rot90(batch, torch.tensor([quarters]))
    row, column = (moved.image[0, 0] == 1).nonzero()[0].tolist()
    assert moved.keypoints[0, 0].tolist() == [column, row]
    assert moved.boxes[0, 0].tolist() == [column, row, column + 1, row + 1]


# --- matrices ---------------------------------------------------------------------------------------------------


def test_inverse_takes_points_back():
    matrix = half_sides(rotation(torch.tensor([30.0, -70.0])) * 0.8, torch.tensor([[3.0, -2.0], [1.0, 9.0]]), 20, 40)
    points = torch.rand(2, 6, 2)
    assert not torch.allclose(moved_points(points, matrix), points, atol=0.01)
    assert torch.allclose(moved_points(moved_points(points, matrix), inverse(matrix)), points, atol=1e-5)


def test_a_rotation_by_90_degrees_is_a_quarter_turn():
    batch = full_batch(16, 16).but(boxes=torch.tensor([[[1.0, 2.0, 5.0, 4.0]]]).repeat(4, 1, 1))
    matrix = half_sides(rotation(torch.full((4,), 90.0)), torch.zeros(4, 2), 16, 16)
    moved, exact = affine(batch, matrix), rot90(batch, torch.ones(4, dtype=torch.long))
    assert torch.allclose(moved.image, exact.image, atol=1e-4)
    assert torch.equal(moved.mask, exact.mask) and torch.equal(moved.instances, exact.instances)
    assert torch.allclose(moved.boxes, exact.boxes, atol=1e-4)
    assert torch.allclose(moved.keypoints, exact.keypoints, atol=1e-4, equal_nan=True)


# --- one resampling ---------------------------------------------------------------------------------------------


def test_bilinear_values_agree_with_scipy():
    height, width = 20, 30
    linear, shift, matrix = turn_and_shift(20.0, 1.1, (2.0, -1.5), height, width)
    image = torch.rand(1, 1, height, width)
    back = np.linalg.inv(linear[0].numpy().astype(float))[::-1, ::-1]  # scipy counts y first
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    offset = centre - back @ (centre + shift[0].numpy()[::-1])
    expected = ndimage.affine_transform(image[0, 0].numpy().astype(float), back, offset, order=1, cval=np.nan)
    found = affine(Batch(image=image), matrix).image[0, 0].numpy()
    known = ~np.isnan(expected)
    assert known.mean() > 0.7
    assert np.abs(found - expected)[known].max() < 1e-4


def test_a_translation_and_its_opposite_restore_the_interior():
    batch = full_batch(16, 24)
    there = half_sides(torch.eye(2).repeat(4, 1, 1), torch.tensor([[3.0, -2.0]]).repeat(4, 1), 16, 24)
    back = affine(affine(batch, there), inverse(there))
    assert torch.allclose(back.image[..., 2:, :-3], batch.image[..., 2:, :-3], atol=1e-5)
    assert torch.equal(back.mask[:, 2:, :-3], batch.mask[:, 2:, :-3])
    assert (back.mask[:, :2] == 255).all() and (back.mask[:, :, -3:] == 255).all()
    assert not back.valid[:, :2].any()
    assert (back.instances[:, :, -3:] == 0).all()


SHAPES = {
    "ellipse": lambda x, y: (x / 28) ** 2 + (y / 18) ** 2 <= 1,
    "rectangle": lambda x, y: (np.abs(x + 3) <= 14) & (np.abs(y - 2) <= 9),
}


def drawn(shape, linear: np.ndarray, shift: np.ndarray, height: int, width: int) -> np.ndarray:
    """The mask of a moved analytic shape."""
    y, x = np.mgrid[:height, :width]
    points = np.stack([x - (width - 1) / 2, y - (height - 1) / 2]) - shift[:, None, None]
    return shape(*np.einsum("ij,jhw->ihw", np.linalg.inv(linear), points))


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [(64, 64), (64, 96), (96, 64)])
def test_a_moved_mask_is_the_mask_of_the_moved_shape(shape, size):
    linear, shift, matrix = turn_and_shift(35.0, 1.1, (3.0, -3.0), *size)
    before = drawn(SHAPES[shape], np.eye(2), np.zeros(2), *size)
    wanted = drawn(SHAPES[shape], linear[0].numpy(), shift[0].numpy(), *size)
    mask = torch.from_numpy(before).long()[None]
    moved = affine(Batch(image=mask[:, None].float(), mask=mask), matrix, padding="zeros")
    assert iou(before, wanted) < 0.8
    assert iou((moved.mask[0] == 1).numpy(), wanted) > 0.97
    assert iou((moved.image[0, 0] > 0.5).numpy(), wanted) > 0.97


def test_boxes_and_keypoints_land_on_the_moved_rectangle():
    height, width = 64, 96
    linear, shift, matrix = turn_and_shift(-20.0, 1.15, (5.0, 2.0), height, width)
    box = torch.tensor([[[width / 2 - 17, height / 2 - 7, width / 2 + 11, height / 2 + 11]]])
    corner = box[..., :2] - 0.5  # the corner as a point among pixel centres
    wanted = drawn(SHAPES["rectangle"], linear[0].numpy(), shift[0].numpy(), height, width)
    moved = affine(Batch(image=torch.zeros(1, 1, height, width), boxes=box, keypoints=corner), matrix)
    rows, columns = np.flatnonzero(wanted.any(1)), np.flatnonzero(wanted.any(0))
    extremes = torch.tensor([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    assert (moved.boxes[0, 0] - extremes).abs().max() < 1
    assert (moved.boxes[0, 0] - box[0, 0]).abs().max() > 4
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    expected = linear[0].numpy() @ (corner[0, 0].numpy() - centre) + shift[0].numpy() + centre
    assert np.abs(moved.keypoints[0, 0].numpy() - expected).max() < 1e-3


def moments(image: torch.Tensor, ratio: int) -> tuple[np.ndarray, np.ndarray]:
    """Centre [2] and covariance [2, 2] of a picture's mass, in full-size pixels about the image's centre."""
    weights = image.numpy().astype(float)
    height, width = weights.shape
    y, x = np.mgrid[:height, :width]
    points = np.stack([x - (width - 1) / 2, y - (height - 1) / 2]).reshape(2, -1) * ratio
    return np.average(points, 1, weights.ravel()), np.cov(points, aweights=weights.ravel())


@pytest.mark.parametrize("ratio", [1, 2, 4])
def test_a_view_of_any_resolution_moves_with_the_image(ratio):
    size = (96, 128)
    linear, shift, matrix = turn_and_shift(25.0, 1.3, (8.0, -6.0), *size)
    scene = torch.from_numpy(drawn(SHAPES["rectangle"], np.eye(2), np.zeros(2), *size)).float()
    view = torch.nn.functional.avg_pool2d(scene[None, None], ratio)
    batch = Batch(image=torch.zeros(1, 3, *size), views={"low": Batch(image=view)})
    moved = affine(batch, matrix).views["low"].image
    (centre, spread), (found, found_spread) = moments(view[0, 0], ratio), moments(moved[0, 0], ratio)
    turned, moved_by = linear[0].numpy(), shift[0].numpy()
    assert np.abs(found - (turned @ centre + moved_by)).max() < 0.05
    assert np.abs(found - centre).max() > 5
    wanted = turned @ spread @ turned.T
    assert np.abs(found_spread - wanted).max() < 0.05 * wanted.max()
    assert np.abs(spread - wanted).max() > 0.3 * wanted.max()


def test_reflection_keeps_the_means_of_thirteen_bands():
    n, bands = 16, 13
    image = torch.rand(n, bands, 32, 32) * 0.2 + torch.linspace(0.2, 0.7, bands)[:, None, None]
    matrix = half_sides(rotation(torch.linspace(-15, 15, n)), torch.full((n, 2), 3.0), 32, 32)
    moved = affine(Batch(image=image), matrix).image
    assert ((moved.mean((0, 2, 3)) - image.mean((0, 2, 3))) / image.mean((0, 2, 3))).abs().max() < 0.02
    dark = affine(Batch(image=image), matrix, padding="zeros").image
    assert ((dark.mean((0, 2, 3)) - image.mean((0, 2, 3))) / image.mean((0, 2, 3))).abs().min() > 0.05


def test_a_box_that_leaves_is_missing_and_a_keypoint_that_leaves_is_not():
    boxes = torch.tensor([[[0.0, 0.0, 4.0, 4.0], [10.0, 2.0, 14.0, 6.0], [torch.nan] * 4]])
    points = torch.tensor([[[1.0, 1.0]]])
    matrix = half_sides(torch.eye(2)[None], torch.tensor([[-6.0, 0.0]]), 16, 16)
    moved = affine(Batch(image=torch.zeros(1, 1, 16, 16), boxes=boxes, keypoints=points), matrix)
    assert moved.boxes[0, 0].isnan().all() and moved.boxes[0, 2].isnan().all()
    assert torch.allclose(moved.boxes[0, 1], torch.tensor([4.0, 2.0, 8.0, 6.0]), atol=1e-4)
    assert torch.allclose(moved.keypoints, torch.tensor([[[-5.0, 1.0]]]), atol=1e-4)


@pytest.mark.parametrize("channels", [1, 3, 13])
def test_any_number_of_channels(channels):
    image = torch.rand(2, channels, 12, 20)
    matrix = half_sides(rotation(torch.tensor([10.0, 20.0])), torch.zeros(2, 2), 12, 20)
    moved = affine(Batch(image=image), matrix).image
    alone = torch.cat([affine(Batch(image=image[:, c, None]), matrix).image for c in range(channels)], 1)
    assert torch.allclose(moved, alone, atol=1e-6)


def test_nothing_changes_in_place():
    batch = full_batch(16, 16)
    kept = batch.apply(torch.clone)
    affine(batch, half_sides(rotation(torch.full((4,), 30.0)), torch.ones(4, 2), 16, 16))
    flip(batch, ALL)
    rot90(batch, torch.arange(4))
    assert same(batch, kept)


def test_put_replaces_only_the_named_rows():
    batch = full_batch(16, 16)
    rows = torch.tensor([2, 0])
    other = geometry.flipped(geometry.part(batch, rows), 0)
    found = geometry.put(batch, rows, other)
    assert torch.equal(found.image[2], batch.image[2].flip(-1))
    assert same(found.select([1, 3]), batch.select([1, 3]))
    assert torch.equal(found.label, batch.label)
