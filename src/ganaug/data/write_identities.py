# SPDX-License-Identifier: Apache-2.0
"""File names of the Market-1501 layout, for a set with identities.

Images are PNG and are called so. Tools for this layout list `*.jpg` (torchreid, fast-reid) or, as for CUHK03-NP,
`*.png`. JPEG would change the pixels, and PNG content under the name .jpg would mislead whoever opens it; a tool that
lists `*.jpg` needs one word changed, or one conversion that its user decides on.
"""

from __future__ import annotations

import numpy as np

from ganaug.data import manifest
from ganaug.data.errors import InputError
from ganaug.data.image_set import FOLDS, ImageSet
from ganaug.data.readers.identity_names import UNKNOWN, refuse_shared

PARTS = ("bounding_box_train", "query", "bounding_box_test")
MOST_CAMERAS = 9  # tools read one digit
REAL, GENERATED = 1, 9  # sequences: the ninth marks generated images for tools that read no manifest


def market_files(data: ImageSet, suffix: str) -> list[str]:
    """A name for every image: `bounding_box_train/0002_c1s1_000451_00.png` is identity 2, camera 1, row 451.

    Rows without a fold are training images. Rows without a camera get camera 1. Sequence 9 marks generated images,
    those whose `origin` names a system. Identity -1 is written as such: junk, or a generated image of nobody.

    Raises InputError when the layout cannot hold the set: no identities, a validation fold, test images without
    queries, more than nine cameras, an identity in both parts.
    """
    if data.identity is None:
        raise InputError("the format 'market' needs identities, and the set has none: use 'folder' for classes.")
    if (data.identity < UNKNOWN).any():
        raise InputError(f"identities must be -1 (unknown) or more, found {data.identity.min()}.")
    place, camera, sequence = parts_of(data), cameras_of(data), sequences_of(data)
    return [
        f"{PARTS[place[row]]}/{number(identity)}_c{camera[row]}s{sequence[row]}_{row:06d}_00{suffix}"
        for row, identity in enumerate(data.identity.tolist())
    ]


def number(identity: int) -> str:
    """Four digits at least; tools compare -1 as a number, but people look for it as a text."""
    return str(identity) if identity < 0 else f"{identity:04d}"


def parts_of(data: ImageSet) -> np.ndarray:
    """Which of PARTS each row belongs to, int [N]."""
    fold = np.zeros(len(data), np.int8) if data.fold is None else data.fold
    query = np.zeros(len(data), bool) if data.query is None else data.query
    test = fold == FOLDS.index("test")
    if (~test & (fold != FOLDS.index("train"))).any():
        raise InputError("the format 'market' has training and test images only: give every row the fold of one.")
    if (query & ~test).any():
        raise InputError(f"row {int(np.argmax(query & ~test))} is a query but no test image: correct its fold.")
    if test.any() and not query.any():
        raise InputError("the set has test images but no queries among them: fill its column 'query'.")
    assert data.identity is not None
    refuse_shared(data.identity, fold, query, "the set")
    return np.where(query, 1, np.where(test, 2, 0))


def cameras_of(data: ImageSet) -> np.ndarray:
    """Cameras 0 to 9, int [N]; 1 where none is known."""
    camera = np.full(len(data), -1) if data.camera is None else data.camera
    if camera.max() > MOST_CAMERAS:
        raise InputError(
            f"the format 'market' holds cameras up to {MOST_CAMERAS}, because its tools read one digit, and the set "
            f"has camera {camera.max()}: use the format 'csv'."
        )
    return np.where(camera < 0, 1, camera)


def sequences_of(data: ImageSet) -> list[int]:
    """GENERATED where the origin of a row names the system that made it, else REAL."""
    if data.origin is None:
        return [REAL] * len(data)
    return [GENERATED if "system" in manifest.shown_origin(text) else REAL for text in data.origin]
