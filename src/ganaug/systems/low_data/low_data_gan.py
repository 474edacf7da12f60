# SPDX-License-Identifier: Apache-2.0
"""Small-set GAN: class-conditional images from tens of images a class; our own baseline, no paper's system.

Put together from Miyato and Koyama, "cGANs with Projection Discriminator", ICLR 2018, arXiv 1802.05637; Zhao et al.,
"Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020, arXiv 2006.10738; Tseng et al.,
"Regularizing Generative Adversarial Networks under Limited Data", CVPR 2021, arXiv 2104.03310.

A generator with a class embedding and class-conditional batch norm plays against a spectrally normalised projection
critic with the hinge loss. Everything that the critic sees passes one differentiable augmentation, so that it can't
learn the few real images by heart. Images are made by a moving average of the generator's weights.

Labels: hard, the class that was asked for. Classes are drawn uniformly, so a skewed set starves none.
Deviations: it has no paper; `preset=paper` is the size for 32 px and up on a GPU.
Cost: see CARD.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Adam

from ganaug.core.card import Card
from ganaug.core.system import Losses, System
from ganaug.data.batch import Batch
from ganaug.data.spec import Spec
from ganaug.parts.ema import EMA
from ganaug.parts.freeze import frozen
from ganaug.parts.losses.adversarial import hinge_critic, hinge_generator
from ganaug.parts.losses.lecam import LeCam
from ganaug.parts.losses.penalties import lazy, r1
from ganaug.parts.nets.conditional import ConditionalGenerator, ProjectionHead, standing_statistics
from ganaug.parts.nets.dcgan import DCTrunk
from ganaug.parts.nets.spectral import spectrally_normalised
from ganaug.parts.ops.diffaugment import diffaugment
from ganaug.parts.priors import normal
from ganaug.parts.samplers import class_balanced

R1_EVERY = 16
STANDING = 256  # images whose batch statistics samples are made with


class ProjectionCritic(nn.Module):
    """Images and labels -> logits [B], spectrally normalised."""

    def __init__(self, spec: Spec, width: int):
        super().__init__()
        self.trunk = DCTrunk(spec.channels, *spec.size, width=width, norm=False)
        self.head = ProjectionHead(self.trunk.out, len(spec.classes))
        for part in self.modules():
            if isinstance(part, (nn.Conv2d, nn.Linear)):
                nn.init.orthogonal_(part.weight)
        spectrally_normalised(self)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.head(self.trunk(images), labels)


class LowDataGAN(System):
    """Small-set GAN (see the module's first lines for sources and mechanism).

    Parameters
    ----------
    latent : size of the normal noise vector.
    width : channels of the last generator and first critic stage.
    batch_size : images a step.
    lr_generator, lr_critic : Adam's learning rates, betas (0, 0.9).
    policy : operations of `diffaugment` on everything the critic sees.
    half_life : of the moving average of the generator, in images.
    lecam : weight of the LeCam penalty; 0 leaves it out.
    gamma : weight of R1, computed every 16 steps; 0 leaves it out.
    """

    CARD = Card(
        id="low_data_gan",
        title="Small-set GAN",
        kind="baseline",
        year=2021,
        lists=("002",),
        needs=("label",),
        can=("sample",),
        min_rows=5,
        cost="",
        deviations=(),
        shows="",
    )
    PRESETS = {
        "paper": {"width": 64, "batch_size": 64, "latent": 128},
        "small": {"width": 32, "batch_size": 32},
        "tiny": {"width": 8, "batch_size": 8, "latent": 16},
    }
    sampler = staticmethod(class_balanced)

    def __init__(
        self,
        *,
        latent: int = 64,
        width: int = 32,
        batch_size: int = 32,
        lr_generator: float = 5e-4,
        lr_critic: float = 5e-4,
        policy: str = "translation,cutout",
        half_life: float = 1000,
        lecam: float = 0.0,
        gamma: float = 0.0,
    ):
        self.latent = latent
        self.width = width
        self.batch_size = batch_size
        self.lr_generator = lr_generator
        self.lr_critic = lr_critic
        self.policy = policy
        self.half_life = half_life
        self.lecam = lecam
        self.gamma = gamma

    def build(self, spec: Spec) -> None:
        self.gen = ConditionalGenerator(
            self.latent, len(spec.classes), spec.channels, *spec.size, width=self.width
        )
        self.critic = ProjectionCritic(spec, self.width)
        self.average = EMA(self.gen, self.half_life)
        self.anchors = LeCam()
        self.opt_gen = Adam(self.gen.parameters(), lr=self.lr_generator, betas=(0.0, 0.9))
        self.opt_critic = Adam(self.critic.parameters(), lr=self.lr_critic, betas=(0.0, 0.9))

    def seen(self, images: Tensor, labels: Tensor) -> Tensor:
        """The critic's logits [B] of images after their own augmentation."""
        return self.critic(diffaugment(images, self.policy), labels)

    def any_class(self, n: int) -> Tensor:
        """Labels [n], every class equally likely."""
        return torch.randint(len(self.spec.classes), (n,))

    def step(self, batch: Batch, t: int) -> Losses:
        labels = self.any_class(len(batch))
        with torch.no_grad():
            fake = self.gen(normal(len(batch), self.latent), labels)
        critic = self.critic_loss(batch, fake, labels, t)
        self.update(critic, self.opt_critic)
        labels = self.any_class(len(batch))
        with frozen(self.critic):
            generator = hinge_generator(self.seen(self.gen(normal(len(batch), self.latent), labels), labels))
        self.update(generator, self.opt_gen)
        self.average.update(self.gen, len(batch))
        return {"critic": critic, "generator": generator}

    def critic_loss(self, batch: Batch, fake: Tensor, labels: Tensor, t: int) -> Tensor:
        """Hinge loss with the penalties that are switched on."""
        real_images = diffaugment(batch.image, self.policy)
        weight = self.gamma * lazy(t, R1_EVERY)
        real = self.critic(real_images.requires_grad_(weight > 0), batch.label)
        made = self.seen(fake, labels)
        loss = hinge_critic(real, made)
        if self.lecam:
            loss = loss + self.lecam * self.anchors(real, made)
        if weight:
            loss = loss + r1(real, real_images, weight)
        return loss

    def generate(self, want: Batch) -> Batch:
        latents, labels = normal(STANDING, self.latent), self.any_class(STANDING)
        with standing_statistics(self.average.module, latents, labels):
            return want.but(image=self.average(normal(len(want), self.latent), want.label))
