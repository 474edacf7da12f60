# SPDX-License-Identifier: Apache-2.0
"""Semi-supervised GAN of "Improved Techniques": a classifier that also tells unlabelled images from generated ones.

Tim Salimans, Ian Goodfellow, Wojciech Zaremba, Vicki Cheung, Alec Radford, Xi Chen, "Improved Techniques for Training
GANs", NIPS 2016, arXiv 1606.03498, sections 3.1 and 5.

The classifier of K classes is the critic of K + 1: a further logit "generated" that is always 0 makes an image real
with probability Z / (Z + 1), Z = sum of exp(logits). Labelled images teach it their class, unlabelled ones that they
are of some class, generated ones that they are of none. So boundaries between classes move to where there are no real
images. The generator matches the mean features of unlabelled images and nothing else: its images must surround the real
ones, not look best.

Labels: none; generated images belong to no class and never leave the system, which yields the classifier alone.
Gradients: the generator's steps leave the classifier alone.
Deviations: the classifier is the task's own network, with AdamW, one cycle of the learning rate and batch norm: real
images make one batch, generated ones another, which is not remembered, so that overall contrast is not compared (with
the statistics of real images for both nothing was gained on digits). Mean features differ by their absolute values, as
in the released code, where the paper squares them, and without dropout. Classes are balanced in every batch; the
unlabelled images leave the labelled ones out; the generator is DCGAN's. Minibatch discrimination, historical averaging,
label smoothing and virtual batch norm, which the paper uses for images that look good, are left out.
Cost: see the card.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, AdamW

from ganaug.core.card import Card
from ganaug.core.catalogue import make
from ganaug.core.system import Losses, System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.spec import Spec
from ganaug.parts.freeze import looked_through, unremembered
from ganaug.parts.nets.dcgan import DCGenerator
from ganaug.parts.samplers import beside_pool, class_balanced
from ganaug.parts.schedules import one_cycle


def real_logit(logits: Float[Tensor, "b k"]) -> Float[Tensor, " b"]:
    """log Z: the logit of being real, as the "generated" one is 0 (section 5)."""
    return torch.logsumexp(logits, 1)


def unlabelled_loss(unlabelled: Float[Tensor, "b k"], generated: Float[Tensor, "b k"]) -> Float[Tensor, ""]:
    """-log D of unlabelled images and -log(1 - D) of generated ones, half of each, D = Z / (Z + 1)."""
    return (F.softplus(-real_logit(unlabelled)).mean() + F.softplus(real_logit(generated)).mean()) / 2


class ImprovedGAN(System):
    """The semi-supervised GAN (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    task : the learner whose network is the classifier; None: classification with the small network.
    latent : size of the noise vector, uniform in [0, 1) (paper: 100).
    width : channels of the generator's last stage but one.
    batch_size : labelled images a step, and as many unlabelled and generated ones (paper: 100).
    lr, weight_decay : of the classifier's AdamW; the rate rises for a tenth of the steps and falls by a cosine.
    lr_generator : of the generator's Adam, beta1 0.5 (paper: 3e-4 for both networks).
    weight : of the loss on unlabelled and generated images (paper: 1).
    """

    CARD = Card(
        id="improved_gan",
        title="Semi-supervised GAN (K+1 classes, feature matching)",
        paper="Improved Techniques for Training GANs",
        arxiv="1606.03498",
        year=2016,
        lists=("004",),
        needs=("label",),
        sets=("unlabelled",),
        can=("model",),
        labels="none",
        cost="65 ms a step at 28 px, batch 32, preset small, one core: six times an update of the classifier alone",
        deviations=(
            "the classifier is the task's own network with its batch norm, AdamW and one cycle of the learning rate",
            "mean features differ by absolute values, as released, and without dropout",
            "classes are balanced in every batch, and the unlabelled images leave the labelled ones out",
            "the paper's techniques for images that look good are left out",
        ),
        shows="on digits, five labelled a class and the rest unlabelled, it beats the same network without the rest.",
    )
    PRESETS = {
        "paper": {"width": 128, "batch_size": 100, "lr": 3e-4, "lr_generator": 3e-4},
        "small": {"width": 32, "batch_size": 32},
        "tiny": {"width": 8, "batch_size": 8, "latent": 16},
    }
    sampler = staticmethod(class_balanced)

    def __init__(
        self,
        *,
        task: Any = None,
        latent: int = 100,
        width: int = 64,
        batch_size: int = 32,
        lr: float = 3e-3,
        weight_decay: float = 0.05,
        lr_generator: float = 2e-3,
        weight: float = 1.0,
    ):
        self.task = task
        self.latent = latent
        self.width = width
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.lr_generator = lr_generator
        self.weight = weight

    def build(self, spec: Spec) -> None:
        learner = make("classification") if self.task is None else self.task
        self.classifier = learner.network(spec, len(spec.classes))
        if not hasattr(self.classifier, "features"):
            raise InputError(
                "improved_gan needs a backbone with `features` (images -> [B, D]): use small or a torchvision one."
            )
        self.gen = DCGenerator(self.latent, spec.channels, *spec.size, width=self.width)
        self.opt_classifier = AdamW(self.classifier.parameters(), lr=self.lr, weight_decay=self.weight_decay)
        self.opt_gen = Adam(self.gen.parameters(), lr=self.lr_generator, betas=(0.5, 0.999))

    def draw(self, data: ImageSet, rows: Tensor) -> Batch:
        """Labelled rows with as many of the pool."""
        return beside_pool(data, rows)

    def step(self, batch: Batch, t: int) -> Losses:
        one_cycle(t / max(self.total, 1), self.lr, self.opt_classifier)
        unlabelled = batch.pair["unlabelled"].image
        labelled, source = self.classifier_losses(batch, unlabelled)
        self.update(labelled + self.weight * source, self.opt_classifier, recogniser=True)
        matched = self.feature_distance(unlabelled)
        self.update(matched, self.opt_gen)
        return {"labelled": labelled, "source": source, "matched": matched}

    def noise(self, n: int) -> Float[Tensor, "n z"]:
        return torch.rand(n, self.latent)

    def classifier_losses(self, batch: Batch, unlabelled: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of labelled images, which an arm's transforms may change, and the loss of the other two."""
        given = self.transform(batch)
        target = given.label if given.soft_label is None else given.soft_label
        logits = self.classifier(torch.cat([given.image, unlabelled]))
        with torch.no_grad():
            fake = self.gen(self.noise(len(unlabelled)))
        with unremembered(self.classifier):
            generated = self.classifier(fake).float()
        labelled, rest = logits.float().split([len(given), len(unlabelled)])
        return F.cross_entropy(labelled, target), unlabelled_loss(rest, generated)

    def feature_distance(self, unlabelled: Tensor) -> Float[Tensor, ""]:
        """How far the mean features of generated images are from those of unlabelled ones (section 3.1)."""
        with looked_through(self.classifier):
            aim, made = (
                self.classifier.features(images).float().mean(0)
                for images in (unlabelled, self.gen(self.noise(len(unlabelled))))
            )
            return (made - aim).abs().mean()

    def model(self) -> nn.Module:
        """Images [B, C, H, W] -> logits [B, K]."""
        return self.classifier
