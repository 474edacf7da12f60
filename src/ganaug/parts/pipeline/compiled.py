# SPDX-License-Identifier: Apache-2.0
"""From operations and what was drawn to the fewest passes over the pixels.

Operations are taken in runs. Within a run moves commute with colours, so that all moves become one matrix (with a
displacement field after it, if there is one) and one resampling, and all colours that follow each other one matrix or
one table. Noise, holes and operations that look at the whole image end a run. Where order matters, it is this one:
moves as written, then colours and curves as written; what a move uncovers is coloured with the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int

from ganaug.parts.pipeline.bands import mean, straight
from ganaug.parts.pipeline.operation import Act, Colour, Curve, Each, Move, Warp

BORDERS = {"reflect": cv2.BORDER_REFLECT, "edge": cv2.BORDER_REPLICATE}
WIDENED = 3 * 48 * 48  # from this size on OpenCV resamples 4 channels so much faster than 3 that a spare one pays
MOST_POINTS = 30_000  # that OpenCV reads from a field at once
TOPS = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}


@dataclass
class Run:
    """Acts that are fused with each other."""

    moves: list[Act] = field(default_factory=list)
    warp: Act | None = None
    colours: list[Act] = field(default_factory=list)
    closing: list[Act] = field(default_factory=list)


def runs(acts: Iterable[Act]) -> list[Run]:
    """The acts in runs, in order: the same runs whatever was drawn, so that an image's bits depend on nothing else."""
    found = [Run()]
    for act in acts:
        kind = type(act.operation)
        full = found[-1].closing or (found[-1].warp and issubclass(kind, (Move, Warp)))
        if full and not issubclass(kind, Each):
            found.append(Run())
        if issubclass(kind, Move):
            found[-1].moves.append(act)
        elif issubclass(kind, Warp):
            found[-1].warp = act
        else:
            (found[-1].closing if issubclass(kind, Each) else found[-1].colours).append(act)
    return found


class Stage(Protocol):
    """One pass over the pixels of the images that are `on`, in place."""

    on: Bool[np.ndarray, " n"]

    def change(self, image: np.ndarray, i: int) -> None:
        """Change image i."""
        ...


# --- geometry ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Geometry:
    """Where the pixels of n images come from. `size` is (height, width) of the result, `old` that of the images.

    `back` [n, 2, 3] takes a pixel of the result to the image (origin in the first pixel's centre), `forward` [n, 3, 3]
    a pixel of the image to the result. `field` are displacements in the
    result before `back`. `on` rows do not keep every pixel in its place.
    """

    old: tuple[int, int]
    size: tuple[int, int]
    forward: Float[np.ndarray, "n 3 3"]
    back: Float[np.ndarray, "n 2 3"]
    on: Bool[np.ndarray, " n"]
    permutes: bool
    field: Float[np.ndarray, "n k k 2"] | None

    def moved(self, image: np.ndarray, i: int, into: np.ndarray, fill: str | float, nearest: bool = False) -> None:
        """Image i resampled once, into another array."""
        if not self.on[i]:
            np.copyto(into, image)
        elif self.permutes:
            permute(image, self.forward[i], into)
        else:
            flags = (cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
            border, value = BORDERS.get(fill, cv2.BORDER_CONSTANT), (fill,) * 4 if isinstance(fill, float) else 0
            if self.field is not None:
                across, down = origins(self.back[i], self.field[i], self.size)
                cv2.remap(image, across, down, flags & 1, into, border, value)
            elif into.ndim == 3 and into.shape[2] == 3 and into.size >= WIDENED:
                wide = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)
                cv2.cvtColor(
                    cv2.warpAffine(wide, self.back[i], self.size[::-1], None, flags, border, value),
                    cv2.COLOR_RGBA2RGB,
                    into,
                )
            else:
                cv2.warpAffine(image, self.back[i], self.size[::-1], into, flags, border, value)

    def points(self, points: Float[np.ndarray, "... 2"], i: int) -> Float[np.ndarray, "... 2"]:
        """Points (x, y) of image i, in pixels with the first pixel's centre at 0, after the move."""
        ahead = points @ self.forward[i, :2, :2].T + self.forward[i, :2, 2]
        if self.field is None or not ahead.size:
            return ahead
        found, field = ahead, spread(self.field[i], self.size)
        for _ in range(12):  # the field is gentle, so this fixed point is reached quickly
            found = ahead - between(field, found)
        return found

    def scaled(self, down: float, across: float) -> Geometry:
        """The same moves of images that show the same in so many times as many rows and columns."""
        factors = np.array([across, down])
        to_other = np.diag([across, down, 1.0])
        to_other[:2, 2] = (factors - 1) / 2  # pixels are counted from the first one's centre
        forward = to_other @ self.forward @ np.linalg.inv(to_other)
        old, size = ((round(h * down), round(w * across)) for h, w in (self.old, self.size))
        field = None if self.field is None else self.field * factors
        return Geometry(old, size, forward, inverse(forward), self.on, self.permutes and across == down, field)


