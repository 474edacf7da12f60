# SPDX-License-Identifier: Apache-2.0
"""Pipeline: operations named by the user, drawn for each image by its number, and applied in the fewest passes.

What is drawn for an image depends on (seed, epoch, index) alone: not on other images, the order of calls or the number
of workers, and no global random state is touched. Drawing and applying are apart, so a draw can be stored as JSON and
applied again, to the same bits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from numbers import Integral
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, Int

from ganaug.data.batch import UNKNOWN
from ganaug.data.errors import InputError
from ganaug.parts.pipeline.compiled import BORDERS, TOPS, Act, Compiled, Geometry, compiled
from ganaug.parts.pipeline.counter import uniforms
from ganaug.parts.pipeline.operation import Drawn, Operation
from ganaug.parts.pipeline.words import operations as named

BLOCK = 64  # images that are drawn for at once where images come one by one
BLOCKS = 1024  # of them that are kept
POSITIONED = ("mask", "keypoints", "boxes")


@dataclass(frozen=True)
class Draw:
    """What was drawn for n images: for each operation, on which it acts and with which parameters."""

    operations: tuple[Operation, ...]
    on: tuple[np.ndarray, ...]
    drawn: tuple[Drawn, ...]

    def __len__(self) -> int:
        return len(self.on[0])

    def acts(self, channels: int) -> list[Act]:
        """All of it for images of so many channels; InputError for an operation that can't act on them."""
        triples = zip(self.operations, self.on, self.drawn, strict=True)
        return [act for operation, on, drawn in triples for act in operation.acts(on, drawn, channels)]

    def to_json(self) -> str:
        """The draw as text, exact to the last bit."""
        rows = [
            {"operation": str(op), "acts": on.tolist(), **{name: value.tolist() for name, value in drawn.items()}}
            for op, on, drawn in zip(self.operations, self.on, self.drawn, strict=True)
        ]
        return json.dumps({"version": 1, "draws": rows})

    @classmethod
    def from_json(cls, text: str) -> Draw:
        """The draw that `to_json` wrote; InputError for anything else."""
        try:
            rows = json.loads(text)["draws"]
            ops = named([row.pop("operation") for row in rows])
            on = tuple(np.array(row.pop("acts"), bool, ndmin=1) for row in rows)
            drawn = tuple({name: np.array(value, float, ndmin=1) for name, value in row.items()} for row in rows)
            wanted = [op.drawn(np.zeros((1, op.columns))) for op in ops]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise InputError("the recorded draw can't be read: give the text that Draw.to_json wrote.") from None
        if any(len(value) != len(on[0]) for row in drawn for value in row.values()) or len({len(o) for o in on}) != 1:
            raise InputError("the recorded draw is damaged: its operations were drawn for different numbers of images.")
        if [shapes(row) for row in drawn] != [shapes(row) for row in wanted]:
            raise InputError("the recorded draw is damaged: its parameters are not those of its operations.")
        return cls(ops, on, drawn)


