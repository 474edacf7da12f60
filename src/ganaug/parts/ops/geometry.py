# SPDX-License-Identifier: Apache-2.0
"""Moves of a whole batch: what moves the pixels moves masks, boxes, keypoints and views in the same call.

Three conventions hold everywhere. Keypoints (x, y) are in pixels with the centre of the first pixel at 0. Boxes
(x0, y0, x1, y1) are in pixels with the image's edges at 0 and W or H. Matrices work in *half sides*: x and y run
from -1 at one edge of the image to 1 at the other, so one matrix moves a view of any resolution in the same way.
A keypoint or box that is NaN is missing; a keypoint that leaves the image keeps its coordinates, a box that leaves
it becomes NaN.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from ganaug.data.batch import UNKNOWN, Batch
from ganaug.data.errors import InputError

DENSE = ("image", "mask", "valid", "instances", "depth")
SPATIAL = (*DENSE, "boxes", "keypoints")


# --- matrices ---------------------------------------------------------------------------------------------------


def half_sides(
    linear: Float[Tensor, "b 2 2"], shift: Float[Tensor, "b 2"], height: int, width: int
) -> Float[Tensor, "b 2 3"]:
    """The matrix, in half sides, of the move p -> linear p + shift in pixels about the image's centre."""
    half = linear.new_tensor([width / 2, height / 2])
    moved = linear * half / half[:, None]
    return torch.cat([moved, (shift / half)[:, :, None]], dim=2)


def rotation(degrees: Float[Tensor, " b"]) -> Float[Tensor, "b 2 2"]:
    """Counter-clockwise as seen (y points down)."""
    angle = torch.deg2rad(degrees)
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)], 1)


def inverse(matrix: Float[Tensor, "b 2 3"]) -> Float[Tensor, "b 2 3"]:
    """The matrix that takes every point back; the determinant must not be 0."""
    a, b, x, c, d, y = matrix.flatten(1).unbind(1)
    det = a * d - b * c
    first = torch.stack([d, -b, b * y - d * x], 1) / det[:, None]
    second = torch.stack([-c, a, c * x - a * y], 1) / det[:, None]
    return torch.stack([first, second], 1)


# --- one resampling ---------------------------------------------------------------------------------------------


def affine(batch: Batch, matrix: Float[Tensor, "b 2 3"], padding: str = "reflection") -> Batch:
    """Every row moved by its matrix (in half sides, from where a point is to where it goes), in one resampling.

    The image is bilinear; outside it `padding` holds: "reflection", "border" or "zeros" (mid grey). Masks,
    instances, valid and depth are nearest; outside the image a mask is 255, instances 0, valid False, and depth as
    the image. A box becomes the box around its four moved corners, cut to the image.
    """
    back = inverse(matrix)
    new = {name: resampled(name, tensor, back, padding) for name, tensor in dense(batch)}
    if batch.keypoints is not None:
        height, width = size(batch)
        new["keypoints"] = moved_keypoints(batch.keypoints, matrix, height, width)
    if batch.boxes is not None:
        new["boxes"] = moved_boxes(batch.boxes, matrix, *size(batch))
    views = {name: affine(view, matrix, padding) for name, view in batch.views.items()}
    return batch.but(**new, views=views)


def resampled(name: str, tensor: Tensor, back: Float[Tensor, "b 2 3"], padding: str) -> Tensor:
    """One dense field [B, (C,) H, W] read at where each of its pixels comes from."""
    grid = origins(back, *tensor.shape[-2:])
    if name == "image":
        return F.grid_sample(tensor, grid, padding_mode=padding, align_corners=False)
    outside = UNKNOWN if name == "mask" else 0  # beyond the edge grid_sample reads 0, hence the detour
    values = tensor[:, None].float() - outside
    mode = padding if name == "depth" else "zeros"
    found = F.grid_sample(values, grid, mode="nearest", padding_mode=mode, align_corners=False)
    return (found[:, 0] + outside).to(tensor.dtype)


def origins(back: Float[Tensor, "b 2 3"], height: int, width: int) -> Float[Tensor, "b h w 2"]:
    """Where, in half sides, each pixel comes from; by broadcasting, which is faster than `affine_grid`'s products."""
    x = (2 * torch.arange(width) + 1) / width - 1
    y = (2 * torch.arange(height) + 1) / height - 1
    along_x = back[:, None, None, :, 0] * x[:, None]
    along_y = back[:, None, None, :, 1] * y[:, None, None] + back[:, None, None, :, 2]
    return along_x + along_y


def moved_points(points: Float[Tensor, "b n 2"], matrix: Float[Tensor, "b 2 3"]) -> Float[Tensor, "b n 2"]:
    """Points in half sides after the move."""
    return points @ matrix[:, :, :2].mT + matrix[:, None, :, 2]


def moved_keypoints(
    keypoints: Float[Tensor, "b n 2"], matrix: Float[Tensor, "b 2 3"], height: int, width: int
) -> Float[Tensor, "b n 2"]:
    """Keypoints in pixels after the move."""
    side = keypoints.new_tensor([width, height])
    points = moved_points((2 * keypoints + 1) / side - 1, matrix.to(keypoints.dtype))
    return ((points + 1) * side - 1) / 2


