# SPDX-License-Identifier: Apache-2.0
"""Pipeline: rule-based operations of the user's choice, fused.

No single paper: operations are named in a text, such as "flip_h, rotate(15), brightness(0.2), noise(0.04)".

All moves that follow each other become one matrix and one resampling, all colours one matrix or table; noise, holes and
operations that look at the whole image stand between. What is drawn for an image is apart from applying it.

Labels: hard, never changed. Masks, boxes, keypoints and views move with their image.
Deviations: none. Images are worked on as float32 on the processor, whatever the device; for images in memory
`ganaug.Pipeline` works on bytes, several times as fast.
Cost: about twice that of `basic_ops`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ganaug.core.card import Card
from ganaug.core.system import System
from ganaug.data.batch import UNKNOWN, Batch
from ganaug.data.errors import InputError
from ganaug.data.spec import Spec
from ganaug.parts.ops.geometry import size
from ganaug.parts.pipeline.compiled import Compiled, Geometry, compiled
from ganaug.parts.pipeline.pipeline import Draw, Pipeline, moved_boxes, moved_keypoints, moved_mask

Move = Callable[[Geometry, np.ndarray, int], np.ndarray]


class FusedPipeline(System):
    """A pipeline as a transform (see the module's first lines for the mechanism).

    Parameters
    ----------
    ops : the operations as text, or a list of texts; every name with its arguments is in the documentation.
    fill : what moves uncover in images: "reflect", "edge", or a value from 0 (black) to 1; masks are 255 there.
    """

    CARD = Card(
        id="pipeline",
        kind="transform",
        title="Fused pipeline",
        paper="textbook operations, without a single paper",
        lists=("001", "004"),
        task=("classification", "segmentation", "reid"),
        can=("augment",),
        sizes=(1, 16384),
        online=True,
        moves=("mask", "valid", "instances", "depth", "boxes", "keypoints", "views"),
        deviations=("works on the processor, in float32",),
        cost="9,000 images of 32 px a second on one busy core, where basic_ops made 20,000",
        shows="three rotations that add up to nothing give the image back, since it is resampled once.",
    )
    PRESETS = {"tiny": {}}

    def __init__(
        self,
        *,
        ops: str | Sequence[str] = "rotate(15), scale(0.1), shift(0.1), brightness(0.1), contrast(0.1)",
        fill: str | float = "reflect",
    ):
        self.ops = ops
        self.fill = fill

    def build(self, spec: Spec) -> None:
        pipe = Pipeline(self.ops, fill=self.fill)
        if spec.channels and spec.height:
            self.plan(pipe, pipe.draw(0), spec.channels, spec.height, spec.width)  # refuses what can't act on the set

    def vary(self, batch: Batch) -> Batch:
        pipe = Pipeline(self.ops, seed=int(torch.randint(2**31, ())), fill=self.fill)
        plan = self.plan(pipe, pipe.draw(np.arange(len(batch))), *batch.image.shape[1:])
        return self.changed(batch, pipe, plan)

    def changed(self, batch: Batch, pipe: Pipeline, plan: Compiled) -> Batch:
        """The batch after the plan, and what belongs to it, views too, after the plan's moves."""
        new = {} if batch.image is None else {"image": painted(pipe, plan, batch.image.cpu()).to(batch.image.device)}
        for name, move in MOVES.items():
            held = getattr(batch, name)
            if held is not None:
                rows = held.cpu().numpy()
                made = np.stack([self.through(plan, move, rows[i], i) for i in range(len(rows))])
                new[name] = torch.from_numpy(made).to(held)
        views = {name: self.changed(view, pipe, plan.moves(*size(view))) for name, view in batch.views.items()}
        return batch.but(**new, views=views)

    def plan(self, pipe: Pipeline, draw: Draw, channels: int, height: int, width: int) -> Compiled:
        """The draw, fused; InputError where the result would have another size, since rows of a batch share one."""
        plan = compiled(draw.acts(channels), len(draw), height, width, channels, np.dtype(np.float32))
        if plan.size != (height, width):
            raise InputError(
                f"ops: images of {width}x{height} pixels would become {plan.size[1]}x{plan.size[0]}: use crop(pad=4), "
                "which keeps the size, or zoom_crop."
            )
        return plan

    def through(self, plan: Compiled, move: Move, value: np.ndarray, i: int) -> np.ndarray:
        """What belongs to image i after the moves of every run."""
        for geometry in plan.geometries:
            value = move(geometry, value, i)
        return value


def painted(pipe: Pipeline, plan: Compiled, image: Tensor) -> Tensor:
    """The images [B, C, H, W] of [-1, 1], augmented."""
    rows = ((image + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1).contiguous().numpy()
    out = np.empty_like(rows)
    for i in range(len(rows)):
        pipe.write(plan, rows[i], i, out[i])
    return torch.from_numpy(out).permute(0, 3, 1, 2) * 2 - 1


def moved_valid(geometry: Geometry, valid: np.ndarray, i: int) -> np.ndarray:
    """Where the image is known, after the move."""
    return moved_mask(geometry, valid.astype(np.uint8), i) == 1


def moved_instances(geometry: Geometry, instances: np.ndarray, i: int) -> np.ndarray:
    """Instance numbers after the move; what is uncovered belongs to none."""
    made = moved_mask(geometry, instances + UNKNOWN + 1, i)  # apart from the value that marks the outside
    return np.where(made == UNKNOWN, 0, made - UNKNOWN - 1).astype(instances.dtype)


def moved_depth(geometry: Geometry, depth: np.ndarray, i: int) -> np.ndarray:
    """Depth after the move, nearest; the border goes on outside."""
    out = np.empty(geometry.size, depth.dtype)
    geometry.moved(depth, i, out, "reflect", nearest=True)
    return out


MOVES: dict[str, Move] = {
    "mask": moved_mask,
    "valid": moved_valid,
    "instances": moved_instances,
    "depth": moved_depth,
    "boxes": moved_boxes,
    "keypoints": moved_keypoints,
}
