# SPDX-License-Identifier: Apache-2.0
"""Classification: one fixed, strong recipe for every arm, and its scores."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import f1_score
from torch import nn
from torch.nn import functional as F

from ganaug.core.card import Card
from ganaug.core.device import on_device
from ganaug.core.loop import Budget
from ganaug.core.protocols import Scores, Source
from ganaug.data.batch import Batch
from ganaug.data.checks import require_classes
from ganaug.data.image_set import ImageSet
from ganaug.data.spec import Spec
from ganaug.tasks.networks import network
from ganaug.tasks.training import answer, trained


class Classifier(BaseEstimator):
    """Images -> one of K classes.

    AdamW with decoupled weight decay and one cosine cycle of the learning rate (a tenth of the updates warm up):
    the same for every arm, so that only the data differ. The main score is balanced accuracy, the mean recall of the
    classes: on a balanced test fold it equals accuracy.

    Parameters
    ----------
    backbone : "small", a torchvision classifier's name, a function (channels, outputs) -> module, or a scikit-learn
        classifier, which is fitted on the flattened pixels of a table of rows.
    batch_size, lr, weight_decay : of the recipe; the same for every arm.
    """

    CARD: ClassVar[Card] = Card(
        id="classification",
        kind="task",
        title="Classification with a small CNN, a torchvision network or a scikit-learn classifier",
        paper="textbook",
        needs=("label",),
        can=("model",),
        shows="a learner fitted on digits with true labels scores far above the same learner on permuted labels.",
    )

    def __init__(self, *, backbone: Any = "small", batch_size: int = 32, lr: float = 3e-3, weight_decay: float = 0.05):
        self.backbone = backbone
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay

    score_name: ClassVar[str] = "balanced accuracy"

    @property
    def name(self) -> str:
        """What a report calls it."""
        given = self.backbone
        return given if isinstance(given, str) else getattr(given, "__name__", type(given).__name__)

    def prepared(self, data: ImageSet) -> ImageSet:
        """The set as it is; InputError unless it has two classes with two training images each."""
        require_classes(data)
        return data

    def network(self, spec: Spec, outputs: int | None = None) -> nn.Module:
        """An untrained network: images [B, C, H, W] -> logits [B, outputs]."""
        return network(self.backbone, spec.channels, outputs or len(spec.classes), spec.size)

    def fit(self, source: Source, budget: Budget, seed: int) -> Any:
        """`budget.steps` updates on the source; the trained model in evaluation mode."""
        if hasattr(self.backbone, "fit"):
            return self.fit_table(source, seed)

        def loss(model: nn.Module, batch: Batch, t: int) -> torch.Tensor:
            logits = answer(model, batch.image)
            soft, weight = source.target(batch, logits.detach(), t)
            return weighted_cross_entropy(logits, soft, weight)

        return trained(self, source, budget.steps or 0, seed, loss)

    def fit_table(self, source: Source, seed: int) -> Any:
        """A scikit-learn classifier on a table of rows, soft labels as sample weights."""
        x, y, weight = source.table(self.batch_size * 64)
        model = clone(self.backbone)
        if "random_state" in model.get_params():
            model.set_params(random_state=seed % 2**32)
        try:
            return model.fit(x, y, sample_weight=weight)
        except TypeError:  # a classifier without sample weights: rows that weigh less than half are left out
            return model.fit(x[weight >= 0.5], y[weight >= 0.5])

    def predict(self, model: Any, data: ImageSet) -> np.ndarray:
        """Predicted class numbers [N]."""
        found = []
        for first in range(0, len(data), 512):
            image = data.batch(np.arange(first, min(first + 512, len(data)))).image
            assert image is not None
            if isinstance(model, nn.Module):
                with torch.no_grad(), on_device() as device:
                    logits = model(image.to(device))[:, : len(data.classes)]
                found.append(logits.argmax(1).cpu().numpy())
            else:
                found.append(np.asarray(model.predict(image.flatten(1).numpy())))
        return np.concatenate(found)

    def score(self, model: Any, data: ImageSet) -> Scores:
        """Balanced accuracy (main), accuracy, macro-F1 and the recall of each class on labelled rows."""
        data = data.select(np.flatnonzero(data.label >= 0))
        return scores(data.label, self.predict(model, data), data.classes)


def weighted_cross_entropy(logits: torch.Tensor, soft: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean over the batch of weight * -sum(soft * log softmax(logits)); labels narrower than the logits are padded."""
    soft = F.pad(soft, (0, logits.shape[1] - soft.shape[1]))
    return -(weight * (soft * F.log_softmax(logits.float(), 1)).sum(1)).sum() / weight.sum().clamp_min(1e-8)


def scores(truth: np.ndarray, found: np.ndarray, classes: tuple[str, ...]) -> Scores:
    """Scores of predicted class numbers [N]; a unit is (right or wrong, class)."""
    units = np.stack([(truth == found).astype(float), truth.astype(float)], 1)
    recall = {name: float(units[truth == k, 0].mean()) for k, name in enumerate(classes) if (truth == k).any()}
    present = sorted(set(truth.tolist()))
    table = {
        "balanced_accuracy": balanced_accuracy(units),
        "accuracy": float(units[:, 0].mean()),
        "macro_f1": float(f1_score(truth, found, labels=present, average="macro", zero_division=0)),
    }
    return Scores(table["balanced_accuracy"], table, units, balanced_accuracy, contributions(units), recall)


def balanced_accuracy(units: np.ndarray) -> float:
    """Mean recall of the classes that occur, from units [N, 2] of (right or wrong, class)."""
    return float(contributions(units).mean())


def contributions(units: np.ndarray) -> np.ndarray:
    """What each test image adds: values [N] whose mean is the balanced accuracy."""
    _, number, count = np.unique(units[:, 1], return_inverse=True, return_counts=True)
    return units[:, 0] * len(units) / (len(count) * count[number])
