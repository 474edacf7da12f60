# SPDX-License-Identifier: Apache-2.0
"""Images that another tool made: before they may compete, they must not be the test images again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np

from ganaug.audit.copies import find_copies
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.study.arms import Arm
from ganaug.study.folds import Fold, regime_of
from ganaug.study.generate import GeneratorJob, folder_images


def refuse_test_copies(
    arms: Sequence[Arm],
    data: ImageSet,
    sizes: Sequence[int | None],
    repeats: int,
    fold: Callable[[ImageSet, int | None, int], Fold],
) -> None:
    """InputError that names the files of a folder arm which are near copies of test images."""
    for name, recipe in {n: r for arm in arms for n, r in arm.recipes if n.startswith("folder:")}.items():
        several = "{" in name or regime_of(data) == "re-split"  # every repeat then has its own test images
        places = [(s, r) for s in sizes for r in range(repeats)] if several else [(sizes[0], 0)]
        for shots, repeat in places:
            rows = fold(data, shots, repeat)
            made = folder_images(data, GeneratorJob(name, recipe, shots, repeat, None, rows))
            copies = copied_names(made, data, rows)
            if copies:
                raise InputError(
                    f"{name} holds {len(copies)} near copies of test images: {', '.join(copies[:5])}; "
                    "make its images from the training fold alone (see --export-folds)."
                )


def refuse_pool_copies(data: ImageSet, folds: Sequence[Fold]) -> None:
    """InputError that names the images of the unlabelled pool which are test images, pixel for pixel.

    Only equal pixels count: a large pool of real images has look-alikes of test images by nature.
    """
    pool = data.others.get("unlabelled")
    if pool is None:
        return
    test = {data.image.at(int(row)).tobytes() for row in np.unique(np.concatenate([f.test for f in folds]))}
    copies = [name_of(pool, row) for row in range(len(pool)) if pool.image.at(row).tobytes() in test]
    if copies:
        raise InputError(
            f"the unlabelled images hold {len(copies)} test images: {', '.join(copies[:5])}; "
            "remove them, because nothing that trains may see a test image."
        )


def copied_names(made: ImageSet, data: ImageSet, rows: Fold) -> list[str]:
    """Names of the images that copy a test image more closely than any training image does.

    An image that is at least as close to a training image is that image's copy: real folds share look-alikes.
    """
    images, test = made.images(), data.images(rows.test)
    train = data.images(np.concatenate([rows.train, rows.pool]))
    found = find_copies(images, test, holdout=train)
    to_train = find_copies(images, train).distance
    guilty = [int(r) for r in found.rows if float(found.distance[int(r)]) < float(to_train[int(r)])]
    return [name_of(made, row) for row in guilty]


def name_of(made: ImageSet, row: int) -> str:
    """The file of a row where it is known, else its number."""
    if made.origin is not None:
        facts = json.loads(str(made.origin[row]))
        if "file" in facts:
            return facts["file"]
    return f"image {row}"
