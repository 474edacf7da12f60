# SPDX-License-Identifier: Apache-2.0
"""Card and Recipe: plain data about a catalogue id, readable without importing any library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Card:
    """What is known about an id before its module is imported; every value is a literal in the source.

    `needs` names the fields a training set must have, `sets` the further sets ("b", "style"), and `may_use` those that
    it learns from where they are given; `can` is what the system offers: "sample", "augment", "model", "grid" (two
    images combined). `channels` is "any", or the numbers that are possible ("1, 3"); `sizes` the shortest and the
    longest side in pixels. `moves` names the spatial fields that are kept in step with the pixels, `makes` the needed
    fields that its images come with by themselves. `labels` is the default label policy, `shows` one falsifiable
    sentence that a mechanism test checks.
    """

    id: str
    title: str
    kind: str = "system"
    paper: str = ""
    arxiv: str = ""
    year: int = 0
    lists: tuple[str, ...] = ()
    task: tuple[str, ...] = ("classification",)
    needs: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    may_use: tuple[str, ...] = ()
    can: tuple[str, ...] = ()
    channels: str = "any"
    sizes: tuple[int, int] = (8, 128)
    min_rows: int = 0
    labels: str = "hard"
    online: bool = False
    on_batch: bool = False
    moves: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    deviations: tuple[str, ...] = ()
    cost: str = ""
    shows: str = ""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A generator and a way to use its images.

    `plan` says how many: "balance" (fill every class up to the largest), "x10" (ten times as many as real ones, in
    every class, at most 500), a number a class, or a mapping of class names to numbers. `share` is the part of each
    downstream batch that is generated, None for as it comes when real and generated rows are thrown together; it is
    reached after the first `ramp` part of the training. `labels` is the name of a label policy (`parts.labels`). `keep`
    is the share of the images of each class that are used: those that a model of the real images gives that class most
    surely.
    """

    system: str
    params: Mapping[str, Any] = field(default_factory=dict)
    preset: str = "small"
    plan: str | int | Mapping[str, int] = "x10"
    labels: str = "hard"
    share: float | None = 0.5
    ramp: float = 0.0
    keep: float = 1.0