def geometry(run: Run, n: int, height: int, width: int) -> Geometry:
    """The moves of a run as one matrix an image."""
    total, size = np.tile(np.eye(3), (n, 1, 1)), (height, width)
    for act in run.moves:
        old, size = size, act.operation.size(*size)
        moved = act.operation.matrix(act.drawn, *old) @ total
        total = moved if act.on.all() else np.where(act.on[:, None, None], moved, middle(old, size) @ total)
    forward = centred(size) @ total @ centred((2 - height, 2 - width))  # the latter from pixels to the centre
    permutes = run.warp is None and all(act.operation.permutes for act in run.moves)
    on = np.full(n, True) if run.warp or size != (height, width) else (total != np.eye(3)).any((1, 2))
    moves = None if run.warp is None else shown(run.warp).operation.field(shown(run.warp).drawn, *size)
    return Geometry((height, width), size, forward, inverse(forward), on, permutes, moves)


def shown(act: Act) -> Act:
    """The act with nothing drawn where it does not act."""
    return Act(act.operation, act.on, {k: v * act.on.reshape(-1, *[1] * (v.ndim - 1)) for k, v in act.drawn.items()})


def middle(old: tuple[int, int], new: tuple[int, int]) -> Float[np.ndarray, "3 3"]:
    """From coordinates about an image's centre to those about the centre of its middle part, by whole pixels."""
    return np.array([[1, 0, (new[1] - old[1]) % 2 / 2], [0, 1, (new[0] - old[0]) % 2 / 2], [0, 0, 1]])


def centred(size: tuple[int, int]) -> Float[np.ndarray, "3 3"]:
    """From coordinates about the centre to pixels."""
    return np.array([[1, 0, (size[1] - 1) / 2], [0, 1, (size[0] - 1) / 2], [0, 0, 1]])


def inverse(matrix: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "n 2 3"]:
    """The upper rows of the inverse, by hand: a stack of small matrices is slow to invert."""
    (a, b, x), (c, d, y) = matrix[:, 0].T, matrix[:, 1].T
    det = a * d - b * c
    found = np.array([[d, -b, b * y - d * x], [-c, a, c * x - a * y]]) / det
    return np.ascontiguousarray(found.transpose(2, 0, 1))


def permute(image: np.ndarray, forward: Float[np.ndarray, "3 3"], into: np.ndarray) -> None:
    """The image flipped or turned as the matrix says, into another array."""
    if forward[0, 0] == 0:  # x and y change places
        image = np.ascontiguousarray(image.swapaxes(0, 1))
    across = forward[0, 0] + forward[0, 1] < 0
    down = forward[1, 0] + forward[1, 1] < 0
    if across or down:
        cv2.flip(image, -1 if across and down else int(across), into)
    else:
        np.copyto(into, image)


