# SPDX-License-Identifier: Apache-2.0
"""Mixtures of the images of a batch and their soft labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from ganaug.data.batch import Batch
from ganaug.data.errors import InputError

POSITIONED = ("mask", "valid", "instances", "boxes", "keypoints", "depth")


def soft_labels(batch: Batch, classes: int) -> Float[Tensor, "b k"]:
    """The batch's soft labels, or its labels as one-hot rows of width `classes`.

    Raises InputError when a label is unknown (-1) or not below `classes`: a mixture with it has no label.
    """
    if batch.soft_label is not None:
        return batch.soft_label
    if batch.label is None:
        raise InputError("images are mixed together with their labels, and this batch has none: give labels.")
    low, high = batch.label.aminmax()
    if low < 0 or high >= classes:
        raise InputError(
            f"labels that are mixed must be known, 0..{classes - 1}, found {int(low)}..{int(high)}: "
            "leave out rows without a label."
        )
    return F.one_hot(batch.label, classes).float()


def refuse_positions(batch: Batch, id: str) -> None:
    """InputError when the batch holds masks, boxes, keypoints or views, which a mixture of images can't keep."""
    held = [name for name in POSITIONED if getattr(batch, name) is not None] + sorted(batch.views)
    if held:
        raise InputError(
            f"{id} mixes images and their class labels only, and this batch also has {', '.join(held)}: "
            "leave that out, or use a transform that moves it (basic_ops)."
        )


def mixed_labels(
    soft: Float[Tensor, "b k"], orders: Sequence[Int[Tensor, " b"]], shares: Sequence[float]
) -> Float[Tensor, "b k"]:
    """sum_k shares[k] * soft[orders[k]]: the labels of images whose part shares[k] came from row orders[k]."""
    return torch.stack([share * soft[order] for order, share in zip(orders, shares, strict=True)]).sum(0)


def mixed(
    batch: Batch, image: Tensor, orders: Sequence[Int[Tensor, " b"]], shares: Sequence[float], classes: int
) -> Batch:
    """The batch with mixed images, their soft labels, and `parents` [B, n]: the row ids of the n sources.

    What describes one source only (label, identity, attributes, camera, domain) is dropped.
    """
    ids = torch.arange(len(batch)) if batch.index is None else batch.index
    return batch.but(
        image=image,
        label=None,
        soft_label=mixed_labels(soft_labels(batch, classes), orders, shares),
        parents=torch.stack([ids[order] for order in orders], 1),
        **dict.fromkeys(("identity", "attributes", "camera", "domain")),
    )
