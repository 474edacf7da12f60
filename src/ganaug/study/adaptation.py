# SPDX-License-Identifier: Apache-2.0
"""From labelled images of one kind to a model for another kind: rendered to real, one stain to another.

The protocol behind the table that opens the list of GAN augmentation for segmentation (source only 17.9 mean IoU,
CycleGAN 34.8, oracle 60.3; GTA5 to Cityscapes, CyCADA, arXiv 1711.03213): a learner trained on the source, on the
source in the target's colours, on the translated source, and, where target labels exist, on the target itself; all
scored on the target's test fold. Target labels reach nothing that trains but the oracle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ganaug.core.card import Card
from ganaug.data.batch import UNKNOWN
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.pixels import ArrayPixels
from ganaug.data.scaling import Scaling
from ganaug.study.arms import Arm
from ganaug.study.folds import Fold, what_is_learnt

CARD = Card(
    id="seg_da",
    kind="protocol",
    title="Labels from rendered or foreign images",
    paper="CyCADA: Cycle-Consistent Adversarial Domain Adaptation",
    arxiv="1711.03213",
    year=2018,
    lists=("000",),
    task=("segmentation", "classification"),
    sets=("b",),
    shows="no label of a target image reaches anything that trains, but the oracle.",
)
ORACLE = Arm("oracle", "oracle", "none", why="trained on the target's own labels: what would be possible with them")
KEPT = ("label", "mask", "valid", "instances", "group", "fold", "index", "origin", "identity", "camera")


def two_domains(source: ImageSet, target: ImageSet) -> ImageSet:
    """Source (domain 0) and target (domain 1) as one set; the source's own test fold is left out.

    Raises InputError where they differ in size, channels, kind of numbers or names of classes, and where one is empty.
    """
    for data, what in ((source, "source"), (target, "target")):
        if not len(data):
            raise InputError(f"the {what} has no images: both domains need some.")
    refuse_unlike(source, target)
    if source.fold is not None:
        source = source.select(source.fold != 2)
    if not len(source):
        raise InputError("all images of the source are in its test fold: some are needed to train on.")
    parts = [columns_of(data, domain) for domain, data in enumerate((source, target))]
    if any("valid" in part for part in parts):
        for part in parts:
            part.setdefault("valid", np.ones((len(part["domain"]), *source.spec.size), bool))
    joined: dict[str, Any] = {
        name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name in parts[1]
    }
    pixels = np.concatenate([data.image[np.arange(len(data))] for data in (source, target)])
    joined |= {"classes": source.classes, "mask_classes": source.mask_classes, "bands": source.bands}
    name = f"{source.name} to {target.name}"
    return ImageSet(image=ArrayPixels(pixels), scaling=of_both(source, target), name=name, **joined)


def of_both(source: ImageSet, target: ImageSet) -> Scaling:
    """One scaling that clips no value of either, so that 16 bit and float images stay comparable."""
    ours, theirs = source.scaling, target.scaling
    assert ours is not None and theirs is not None
    return Scaling(ours.dtype, min(ours.low, theirs.low), max(ours.high, theirs.high))


def refuse_unlike(source: ImageSet, target: ImageSet) -> None:
    """InputError where one learner could not work on both."""
    for data, what in ((source, "source"), (target, "target")):
        if data.spec.height is None:
            raise InputError(f"the images of the {what} differ in size: pass --size 64, or --size 64 --fit pad.")
    for what, ours, theirs in (
        ("size and channels", source.image.shape, target.image.shape),
        ("kind of numbers", str(source.image.dtype), str(target.image.dtype)),
        ("bands", source.bands, target.bands),
    ):
        if ours != theirs:
            raise InputError(f"source and target differ in {what}, {ours} and {theirs}: convert one, or pass --size.")
    for what, ours, theirs in (
        ("classes", source.classes, target.classes),
        ("mask classes", source.mask_classes, target.mask_classes),
    ):
        if ours and theirs and ours != theirs:
            raise InputError(
                f"source and target differ in their {what}, {', '.join(ours)} and {', '.join(theirs)}: name them alike."
            )


def columns_of(data: ImageSet, domain: int) -> dict[str, Any]:
    """The columns that both domains have in the end; what a target does not know is filled in as unknown."""
    n = len(data)
    found: dict[str, Any] = {name: column for name, column in data.columns() if name in KEPT}
    height, width, _ = data.image.shape
    if domain:
        found.setdefault("label", np.full(n, -1, np.int64))
        found.setdefault("mask", np.full((n, height or 0, width or 0), UNKNOWN, np.uint8))
    fold = found.get("fold", np.full(n, -1, np.int8)) if domain else np.zeros(n, np.int8)
    found["group"] = 2 * data.groups + domain  # also where only the other domain states groups
    return {**found, "fold": fold, "domain": np.full(n, domain), "index": 2 * np.arange(n) + domain}


def refuse_unscorable(data: ImageSet) -> None:
    """InputError for a set without two domains, and where the second has nothing to be scored with."""
    if data.domain is None:
        raise InputError("labels_from='source' needs a set of two domains: see `ganaug adapt`.")
    if not (what_is_learnt(data)[data.domain == 1] >= 0).any():
        raise InputError(
            "the target has no labels, so nothing can be scored: label some of its images, or translate without a "
            "verdict by `ganaug fit cyclegan` and `ganaug augment`."
        )


def oracle_fold(fold: Fold, data: ImageSet) -> Fold:
    """The rows of the oracle: the target's training images that have labels."""
    known = fold.offered[what_is_learnt(data)[fold.offered] >= 0]
    return replace(fold, train=known, offered=fold.offered[:0])


def gaps(cells: Sequence[dict]) -> list[dict]:
    """Share of the way from source only to oracle that each arm goes, one entry an arm, shots and repeat.

    Empty without an oracle or without `none`; None where the oracle is no better than the source alone.
    """
    score = {(c["arm"], c["shots"], c["repeat"]): c["score"] for c in cells}
    found = []
    for (name, shots, repeat), value in score.items():
        low, high = (score.get((end, shots, repeat)) for end in ("none", "oracle"))
        if low is None or high is None or name in ("none", "oracle"):
            continue
        share = (value - low) / (high - low) if high > low else None
        found.append({"arm": name, "shots": shots, "repeat": repeat, "recovered": share})
    return found