class Pipeline:
    """Operations that are fused, for images in memory.

        pipe = ganaug.Pipeline("flip_h, rotate(15), scale(0.1), crop(32, pad=4), brightness(0.2), noise(0.04)")
        out = pipe(image=image, mask=mask, index=17, epoch=3)      # one image [H, W, C] and what belongs to it
        out = pipe(image=images, label=labels, index=rows)         # a batch [N, H, W, C], or a list of mixed sizes

    Parameters
    ----------
    operations : text as above, or a list of such texts; `str(pipeline)` gives it back.
    seed : of everything that is drawn, 0 or more.
    fill : what moves uncover: "reflect", "edge", or a value from 0 (black) to 1; masks are 255 there.
    threads : a batch is shared out among so many.

    Raises InputError for a pipeline that can't be read, an operation or argument that does not exist, and a value
    outside its limits.
    """

    def __init__(
        self,
        operations: str | Sequence[str | Operation],
        *,
        seed: int = 0,
        fill: str | float = "reflect",
        threads: int = 1,
    ):
        if fill not in BORDERS and not (isinstance(fill, (int, float)) and 0 <= fill <= 1):
            raise InputError(f"fill must be {', '.join(BORDERS)} or a value from 0 to 1, found {fill!r}.")
        if not (isinstance(seed, Integral) and 0 <= seed < 2**63 and isinstance(threads, Integral) and threads >= 1):
            raise InputError(f"seed must be from 0 to 2^63 - 1 and threads 1 or more, found {seed!r} and {threads!r}.")
        self.operations = named(operations)
        self.seed, self.threads = int(seed), int(threads)
        self.fill = fill if isinstance(fill, str) else float(fill)
        self.block = lru_cache(maxsize=BLOCKS)(self.compiled_block)

    def __str__(self) -> str:
        return ", ".join(str(operation) for operation in self.operations)

    def __reduce__(self) -> tuple:
        return partial(Pipeline, fill=self.fill, seed=self.seed, threads=self.threads), (str(self),)  # without caches

    # --- drawing ----------------------------------------------------------------------------------------------

    def draw(self, index: int | Sequence[int] | np.ndarray, epoch: int = 0) -> Draw:
        """The parameters of images by their numbers, one row each."""
        rows = numbers(index)
        u = uniforms(self.seed, epoch, rows, sum(1 + op.columns for op in self.operations))
        on, drawn, first = [], [], 0
        for op in self.operations:
            on.append(u[:, first] < op.p)
            drawn.append(op.drawn(u[:, first + 1 : first + 1 + op.columns]))
            first += 1 + op.columns
        return Draw(self.operations, tuple(on), tuple(drawn))

    def compiled_block(self, epoch: int, block: int, height: int, width: int, channels: int, dtype: str) -> Compiled:
        """What happens to the images of one block of numbers, for images of one size."""
        draw = self.draw(np.arange(block * BLOCK, (block + 1) * BLOCK), epoch)
        return compiled(draw.acts(channels), BLOCK, height, width, channels, np.dtype(dtype))

    # --- applying ---------------------------------------------------------------------------------------------

    def __call__(self, *, image: Any, index: Any, epoch: int = 0, **targets: Any) -> dict[str, Any]:
        """The image, or a batch or list of them, augmented, in a dict with everything that was given.

        image : uint8, uint16 or float32 (0 to 1), [H, W], [H, W, C], a batch [N, H, W, C] or a list of images.
        index : the image's number in its set, or one number each of a batch or list.
        mask [(N,) H, W] of whole numbers, boxes [(N,) K, 4] (x0, y0, x1, y1; edges of the image at 0 and W or H),
        keypoints [(N,) K, 2] (x, y; the first pixel's centre at 0): move with their image. What a mask doesn't know
        is 255, a box that has left the image NaN. Anything else is handed through.
        """
        if np.ndim(index) == 0:
            return self.single(image, int(numbers(index)[0]), epoch, targets)
        return self.apply(self.draw(index, epoch), image=image, **targets)

    def single(self, image: np.ndarray, index: int, epoch: int, targets: Mapping[str, Any]) -> dict[str, Any]:
        """One image, with what was drawn for a block of numbers at once."""
        check_image(image)
        channels = image.shape[2] if image.ndim == 3 else 1
        plan = self.block(epoch, index // BLOCK, *image.shape[:2], channels, image.dtype.name)
        return {"image": self.one(plan, image, index % BLOCK), **self.one_targets(plan, image, index % BLOCK, targets)}

    def one(self, plan: Compiled, image: np.ndarray, i: int) -> np.ndarray:
        """Image i of a plan."""
        out = np.empty((*plan.size, *image.shape[2:]), image.dtype)
        self.write(plan, image, i, out)
        return out

    def write(self, plan: Compiled, image: np.ndarray, i: int, out: np.ndarray) -> None:
        """Image i of a plan, into an array; one channel is worked on without its axis."""
        fill = self.fill if isinstance(self.fill, str) else self.fill * TOPS[image.dtype.name]
        if image.ndim == 3 and image.shape[2] == 1:
            image, out = image[:, :, 0], out[:, :, 0]
        plan.image(image, i, out, fill)

    def apply(self, draw: Draw, *, image: Any, **targets: Any) -> dict[str, Any]:
        """As a call on a batch or a list, with a draw made before; InputError unless it has one row an image."""
        if not isinstance(image, (np.ndarray, Sequence)):
            raise InputError(f"image must be a batch [N, H, W, C] or a list of images, found {type(image).__name__}.")
        if len(image) != len(draw):
            raise InputError(
                f"image holds {len(image)} images, and {len(draw)} numbers or draws were given: give one each."
            )
        for name in POSITIONED:
            if targets.get(name) is not None and len(targets[name]) != len(image):
                raise InputError(f"{name} holds {len(targets[name])} entries for {len(image)} images: give one each.")
        if isinstance(image, np.ndarray):
            return self.batch(draw, image, targets)
        return self.several(draw, image, targets)

    def batch(self, draw: Draw, images: np.ndarray, targets: Mapping[str, Any]) -> dict[str, Any]:
        """Images of one size, in one array."""
        check_images(images)
        n, height, width, channels = (*images.shape, 1)[:4]
        plan = compiled(draw.acts(channels), n, height, width, channels, images.dtype)
        out = np.empty((n, *plan.size, *images.shape[3:]), images.dtype)
        self.share(n, lambda i: self.write(plan, images[i], i, out[i]))
        moved = [self.one_targets(plan, images[i], i, row(targets, i)) for i in range(n)] if targets else []
        return {"image": out, **{name: joined(name, targets[name], moved) for name in targets}}

    def several(self, draw: Draw, images: Sequence[np.ndarray], targets: Mapping[str, Any]) -> dict[str, Any]:
        """A list of images of any sizes; results are lists."""
        plans = []
        for i, image in enumerate(images):
            check_image(image)
            alone = Draw(
                draw.operations, *(tuple(picked(part, i) for part in parts) for parts in (draw.on, draw.drawn))
            )
            channels = image.shape[2] if image.ndim == 3 else 1
            plans.append(compiled(alone.acts(channels), 1, *image.shape[:2], channels, image.dtype))
        made: list[Any] = [None] * len(images)

        def work(i: int) -> None:
            made[i] = self.one(plans[i], images[i], 0)

        self.share(len(images), work)
        moved = (
            [self.one_targets(plans[i], images[i], 0, row(targets, i)) for i in range(len(images))] if targets else []
        )
        return {"image": made, **{name: [out[name] for out in moved] for name in targets}}

    def share(self, n: int, work: Callable[[int], None]) -> None:
        """Work on 0..n - 1, shared out among the threads in consecutive parts."""
        if self.threads == 1:
            for i in range(n):
                work(i)
            return

        def part(rows: np.ndarray) -> None:
            for i in rows:
                work(int(i))

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(part, np.array_split(np.arange(n), self.threads)))

    # --- what moves with an image -----------------------------------------------------------------------------

    def one_targets(self, plan: Compiled, image: np.ndarray, i: int, targets: Mapping[str, Any]) -> dict[str, Any]:
        """Mask, boxes and keypoints of image i after its moves; other targets as they are."""
        out = dict(targets)
        for geometry in plan.geometries:
            for name, move in (("mask", moved_mask), ("boxes", moved_boxes), ("keypoints", moved_keypoints)):
                if out.get(name) is not None:
                    out[name] = move(geometry, out[name], i)
        return out


