# SPDX-License-Identifier: Apache-2.0
"""What every downstream learner trains on: real and generated rows mixed, transformed, then labelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug.core.card import Recipe
from ganaug.core.device import on_device
from ganaug.core.protocols import Learner
from ganaug.core.seeding import derive
from ganaug.core.system import System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.spec import Spec
from ganaug.data.view import TrainView
from ganaug.parts.labels.policies import LabelPolicy, known, label_policy
from ganaug.parts.samplers import shuffled

Sampler = Callable[[ImageSet, int, int, int], Tensor]


@dataclass(frozen=True)
class Generated:
    """The images of one recipe."""

    images: ImageSet
    recipe: Recipe


class MixedSource:
    """Batches that are a pure function of (seed, t).

    A batch holds `share` generated rows of each recipe, or rows as they come from real and generated ones thrown
    together where a recipe's share is None. Transforms act on all rows, batch mixers last. Generated rows have
    `row` -1 - recipe. `sampler` chooses the real rows, `fields` names what a batch holds besides images and labels.
    """

    def __init__(
        self,
        real: TrainView,
        generated: Sequence[Generated],
        transforms: Sequence[System],
        *,
        batch_size: int,
        steps: int,
        seed: int,
        sampler: Sampler = shuffled,
        fields: Sequence[str] = (),
    ):
        self.sampler, self.fields = sampler, fields
        self.real, self.generated, self.transforms = real, list(generated), list(transforms)
        self.batch_size, self.steps, self.seed = batch_size, steps, seed
        self.spec: Spec = real.spec
        self.classes = len(self.spec.classes)
        self.policies = [label_policy(g.recipe.labels) for g in self.generated]
        self.outputs = self.classes + max((p.extra for p in self.policies), default=0)

    def batch(self, t: int) -> Batch:
        """Rows of update t, transformed, with soft labels of `outputs` classes."""
        batch = self.mixed(t)
        for i, transform in enumerate(self.transforms):
            batch = transform.augment(batch, seed=derive(self.seed, "transform", i, t))
        return batch

    def mixed(self, t: int) -> Batch:
        """Real and generated rows before any transform."""
        counts = self.shares(t)
        parts = [self.labelled(self.real, counts[0], t, None)]
        parts += [
            self.labelled(g.images, n, t, i) for i, (g, n) in enumerate(zip(self.generated, counts[1:], strict=True))
        ]
        return Batch.cat([part for part in parts if len(part)])

    def shares(self, t: int) -> list[int]:
        """How many rows of the batch are real and of each recipe."""
        wanted = [self.stated(g.recipe, t) if len(g.images) else 0 for g in self.generated]
        sizes = [len(g.images) if g.recipe.share is None else 0 for g in self.generated]
        while sum(wanted) > self.batch_size:  # by rounding, where several recipes fill the batch
            wanted[wanted.index(max(wanted))] -= 1
        left, union = self.batch_size - sum(wanted), max(len(self.real) + sum(sizes), 1)
        rng = np.random.default_rng([self.seed % 2**32, 5, t])
        drawn = rng.multinomial(left, [*(n / union for n in sizes), len(self.real) / union])
        made = [n + int(more) for n, more in zip(wanted, drawn, strict=False)]
        return [self.batch_size - sum(made), *made]

    def stated(self, recipe: Recipe, t: int) -> int:
        """Rows of a recipe with a share in the batch of update t; 0 of one that comes as it comes."""
        if recipe.share is None:
            return 0
        reached = min(1.0, (t + 1) / max(recipe.ramp * self.steps, 1))
        return round(self.batch_size * recipe.share * reached / len(self.generated))

    def labelled(self, data: ImageSet, n: int, t: int, recipe: int | None) -> Batch:
        """n rows of a set with soft labels and `row` (-1 - recipe for generated ones)."""
        if n <= 0:
            return Batch()
        stream = derive(self.seed, "rows", recipe) % 2**32
        batch = data.batch((self.sampler if recipe is None else shuffled)(data, n, stream, t))
        if recipe is None or self.policies[recipe].asks == "teacher":
            soft = known(batch, self.classes)  # a teacher has been asked before: see `taught`
        elif self.policies[recipe].asks == "learner":
            soft = torch.zeros(n, self.classes)  # asked for at every update, in `target`
        else:
            soft = self.policies[recipe].target(batch, self.classes, None)
        soft = F.pad(soft, (0, self.outputs - soft.shape[1]))
        row = batch.row if recipe is None else torch.full((n,), -1 - recipe)
        label = torch.full((n,), -1) if batch.label is None else batch.label  # of unconditional images: unknown
        more = {name: getattr(batch, name) for name in self.fields}
        return Batch(image=batch.image, label=label, soft_label=soft, index=batch.index, row=row, **more)

    def target(
        self, batch: Batch, logits: Float[Tensor, "b k"], t: int
    ) -> tuple[Float[Tensor, "b k"], Float[Tensor, " b"]]:
        """Soft labels and weights; policies that look at the logits are asked here."""
        assert batch.soft_label is not None and batch.row is not None
        soft, weight = batch.soft_label.clone(), torch.ones(len(batch))
        for i, policy in enumerate(self.policies):
            rows = torch.nonzero(batch.row == -1 - i).flatten()
            if policy.asks == "learner" and len(rows):
                made = policy.target(batch.select(rows), self.classes, logits[rows])
                soft[rows] = F.pad(made, (0, soft.shape[1] - made.shape[1]))
            weight[rows] = policy.weight_at(t / max(self.steps, 1))
        return soft, weight

    def table(self, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """About n rows of flattened pixels, labels and weights; a soft label becomes one weighted row a class."""
        rows, labels, weights = [], [], []
        for t in range(-(-n // self.batch_size)):
            batch = self.batch(t)
            assert batch.image is not None and batch.soft_label is not None
            soft, weight = self.target(batch, batch.soft_label, t)
            row, label = torch.nonzero(soft * weight[:, None] > 0, as_tuple=True)
            rows.append(batch.image.flatten(1)[row].numpy())
            labels.append(label.numpy())
            weights.append((soft * weight[:, None])[row, label].numpy())
        return np.concatenate(rows), np.concatenate(labels), np.concatenate(weights)


def source_for(
    learner: Learner,
    view: TrainView,
    generated: Sequence[Generated],
    transforms: Sequence[System],
    steps: int,
    seed: int,
) -> MixedSource:
    """What a learner trains on for `steps` updates, with the batch size, sampler and further fields it asks for."""
    size, sampler = getattr(learner, "batch_size", 32), getattr(learner, "sampler", shuffled)
    fields = getattr(learner, "fields", ())
    return MixedSource(
        view, generated, transforms, batch_size=size, steps=steps, seed=seed, sampler=sampler, fields=fields
    )


def logits_of(made: ImageSet, model: nn.Module) -> Float[Tensor, "n k"]:
    """What a teacher says of images; InputError for one that is no network."""
    if not callable(model):
        raise InputError(
            f"only a network can label or filter generated images, the learner's model is a {type(model).__name__}: "
            "choose other labels, and keep=1."
        )
    found = []
    with torch.no_grad(), on_device() as device:
        for first in range(0, len(made), 256):
            image = made.batch(np.arange(first, min(first + 256, len(made)))).image
            assert image is not None
            logits = model(image.to(device))
            found.append((logits if logits.ndim == 2 else logits.mean(1)).cpu())  # a head for each part of the image
    return torch.cat(found)


def taught(made: ImageSet, policy: LabelPolicy, logits: Float[Tensor, "n k"], classes: int) -> ImageSet:
    """The images with the soft labels that a policy makes of a teacher's logits."""
    parts = torch.arange(len(made)).split(256)
    found = [policy.target(made.batch(rows), classes, logits[rows]) for rows in parts]
    return made.but(soft_label=torch.cat(found).numpy())


def surest(made: ImageSet, logits: Float[Tensor, "n k"], keep: float) -> ImageSet:
    """Of the images of each class the share `keep`, at least one, to which a teacher gives that class most surely."""
    assert made.label is not None
    sure = logits.log_softmax(1).numpy()[np.arange(len(made)), made.label]
    order = np.lexsort((-sure, made.label))
    counts = np.bincount(made.label)
    place = np.empty(len(made), np.int64)  # within the class, 0 is the surest
    place[order] = np.arange(len(made)) - np.repeat(counts.cumsum() - counts, counts)
    return made.select(np.flatnonzero(place < np.ceil(keep * counts)[made.label]))
