# SPDX-License-Identifier: Apache-2.0
"""Segmentation: a class for every pixel, with one fixed recipe for every arm, and its scores."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from ganaug.core.card import Card
from ganaug.core.device import on_device
from ganaug.core.loop import Budget
from ganaug.core.protocols import Scores, Source
from ganaug.data.batch import Batch
from ganaug.data.checks import with_masks
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.picture import as_rgb, coloured, tiled
from ganaug.data.spec import Spec
from ganaug.metrics.overlap import confusion, contributions, mean_iou, overlap
from ganaug.parts.losses.overlap import pixel_cross_entropy, soft_dice
from ganaug.parts.nets.unet import UNet
from ganaug.tasks.training import answer, trained


class TorchvisionMaps(nn.Module):
    """A torchvision segmentation network for any channel count: images [B, C, H, W] -> logits [B, K, H, W]."""

    def __init__(self, name: str, channels: int, outputs: int):
        super().__init__()
        from torchvision import models

        self.net = models.get_model(name, weights=None, weights_backbone=None, num_classes=outputs)
        first = next(m for m in self.net.backbone.modules() if isinstance(m, nn.Conv2d))
        self.first = nn.Identity() if channels == first.in_channels else nn.Conv2d(channels, first.in_channels, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k h w"]:
        return self.net(self.first(x))["out"]

    def features(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        maps = self.net.backbone(self.first(x))  # by name, from fine to coarse
        return list(maps.values())[-1].mean((2, 3))


class Segmenter(BaseEstimator):
    """Images -> a class for every pixel.

    AdamW, one cosine cycle of the learning rate, cross-entropy plus soft Dice. The main score is the mean IoU from one
    confusion table of the whole test fold; classes that occur in neither truth nor prediction are left out of it.

    Parameters
    ----------
    backbone : "small" (a U-Net), or a torchvision segmentation network such as "fcn_resnet50".
    width : channels of the U-Net's first stage.
    dice : weight of the Dice loss.
    batch_size, lr, weight_decay : of the recipe; the same for every arm.
    """

    CARD: ClassVar[Card] = Card(
        id="segmentation",
        kind="task",
        title="Segmentation with a U-Net or a torchvision network",
        paper="U-Net: Convolutional Networks for Biomedical Image Segmentation",
        arxiv="1505.04597",
        year=2015,
        lists=("000", "002"),
        task=("segmentation",),
        needs=("mask",),
        can=("model",),
        shows="a learner fitted on drawn scenes with their masks overlaps unseen masks better than on shuffled ones.",
    )

    def __init__(
        self,
        *,
        backbone: str = "small",
        width: int = 16,
        dice: float = 1.0,
        batch_size: int = 16,
        lr: float = 2e-3,
        weight_decay: float = 0.01,
    ):
        self.backbone = backbone
        self.width = width
        self.dice = dice
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay

    score_name: ClassVar[str] = "mean IoU"
    fields: ClassVar[tuple[str, ...]] = ("mask",)
    class_score: ClassVar[str] = "IoU"

    @property
    def name(self) -> str:
        """What a report calls it."""
        return "small U-Net" if self.backbone == "small" else self.backbone

    def prepared(self, data: ImageSet) -> ImageSet:
        """The set with its masks as what is learnt; InputError where it has none or too few images."""
        return with_masks(data)

    def network(self, spec: Spec, outputs: int | None = None) -> nn.Module:
        """An untrained network: images [B, C, H, W] -> logits [B, K, H, W] of the K mask classes."""
        from torchvision import models

        if self.backbone == "small":
            return UNet(spec.channels, len(spec.mask_classes), self.width, depth=2 + (min(spec.size) >= 32))
        if self.backbone not in models.list_models(module=models.segmentation):
            known = ", ".join(models.list_models(module=models.segmentation))
            raise InputError(f"there is no segmentation network '{self.backbone}': use small or one of {known}.")
        return TorchvisionMaps(self.backbone, spec.channels, len(spec.mask_classes))

    def fit(self, source: Source, budget: Budget, seed: int) -> nn.Module:
        """`budget.steps` updates on the source; the trained model in evaluation mode."""

        def loss(model: nn.Module, batch: Batch, t: int) -> Tensor:
            assert batch.mask is not None
            _, weight = source.target(batch, batch.soft_label, t)
            logits = answer(model, batch.image)
            return pixel_cross_entropy(logits, batch.mask, weight) + self.dice * soft_dice(logits, batch.mask, weight)

        return trained(self, source, budget.steps or 0, seed, loss)

    def predict(self, model: Any, data: ImageSet) -> Int[np.ndarray, "n h w"]:
        """Predicted class numbers of every pixel, uint8."""
        found = []
        for first in range(0, len(data), 64):
            images = data.images(np.arange(first, min(first + 64, len(data))))
            with torch.no_grad(), on_device() as device:
                found.append(model(images.to(device)).argmax(1).to(torch.uint8).cpu().numpy())
        return np.concatenate(found)

    def picture(self, model: Any, data: ImageSet, rows: int = 8) -> np.ndarray:
        """Images of a test set, their true masks and the predicted ones, a row each, as a picture uint8 [H, W, 3]."""
        some = data.select(np.linspace(0, len(data) - 1, min(rows, len(data))).astype(int))
        images = np.ascontiguousarray(as_rgb(some.images().permute(0, 2, 3, 1).numpy()) / 127.5 - 1)
        maps = [coloured(mask, len(data.mask_classes)) for mask in (some.mask, self.predict(model, some))]
        return tiled(np.stack([images, *maps], 1).reshape(-1, *maps[0].shape[1:]), 3)

    def score(self, model: Any, data: ImageSet) -> Scores:
        """Mean IoU (main), pixel and class accuracy, frequency-weighted IoU, Dice, and the IoU of each class."""
        names = data.mask_classes
        tables = confusion(data.mask, self.predict(model, data), len(names))
        found = overlap(tables.sum(0))
        table = {
            "mean_iou": found.mean_iou,
            "pixel_accuracy": found.pixel_accuracy,
            "class_accuracy": found.class_accuracy,
            "frequency_weighted_iou": found.frequency_weighted_iou,
            "mean_dice": found.mean_dice,
        }
        per_class = {name: float(v) for name, v in zip(names, found.iou, strict=True) if not np.isnan(v)}
        units = tables.reshape(len(tables), -1)
        absent = ", ".join(found.absent(names))
        note = f"Classes in neither true nor predicted masks, left out of the mean: {absent}." if absent else ""
        return Scores(found.mean_iou, table, units, mean_iou, contributions(tables), per_class, note)