def moved_mask(geometry: Geometry, mask: np.ndarray, i: int) -> np.ndarray:
    """A map of whole numbers after the move, nearest; UNKNOWN where nothing is known.

    Raises InputError for another size than the image's, and for a dtype or values that can't be moved or hold UNKNOWN.
    """
    refuse_mask(mask, *geometry.old)
    worked = mask if mask.dtype in (np.uint8, np.uint16, np.int16) else mask.astype(np.int32)
    if mask.dtype.itemsize > 4 and (worked != mask).any():
        raise InputError(f"mask holds {mask.min()} to {mask.max()}, more than 32 bits hold: renumber its values.")
    out = np.empty(geometry.size, worked.dtype)
    geometry.moved(worked, i, out, float(UNKNOWN), nearest=True)
    return out.astype(mask.dtype, copy=False)


def refuse_mask(mask: Any, height: int, width: int) -> None:
    """InputError for what is no map of an image's size of whole numbers that can hold UNKNOWN."""
    if not isinstance(mask, np.ndarray) or mask.ndim != 2:
        found = f"shape {list(mask.shape)}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise InputError(f"mask must be a numpy array [H, W] for each image, found {found}.")
    if mask.shape != (height, width):
        raise InputError(
            f"mask is {mask.shape[1]}x{mask.shape[0]} pixels and its image {width}x{height}: "
            "a mask must have its image's size."
        )
    if mask.dtype.kind not in "iu" or np.iinfo(mask.dtype).max < UNKNOWN:
        raise InputError(
            f"mask must hold whole numbers up to {UNKNOWN}, which means unknown, found {mask.dtype}: "
            "use mask.astype('uint8')."
        )


def moved_keypoints(geometry: Geometry, points: Float[np.ndarray, "k 2"], i: int) -> Float[np.ndarray, "k 2"]:
    """Keypoints after the move; one that leaves the image keeps its coordinates."""
    return geometry.points(as_rows(points, 2), i)


def moved_boxes(geometry: Geometry, boxes: Float[np.ndarray, "k 4"], i: int) -> Float[np.ndarray, "k 4"]:
    """Boxes around their moved corners (under a displacement: their moved edges), cut to the image; NaN if left."""
    boxes = as_rows(boxes, 4)
    refuse_outside(boxes, *geometry.old)
    along = np.linspace(0, 1, 2 if geometry.field is None else 9)
    x = boxes[:, None, 0] + along * (boxes[:, None, 2] - boxes[:, None, 0])
    y = boxes[:, None, 1] + along * (boxes[:, None, 3] - boxes[:, None, 1])
    edge = np.concatenate(
        [np.stack(np.broadcast_arrays(x, boxes[:, None, k]), -1) for k in (1, 3)]
        + [np.stack(np.broadcast_arrays(boxes[:, None, k], y), -1) for k in (0, 2)],
        1,
    )
    points = geometry.points(edge - 0.5, i) + 0.5
    side = np.array(geometry.size[::-1], float)
    low, high = np.clip(points.min(1), 0, side), np.clip(points.max(1), 0, side)
    return np.where((high > low).all(1, keepdims=True), np.concatenate([low, high], 1), np.nan)


