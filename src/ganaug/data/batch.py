# SPDX-License-Identifier: Apache-2.0
"""Tensors of some rows, all of one image size: what systems and learners work on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

UNKNOWN = 255  # the value of a mask where nothing is known: it trains and scores nothing


@dataclass(frozen=True)
class Batch:
    """Rows of a set as tensors. Conditions without an image are a Batch too: `want` has labels but no image.

    `views` are companions of the same rows (every geometric change moves them too); `pair` holds other rows that
    the system chose as partners. Label -1 and mask 255 mean unknown. `row` is each image's position in the set it
    was drawn from, `index` its lasting row id.
    """

    image: Float[Tensor, "b c h w"] | None = None  # in [-1, 1]
    label: Int[Tensor, " b"] | None = None
    soft_label: Float[Tensor, "b k"] | None = None  # rows sum to 1
    mask: Int[Tensor, "b h w"] | None = None
    valid: Bool[Tensor, "b h w"] | None = None
    instances: Int[Tensor, "b h w"] | None = None
    boxes: Float[Tensor, "b n 4"] | None = None
    keypoints: Float[Tensor, "b n 2"] | None = None
    depth: Float[Tensor, "b h w"] | None = None
    attributes: Float[Tensor, "b a"] | None = None
    identity: Int[Tensor, " b"] | None = None
    camera: Int[Tensor, " b"] | None = None
    domain: Int[Tensor, " b"] | None = None
    group: Int[Tensor, " b"] | None = None
    index: Int[Tensor, " b"] | None = None
    row: Int[Tensor, " b"] | None = None
    parents: Int[Tensor, "b p"] | None = None
    views: dict[str, Batch] = field(default_factory=dict)
    pair: dict[str, Batch] = field(default_factory=dict)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Name and tensor of every filled field."""
        for spot in fields(self):
            value = getattr(self, spot.name)
            if isinstance(value, Tensor):
                yield spot.name, value

    def __len__(self) -> int:
        for _, tensor in self.tensors():
            return len(tensor)
        return next((len(b) for b in (*self.views.values(), *self.pair.values())), 0)

    def but(self, **changes: Any) -> Batch:
        """A copy with some fields changed."""
        return replace(self, **changes)

    def apply(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The same change to every tensor, companions and partners included."""
        new: dict[str, Any] = {name: change(tensor) for name, tensor in self.tensors()}
        new["views"] = {name: b.apply(change) for name, b in self.views.items()}
        new["pair"] = {name: b.apply(change) for name, b in self.pair.items()}
        return replace(self, **new)

    def select(self, rows: Tensor | slice | Sequence[int]) -> Batch:
        """Some rows of it."""
        chosen = torch.as_tensor(rows) if isinstance(rows, (list, tuple)) else rows
        return self.apply(lambda tensor: tensor[chosen])

    def split(self, parts: int) -> list[Batch]:
        """Equal consecutive parts; a remainder is dropped."""
        size = len(self) // parts
        return [self.select(slice(i * size, (i + 1) * size)) for i in range(parts)]

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return self.apply(lambda tensor: tensor.to(device, non_blocking=True))

    @staticmethod
    def cat(batches: Sequence[Batch]) -> Batch:
        """Batches one after the other; only fields that all of them have are kept."""
        names = [name for name, _ in batches[0].tensors() if all(getattr(b, name) is not None for b in batches)]
        new: dict[str, Any] = {name: torch.cat([getattr(b, name) for b in batches]) for name in names}
        for kind in ("views", "pair"):
            shared = set.intersection(*(set(getattr(b, kind)) for b in batches))
            new[kind] = {name: Batch.cat([getattr(b, kind)[name] for b in batches]) for name in sorted(shared)}
        return Batch(**new)
