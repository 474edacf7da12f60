# SPDX-License-Identifier: Apache-2.0
"""What a set holds, what is wrong with it, and which systems suit it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganaug.audit.leaks import duplicates, leaks
from ganaug.core.device import device
from ganaug.data.batch import UNKNOWN
from ganaug.data.image_set import ImageSet
from ganaug.data.load import load
from ganaug.study.arms import SKEWED, suiting
from ganaug.study.folds import learns_masks, what_is_learnt, with_labels

FEW = 20
LARGE = 160**2  # pixels
MOST = 5000
LOOKED_AT, A_FEW = 200, 4096  # images, and values of each, for outliers
MOST_OF, LITTLE = 0.999, 0.2  # the middle part of the values; shares of the range
MOST_VALUES = 2**28  # float values of a fold in memory


def inspect(data: Any) -> dict:
    """Counts, sizes, bands, duplicates, leaks, fitting systems and warnings, as plain values.

    `data` is anything `ganaug.load` takes. At most 5,000 images a fold (fewer where they are large) are
    compared for duplicates and leaks.
    """
    data = load(data)
    height, width, channels = data.image.shape
    train = data.select(data.in_fold("train", "val")) if data.fold is not None else data
    people, masks = data.label is None and data.identity is not None, learns_masks(data)
    known = with_labels(train.select(what_is_learnt(train) >= 0)) if people or masks else train
    found: dict[str, Any] = {
        "name": data.name,
        "rows": len(data),
        "folds": fold_sizes(data),
        "size": "mixed" if height is None else f"{height}x{width}",
        "channels": channels,
        "dtype": str(data.image.dtype),
        "bands": list(data.bands),
        "fields": sorted(data.spec.fields),
        "counts": known.counts(),
        "unlabelled": 0 if data.label is None else int((data.label < 0).sum()),
        "fingerprint": data.fingerprint(),
        "duplicates": {},
        "leaks": {},
    }
    if height is not None:
        found |= compared(data, train)
    if people or masks:
        found["task"] = "reid" if people else "segmentation"
    if data.mask is not None:
        found["mask_classes"] = pixel_shares(train)
    found["suits"] = suiting(known, found.get("task", "classification")) if known.label is not None else []
    found["warnings"] = warnings_on(found) + slow(data) + outlying(data)
    return found


def outlying(data: ImageSet) -> list[str]:
    """A sentence on 16 bit or float values that use a small part of the range that they are scaled by."""
    scale = data.scaling
    if scale is None or data.image.dtype == np.uint8 or None in data.image.shape or not len(data):
        return []
    low, high = np.quantile(some_values(data), [(1 - MOST_OF) / 2, (1 + MOST_OF) / 2])
    used = float(high - low) / (scale.high - scale.low)
    if not 0 < used < LITTLE:
        return []
    return [
        f"{MOST_OF:.1%} of the values use {used:.1%} of the range {scale.low:g} to {scale.high:g} that they are scaled "
        "by, so images look alike to a network: if a few outliers set that range, clip them before loading."
    ]


def some_values(data: ImageSet) -> np.ndarray:
    """Stored values of up to LOOKED_AT images, a few thousand of each, evenly spaced, one read at a time."""
    rows = data.rows(np.unique(np.linspace(0, len(data) - 1, min(len(data), LOOKED_AT)).astype(int)))
    images = (data.image.at(int(row)) for row in rows)
    pixels = (image.reshape(-1, image.shape[-1]) for image in images)
    return np.concatenate([own[:: max(own.size // A_FEW, 1)].ravel() for own in pixels]).astype(np.float64)


def slow(data: ImageSet) -> list[str]:
    """A sentence on images so large that training on the CPU takes long; nothing where there is a GPU."""
    height, width, _ = data.image.shape
    if height is None or width is None or height * width <= LARGE or device().type != "cpu":
        return []
    return [
        f"Images of {height}x{width} pixels take about {round(height * width / 64**2)} times as long as 64x64 ones, "
        "and there is no GPU: start with --size 64."
    ]


def pixel_shares(data: ImageSet) -> dict[str, float]:
    """Share of the known pixels that each mask class has."""
    assert data.mask is not None
    known = data.mask[data.mask != UNKNOWN]
    names = data.mask_classes or tuple(map(str, range(int(known.max(initial=0)) + 1)))
    found = np.bincount(known, minlength=len(names)) / max(len(known), 1)
    return {name: round(float(share), 4) for name, share in zip(names, found, strict=True)}


def fold_sizes(data: ImageSet) -> dict[str, int]:
    """Rows of each fold that the source states."""
    return {} if data.fold is None else {name: len(data.in_fold(name)) for name in ("train", "val", "test")}


def compared(data: ImageSet, train: ImageSet) -> dict:
    """Duplicates in the training fold and leaks into the test fold."""
    most = most_compared(data)
    some = train.images(np.arange(min(len(train), most)))
    same = duplicates(some)
    test = data.in_fold("test")[:most]
    groups = (None, None) if data.group is None else (train.groups[: len(some)], data.groups[test])
    between = leaks(some, data.images(test), *groups) if len(test) else {}
    return {"duplicates": {"groups": len(same), "rows": same[:10]}, "leaks": between}


def most_compared(data: ImageSet, most: int = MOST) -> int:
    """How many images of a set are compared at once: `most`, or as many as fit into a gigabyte."""
    height, width, channels = data.image.shape
    return min(most, max(MOST_VALUES // (height * width * channels), 1))  # type: ignore[operator]


def warnings_on(found: dict) -> list[str]:
    """What a user should know before starting."""
    said = []
    counts = found["counts"]
    if not counts:
        said.append("There are no labels: only unconditional systems apply, and a study needs labels.")
    identities = found.get("task") == "reid"
    small = [f"{name} ({n})" for name, n in counts.items() if n < (2 if identities else FEW)]
    if small and identities:
        said.append(
            f"{len(small)} identities have one training image, which teaches no invariance: {', '.join(small[:8])}."
        )
    elif small:
        said.append(
            f"Fewer than {FEW} training images: {', '.join(small[:8])}. Generators tend to copy or collapse there."
        )
    present = [n for n in counts.values() if n]
    if present and not identities and max(present) >= SKEWED * min(present):
        said.append(
            f"The largest class is {max(present) / min(present):.1f} times the smallest: judge by balanced accuracy."
        )
    if found["size"] == "mixed":
        said.append("The images have different sizes: most systems need --size.")
    if found["duplicates"].get("groups"):
        said.append(f"{found['duplicates']['groups']} groups of training images are equal byte for byte.")
    if found["leaks"].get("exact") or found["leaks"].get("groups"):
        said.append(found["leaks"]["sentence"])
    return said