def moved_boxes(
    boxes: Float[Tensor, "b n 4"], matrix: Float[Tensor, "b 2 3"], height: int, width: int
) -> Float[Tensor, "b n 4"]:
    """Boxes around the moved corners, cut to the image; NaN where nothing of the box is left."""
    side = boxes.new_tensor([width, height])
    corners = boxes[..., [0, 1, 2, 1, 0, 3, 2, 3]].unflatten(-1, (4, 2))
    points = moved_points((2 * corners / side - 1).flatten(1, 2), matrix.to(boxes.dtype))
    pixels = ((points + 1) * side / 2).unflatten(1, (-1, 4))
    low = torch.minimum(pixels.amin(2).clamp(min=0), side)
    high = torch.minimum(pixels.amax(2).clamp(min=0), side)
    found = torch.cat([low, high], -1)
    return torch.where((high > low).all(-1, keepdim=True), found, torch.nan)


# --- exact permutations -----------------------------------------------------------------------------------------


def flip(batch: Batch, chosen: Bool[Tensor, " b"], axis: str = "horizontal") -> Batch:
    """The chosen rows mirrored left-right ("horizontal") or upside down ("vertical"); no pixel value changes."""
    rows = chosen.nonzero()[:, 0]
    return put(batch, rows, flipped(part(batch, rows), 0 if axis == "horizontal" else 1)) if len(rows) else batch


def flipped(batch: Batch, axis: int) -> Batch:
    """Every row mirrored along x (axis 0) or y (axis 1)."""
    new = {name: tensor.flip(-1 - axis) for name, tensor in dense(batch)}
    if batch.keypoints is not None:
        new["keypoints"] = batch.keypoints.clone()
        new["keypoints"][..., axis] = size(batch)[1 - axis] - 1 - batch.keypoints[..., axis]
    if batch.boxes is not None:
        new["boxes"] = batch.boxes.clone()
        new["boxes"][..., [axis, axis + 2]] = size(batch)[1 - axis] - batch.boxes[..., [axis + 2, axis]]
    return batch.but(**new, views={name: flipped(view, axis) for name, view in batch.views.items()})


def rot90(batch: Batch, turns: Int[Tensor, " b"]) -> Batch:
    """Row i turned counter-clockwise by turns[i] quarters (0..3); no pixel value changes.

    Raises InputError for a quarter turn of images or views that are not square: rows of a batch share one size.
    """
    for quarters in (1, 2, 3):
        rows = (turns == quarters).nonzero()[:, 0]
        if len(rows):
            batch = put(batch, rows, turned(part(batch, rows), quarters))
    return batch


def turned(batch: Batch, quarters: int) -> Batch:
    """Every row turned counter-clockwise by the same number of quarters."""
    if quarters == 2:
        return flipped(flipped(batch, 0), 1)
    return flipped(transposed(batch), quarters % 3)  # one quarter: x <-> y, then y mirrored; three: x mirrored


def transposed(batch: Batch) -> Batch:
    """x and y swapped; InputError unless images and views are square."""
    new = {name: tensor.mT for name, tensor in dense(batch)}
    for tensor in new.values():
        if tensor.shape[-1] != tensor.shape[-2]:
            found = f"{tensor.shape[-1]}x{tensor.shape[-2]}"
            raise InputError(f"a quarter turn needs square images, found {found}: turn by halves (0 and 2) only.")
    if batch.keypoints is not None:
        new["keypoints"] = batch.keypoints.flip(-1)
    if batch.boxes is not None:
        new["boxes"] = batch.boxes[..., [1, 0, 3, 2]]
    return batch.but(**new, views={name: transposed(view) for name, view in batch.views.items()})


# --- rows of a batch --------------------------------------------------------------------------------------------


def dense(batch: Batch) -> list[tuple[str, Tensor]]:
    """Name and tensor of every filled field that has one value a pixel."""
    return [(name, tensor) for name, tensor in batch.tensors() if name in DENSE]


def size(batch: Batch) -> tuple[int, int]:
    """(height, width) in pixels of the batch's image or maps; InputError when it has neither."""
    for _, tensor in dense(batch):
        return tensor.shape[-2], tensor.shape[-1]
    raise InputError("a batch that is moved needs an image or a map, found neither: give the image.")


def part(batch: Batch, rows: Int[Tensor, " n"]) -> Batch:
    """The spatial fields of some rows, views included."""
    fields = {name: tensor[rows] for name, tensor in batch.tensors() if name in SPATIAL}
    return Batch(**fields, views={name: part(view, rows) for name, view in batch.views.items()})


def put(batch: Batch, rows: Int[Tensor, " n"], changed: Batch) -> Batch:
    """A copy of `batch` with the spatial fields of some rows replaced; `changed` holds these rows in order."""
    new = {
        name: getattr(batch, name).index_copy(0, rows, tensor) for name, tensor in changed.tensors() if name in SPATIAL
    }
    return batch.but(**new, views={name: put(view, rows, changed.views[name]) for name, view in batch.views.items()})