def as_rows(given: Any, columns: int) -> Float[np.ndarray, "k columns"]:
    """Points or boxes as an array, an empty list as one of no rows; InputError for another number of columns."""
    array = np.asarray(given, float)
    array = array if array.size else array.reshape(-1, columns)
    if array.ndim != 2 or array.shape[1] != columns:
        kind = {2: "keypoints must be (x, y)", 4: "boxes must be (x0, y0, x1, y1)"}[columns]
        raise InputError(f"{kind}, one row each, found shape {list(array.shape)}: pass the rest under another name.")
    return array


def refuse_outside(boxes: Float[np.ndarray, "k 4"], height: int, width: int) -> None:
    """InputError for a box that is not inside its image, or whose corners are not in order; NaN means none."""
    low, high, side = boxes[:, :2], boxes[:, 2:], (width, height)
    wrong = (low < 0).any(1) | (high > side).any(1) | (low > high).any(1)
    if wrong.any():
        raise InputError(
            f"boxes must be (x0, y0, x1, y1) inside the image of {width}x{height} pixels, found "
            f"{boxes[wrong][0].tolist()}: cut it to the image, or give NaN for a box that is missing."
        )


# --- small things -----------------------------------------------------------------------------------------------


def numbers(index: Any) -> Int[np.ndarray, " n"]:
    """The numbers of images in their set; InputError for anything but whole numbers from 0 on."""
    rows = np.atleast_1d(np.asarray(index))
    if rows.size and (rows.dtype.kind not in "iu" or rows.min() < 0):
        raise InputError(f"index must be the images' numbers in their set, from 0 on, found {index!r}.")
    return rows.astype(np.int64)


def check_image(image: Any) -> None:
    """InputError for an image that is no array [H, W] or [H, W, C] of uint8, uint16, or float32 from 0 to 1."""
    if not isinstance(image, np.ndarray) or image.ndim not in (2, 3):
        found = f"shape {list(image.shape)}" if isinstance(image, np.ndarray) else type(image).__name__
        raise InputError(f"image must be a numpy array [H, W] or [H, W, C] for one number, found {found}.")
    if not image.size:
        raise InputError(f"image has no pixels, found shape {list(image.shape)}.")
    check_values(image)


def check_images(images: np.ndarray) -> None:
    """InputError for a batch that is no array [N, H, W] or [N, H, W, C] of such values."""
    if images.ndim not in (3, 4):
        raise InputError(f"a batch must be an array [N, H, W] or [N, H, W, C], found shape {list(images.shape)}.")
    check_values(images)


def check_values(image: np.ndarray) -> None:
    """InputError for another type than uint8, uint16 and float32, and for floats outside 0 to 1."""
    if image.dtype.name not in TOPS:
        raise InputError(f"image must be uint8, uint16 or float32, found {image.dtype}: convert it first.")
    if image.dtype != np.float32 or not image.size:
        return
    flat = np.ascontiguousarray(image).reshape(len(image), -1)
    if not cv2.checkRange(flat, minVal=0.0, maxVal=1.0 + 1e-6)[0]:
        raise InputError(
            f"a float image must hold values from 0 to 1, found {image.min():g} to {image.max():g}: divide it by its "
            "largest possible value first."
        )


def shapes(drawn: Drawn) -> dict[str, tuple[int, ...]]:
    """The shape of one image's parameters, by name."""
    return {name: value.shape[1:] for name, value in drawn.items()}


def picked(part: Any, i: int) -> Any:
    """Row i of an array or of each array in a dict, as one row."""
    return {name: value[i : i + 1] for name, value in part.items()} if isinstance(part, Mapping) else part[i : i + 1]


def row(targets: Mapping[str, Any], i: int) -> dict[str, Any]:
    """What belongs to image i, of targets that move."""
    return {name: targets[name][i] for name in targets if name in POSITIONED and targets[name] is not None}


def joined(name: str, given: Any, moved: Sequence[Mapping[str, Any]]) -> Any:
    """A target of a batch: its moved rows as an array where they have one shape, or as it was given."""
    if name not in POSITIONED or given is None or not moved:
        return given
    rows = [out[name] for out in moved]
    return np.stack(rows) if isinstance(given, np.ndarray) else rows