def origins(
    back: Float[np.ndarray, "2 3"], moves: Float[np.ndarray, "k k 2"], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """x and y in the image of every pixel of the result."""
    field = spread(moves, size)
    x, y = np.arange(size[1]) + field[..., 0], np.arange(size[0])[:, None] + field[..., 1]
    found = [row[0] * x + row[1] * y + row[2] for row in back]
    return found[0].astype(np.float32), found[1].astype(np.float32)


def spread(moves: Float[np.ndarray, "k k 2"], size: tuple[int, int]) -> Float[np.ndarray, "h w 2"]:
    """The moves at k x k places, at every pixel of the result."""
    return cv2.resize(moves, size[::-1], interpolation=cv2.INTER_CUBIC)


def between(field: Float[np.ndarray, "h w 2"], points: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, "... 2"]:
    """The field at points of the result, between its pixels."""
    x, y = points.reshape(-1, 2).T.astype(np.float32)
    rows = [slice(first, first + MOST_POINTS) for first in range(0, len(x), MOST_POINTS)]
    found = [cv2.remap(field, x[r, None], y[r, None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for r in rows]
    return np.concatenate(found).reshape(points.shape)


# --- colour -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mixing:
    """A colour matrix an image: x -> gain x + offset + pull m, m being the image's mean, values in 0..top."""

    matrix: Float[np.ndarray, "n c c+1"]  # gain and offset
    pull: Float[np.ndarray, "n c c"] | None
    on: Bool[np.ndarray, " n"]
    top: float

    def change(self, image: np.ndarray, i: int) -> None:
        matrix = self.matrix[i]
        if self.pull is not None:
            matrix = matrix.copy()
            matrix[:, -1] += self.pull[i].dot(mean(image, len(matrix)))
        if len(matrix) != 3:
            straight(image, matrix.diagonal(), matrix[:, -1], self.top)
            return
        cv2.transform(image, matrix, image)
        if image.dtype == np.float32:
            np.clip(image, 0, self.top, out=image)


@dataclass(frozen=True)
class Curves:
    """Curves that follow each other: one table of grey levels for bytes, applied to the values of others."""

    acts: Sequence[Act]
    table: Int[np.ndarray, "n 256"] | None
    on: Bool[np.ndarray, " n"]
    top: float

    def change(self, image: np.ndarray, i: int) -> None:
        if self.table is not None:
            cv2.LUT(image, self.table[i], image)
            return
        values = bent(self.acts, slice(i, i + 1), image.reshape(1, -1) / self.top).reshape(image.shape) * self.top
        image[...] = values if image.dtype == np.float32 else np.rint(values)


def bent(acts: Sequence[Act], rows: slice, values: Float[np.ndarray, "n m"]) -> Float[np.ndarray, "n m"]:
    """Values in [0, 1] after the curves of some rows."""
    for act in acts:
        drawn = {name: value[rows] for name, value in act.drawn.items()}
        values = np.where(act.on[rows, None], act.operation.curve(values, drawn), values)
    return values


@dataclass(frozen=True)
class Alone:
    """An operation that acts on one image at a time."""

    operation: Each
    rows: list[dict[str, Any]]
    on: Bool[np.ndarray, " n"]
    top: float

    def change(self, image: np.ndarray, i: int) -> None:
        self.operation.change(image, self.top, **(self.rows[i] if self.rows else {}))


def colour_stages(acts: Sequence[Act], n: int, channels: int, dtype: np.dtype) -> list[Stage]:
    """Colours and curves as matrices and tables; neighbours of one kind become one stage."""
    stages: list[Stage] = []
    while acts:
        kind = Colour if isinstance(acts[0].operation, Colour) else Curve
        end = next((i for i, act in enumerate(acts) if not isinstance(act.operation, kind)), len(acts))
        same, acts = acts[:end], acts[end:]
        stages.append(mixing(same, n, channels, dtype) if kind is Colour else curves(same, dtype))
    return stages


def mixing(acts: Sequence[Act], n: int, channels: int, dtype: np.dtype) -> Mixing:
    """Colours that follow each other as one matrix an image."""
    top = TOPS[dtype.name]
    gain, offset = np.tile(np.eye(channels), (n, 1, 1)), np.zeros((n, channels))
    pull = np.zeros((n, channels, channels))
    for act in acts:
        old, new = (gain, offset, pull), act.operation.after(gain, offset, pull, act.drawn)
        gain, offset, pull = new if act.on.all() else where(act.on, new, old)
    matrix = np.concatenate([gain, offset[:, :, None] * top], 2)
    return Mixing(matrix, pull if pull.any() else None, np.any([act.on for act in acts], 0), top)


def where(on: Bool[np.ndarray, " n"], new: Sequence[np.ndarray], old: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Row i of the new arrays where on[i], else of the old."""
    return [np.where(on.reshape(-1, *[1] * (a.ndim - 1)), a, b) for a, b in zip(new, old, strict=True)]


def curves(acts: Sequence[Act], dtype: np.dtype) -> Curves:
    """Curves that follow each other, as a table where values are bytes."""
    table, on = None, np.any([act.on for act in acts], 0)
    if dtype == np.uint8:
        levels = np.tile(np.arange(256) / 255, (len(on), 1))
        table = np.clip(np.rint(bent(acts, slice(None), levels) * 255), 0, 255).astype(np.uint8)
    return Curves(acts, table, on, TOPS[dtype.name])


# --- all together -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compiled:
    """What happens to n images of one size: for each run one resampling, then the other passes.

    `acting[i]` numbers the stages that change image i. `size` is (height, width) of the results.
    """

    stages: Sequence[Geometry | Stage]
    acting: Sequence[Sequence[int]]
    size: tuple[int, int]

    @property
    def geometries(self) -> list[Geometry]:
        """Where pixels come from, run by run."""
        return [stage for stage in self.stages if isinstance(stage, Geometry)]

    def moves(self, height: int, width: int) -> Compiled:
        """The moves alone, of images of another resolution that show the same."""
        old = self.geometries[0].old
        scaled = [geometry.scaled(height / old[0], width / old[1]) for geometry in self.geometries]
        return Compiled(scaled, true_positions(np.array([each.on for each in scaled]).T), scaled[-1].size)

    def image(self, image: np.ndarray, i: int, into: np.ndarray, fill: str | float) -> None:
        """Image i [H, W] or [H, W, C], augmented, into an array of the new size."""
        own = False  # whether `image` may be written to
        for k in self.acting[i]:
            stage = self.stages[k]
            if isinstance(stage, Geometry):
                fits = stage.size == self.size and image is not into
                out = into if fits else np.empty((*stage.size, *image.shape[2:]), image.dtype)
                stage.moved(image, i, out, fill)
                image, own = out, True
                continue
            if not own:
                image, own = image.copy(), True
            stage.change(image, i)
        if image is not into:
            np.copyto(into, image)


def compiled(acts: Sequence[Act], n: int, height: int, width: int, channels: int, dtype: np.dtype) -> Compiled:
    """The acts on n images of one size, fused."""
    stages: list[Geometry | Stage] = []
    for run in runs(acts):
        moved = geometry(run, n, height, width)
        height, width = moved.size
        stages += [moved, *colour_stages(run.colours, n, channels, dtype)]
        for act in run.closing:
            rows = act.operation.rows(act.drawn, height, width)
            stages.append(Alone(act.operation, rows, act.on, TOPS[dtype.name]))
    return Compiled(stages, true_positions(np.array([stage.on for stage in stages]).T), (height, width))


def true_positions(on: Bool[np.ndarray, "n k"]) -> list[list[int]]:
    """For each row, which of its entries are true."""
    rows, found = np.nonzero(on)
    ends, listed = np.searchsorted(rows, np.arange(1, len(on) + 1)).tolist(), found.tolist()
    return [listed[start:end] for start, end in zip([0, *ends], ends, strict=False)]
