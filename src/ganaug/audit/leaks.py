# SPDX-License-Identifier: Apache-2.0
"""Do the training and test folds share images or groups?

Paper: near-duplicates between folds as in Barz and Denzler 2020 (ciFAIR); here equal images are found by the hash
of their bytes and near copies by the audit `copies`, without a network.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from jaxtyping import Shaped
from torch import Tensor

from ganaug.audit.copies import find_copies
from ganaug.data.errors import InputError

CARD = dict(  # noqa: C408 - cards are read keyword by keyword
    id="leaks",
    kind="audit",
    title="Images and groups that two folds share",
    paper="Do We Train on Test Data? Purging CIFAR of Near-Duplicates",
    arxiv="1902.00423",
    year=2020,
    shows="Every test image that is planted in the training fold, as it is or mirrored, is named with its row.",
)


def duplicates(images: Shaped[Tensor, "n ..."]) -> list[list[int]]:
    """Rows of images that are equal byte for byte, in groups of two and more, each in ascending order."""
    rows = defaultdict(list)
    for row, digest in enumerate(_digests(images)):
        rows[digest].append(row)
    return [group for group in rows.values() if len(group) > 1]


def leaks(
    train_images: Shaped[Tensor, "n c h w"],
    test_images: Shaped[Tensor, "m c h w"],
    train_groups: Sequence[Any] | Tensor | None = None,
    test_groups: Sequence[Any] | Tensor | None = None,
) -> dict[str, Any]:
    """What the folds share, JSON-ready.

    exact: pairs [test row, training row] of equal bytes. near: pairs of look-alikes that are closer than real
    images naturally are; up to about 0.5 % of the rows of a clean set end there, so they are to be looked at and
    do not count as a leak. groups: names (identity, patient, tile) found in both folds. clean: no exact pair and
    no shared group. sentence: the same in words. Groups are given for both folds or for none.
    """
    train_digests = {digest: row for row, digest in reversed(list(enumerate(_digests(train_images))))}
    exact = [
        [row, train_digests[digest]] for row, digest in enumerate(_digests(test_images)) if digest in train_digests
    ]
    found = find_copies(test_images.float(), train_images.float())
    known = {row for row, _ in exact}
    near = [[row, int(found.nearest[row])] for row in found.rows.tolist() if row not in known]
    groups = _shared(train_groups, test_groups, len(train_images), len(test_images))
    sentence = (
        f"{len(exact)} of {len(test_images)} test images are in the training fold too, {len(near)} more have a "
        f"close look-alike there, and {len(groups)} groups are in both folds."
    )
    clean = not exact and not groups
    return {"exact": exact, "near": near, "groups": groups, "clean": clean, "sentence": sentence}


def _digests(images: Tensor) -> list[bytes]:
    return [blake2b(image.tobytes(), digest_size=16).digest() for image in images.detach().cpu().numpy()]


def _shared(train: Any, test: Any, n: int, m: int) -> list[Any]:
    if train is None and test is None:
        return []
    for name, groups, rows in (("train_groups", train, n), ("test_groups", test, m)):
        if groups is None or len(groups) != rows:
            found = "nothing" if groups is None else len(groups)
            raise InputError(f"{name}: expected one group for each of {rows} rows, found {found}.")
    return sorted(_plain(train) & _plain(test), key=str)


def _plain(groups: Any) -> set[Any]:
    return set(groups.tolist() if hasattr(groups, "tolist") else groups)
