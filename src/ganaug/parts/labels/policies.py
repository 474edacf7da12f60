# SPDX-License-Identifier: Apache-2.0
"""What label a generated image gets when a two-stage arm trains on it.

A policy maps the batch's generated rows to soft labels [B, outputs] and weights [B]. Policies that look at the
current logits are asked at every update.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ganaug.data.batch import Batch
from ganaug.data.errors import InputError

Target = tuple[Float[Tensor, "b k"], Float[Tensor, " b"]]


@dataclass(frozen=True)
class LabelPolicy:
    """A named way to label generated images.

    `target(batch, classes, logits)` gives soft labels and weights; `extra` is the number of outputs beyond the
    classes; `needs_logits` marks policies that depend on the model in training.
    """

    name: str
    target: Callable[[Batch, int, Tensor | None], Target]
    extra: int = 0
    needs_logits: bool = False


def known(batch: Batch, classes: int) -> Float[Tensor, "b k"]:
    """The batch's own labels as distributions; soft labels stay as they are."""
    if batch.soft_label is not None:
        return batch.soft_label
    if batch.label is None or bool((batch.label < 0).any()):
        raise InputError("these images have unknown labels: use the label policy uniform, pseudo_label or none.")
    return F.one_hot(batch.label, classes).float()


def certain(soft: Tensor) -> Target:
    """Weight 1 for every row."""
    return soft, torch.ones(len(soft))


def hard(batch: Batch, classes: int, logits: Tensor | None) -> Target:
    """The label that was asked for."""
    return certain(known(batch, classes))


def uniform(batch: Batch, classes: int, logits: Tensor | None) -> Target:
    """1/K for every class: label smoothing for outliers, LSRO (Zheng et al. 2017, eq. 4)."""
    return certain(torch.full((len(batch), classes), 1.0 / classes))


def extra_class(batch: Batch, classes: int, logits: Tensor | None) -> Target:
    """All generated images are class K+1 (Salimans et al. 2016, section 5)."""
    return certain(F.one_hot(torch.full((len(batch),), classes), classes + 1).float())


def pseudo_label(batch: Batch, classes: int, logits: Tensor | None) -> Target:
    """The class that the model in training finds most likely now (Lee 2013)."""
    assert logits is not None
    return certain(F.one_hot(logits[:, :classes].argmax(1), classes).float())


def smoothed(batch: Batch, classes: int, logits: Tensor | None) -> Target:
    """0.9 of the asked label, 0.1 spread over all classes (Szegedy et al. 2016, section 7)."""
    return certain(0.9 * known(batch, classes) + 0.1 / classes)


def none(batch: Batch, classes: int, logits: Tensor | None) -> Target:
    """Generated images carry no label, so they do not enter the supervised loss."""
    return torch.full((len(batch), classes), 1.0 / classes), torch.zeros(len(batch))


POLICIES = {
    policy.name: policy
    for policy in (
        LabelPolicy("hard", hard),
        LabelPolicy("uniform", uniform),
        LabelPolicy("extra_class", extra_class, extra=1),
        LabelPolicy("pseudo_label", pseudo_label, needs_logits=True),
        LabelPolicy("smoothed", smoothed),
        LabelPolicy("none", none),
    )
}


def label_policy(name: str) -> LabelPolicy:
    """A policy by name; InputError that lists the names for an unknown one."""
    if name not in POLICIES:
        raise InputError(f"there is no label policy '{name}': there are {', '.join(POLICIES)}.")
    return POLICIES[name]
