# SPDX-License-Identifier: Apache-2.0
"""What label a generated image gets when a two-stage arm trains on it.

A policy maps generated rows to soft labels [B, outputs] and a weight. Policies that look at the model in training are
asked at every update, those that look at a teacher once.
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

Soft = Float[Tensor, "b k"]


@dataclass(frozen=True)
class LabelPolicy:
    """A named way to label generated images.

    `target(batch, classes, logits)` gives soft labels [B, classes + extra]; `extra` is the number of outputs beyond the
    classes. `logits` [B, classes] are those of the model in training (`asks="learner"`, at every update), of a model
    trained on real images alone (`asks="teacher"`, once), or None. `needs_label` marks policies that use the label or
    mask that an image came with, `chosen` those that ask for images of a class beforehand. A generated row counts
    `weight` from the part `start` of the training on, and nothing before.
    """

    name: str
    target: Callable[[Batch, int, Tensor | None], Soft]
    extra: int = 0
    asks: str = ""
    needs_label: bool = False
    chosen: bool = False
    weight: float = 1.0
    start: float = 0.0

    def weight_at(self, progress: float) -> float:
        """What a generated row counts at a progress 0..1 of the training."""
        return self.weight if progress >= self.start else 0.0


def known(batch: Batch, classes: int) -> Soft:
    """The batch's own labels as distributions; soft labels stay as they are."""
    if batch.soft_label is not None:
        return batch.soft_label
    if batch.label is None or bool((batch.label < 0).any()):
        raise InputError("these images have unknown labels: use the label policy uniform, pseudo_label or none.")
    return F.one_hot(batch.label, classes).float()


def hard(batch: Batch, classes: int, logits: Tensor | None) -> Soft:
    """The label that was asked for."""
    return known(batch, classes)


def smoothed(batch: Batch, classes: int, logits: Tensor | None) -> Soft:
    """0.9 of the asked label, 0.1 spread over all classes (Szegedy et al. 2016, section 7)."""
    return 0.9 * known(batch, classes) + 0.1 / classes


def uniform(batch: Batch, classes: int, logits: Tensor | None) -> Soft:
    """1/K for every class: label smoothing for outliers, LSRO (Zheng et al. 2017, eq. 4)."""
    return torch.full((len(batch), classes), 1.0 / classes)


def extra_class(batch: Batch, classes: int, logits: Tensor | None) -> Soft:
    """All generated images are class K+1 (Salimans et al. 2016, section 5)."""
    return F.one_hot(torch.full((len(batch),), classes), classes + 1).float()


def pseudo_label(batch: Batch, classes: int, logits: Tensor | None) -> Soft:
    """The class that the model finds most likely (Lee 2013)."""
    return F.one_hot(seen(logits, classes).argmax(1), classes).float()


def teacher(batch: Batch, classes: int, logits: Tensor | None) -> Soft:
    """The distribution that a model of the real images gives (Hinton et al. 2015)."""
    return seen(logits, classes).softmax(1)


def rank(batch: Batch, classes: int, logits: Tensor | None) -> Soft:
    """2 r / (K (K + 1)) for the class of rank r, 1 for the least likely: MpRL (Huang et al. 2019, arXiv 1801.06742)."""
    ranks = seen(logits, classes).argsort(dim=1, stable=True).argsort(1) + 1
    return 2.0 * ranks / (classes * (classes + 1))


def rank_as_released(batch: Batch, classes: int, logits: Tensor | None) -> Soft:
    """The defect of MpRL's released code: class k gets the index of the k-th least likely class, not its rank."""
    order = seen(logits, classes).argsort(dim=1, stable=True) + 1
    return 2.0 * order / (classes * (classes + 1))


def seen(logits: Tensor | None, classes: int) -> Tensor:
    """The logits of the real classes."""
    assert logits is not None
    return logits[:, :classes]


POLICIES = {
    policy.name: policy
    for policy in (
        LabelPolicy("hard", hard, needs_label=True, chosen=True),
        LabelPolicy("smoothed", smoothed, needs_label=True, chosen=True),
        LabelPolicy("carry", hard, needs_label=True),  # of the image that was changed
        LabelPolicy("condition", hard, needs_label=True),  # the map that the image was made from
        LabelPolicy("uniform", uniform),
        LabelPolicy("extra_class", extra_class, extra=1),
        LabelPolicy("pseudo_label", pseudo_label, asks="learner"),
        LabelPolicy("teacher", teacher, asks="teacher"),
        LabelPolicy("rank", rank, asks="learner"),
        LabelPolicy("rank_late", rank, asks="learner", weight=0.1, start=21 / 50),
        LabelPolicy("rank_static", rank, asks="teacher"),
        LabelPolicy("rank_as_released", rank_as_released, asks="learner"),
        LabelPolicy("none", uniform, weight=0.0),
    )
}


def label_policy(name: str) -> LabelPolicy:
    """A policy by name; InputError that lists the names for an unknown one."""
    if name not in POLICIES:
        raise InputError(f"there is no label policy '{name}': there are {', '.join(POLICIES)}.")
    return POLICIES[name]
