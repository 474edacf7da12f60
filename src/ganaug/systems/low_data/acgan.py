# SPDX-License-Identifier: Apache-2.0
"""AC-GAN: labelled images by a generator that is told a class and a critic that must name it.

Augustus Odena, Christopher Olah, Jonathon Shlens, "Conditional Image Synthesis with Auxiliary Classifier GANs", ICML
2017, arXiv 1610.09585.

The label stands beside the noise, one-hot. The critic has two heads, real or
generated and which class; both networks want the class named right, of real and of generated images, and play
against each other only about the source. Real and generated images pass the critic in batches of their own.

Labels: hard, the class that was asked for. Classes are drawn uniformly for both, so a skewed set starves none.
Deviations: the critic is DCGAN's trunk with dropout on its features; preset small learns five times as fast against a
narrower critic, because it is meant for small sets and short runs. Augmenting what the critic sees is left out on
purpose: on digits it halved the differences within a class.
Cost: preset small at 28 px, batch 32: about 59 ms a step on one core.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from ganaug.core.card import Card
from ganaug.core.system import Losses, System
from ganaug.data.batch import Batch
from ganaug.data.spec import Spec
from ganaug.parts.freeze import frozen
from ganaug.parts.losses.adversarial import logistic_critic, nonsaturating_generator
from ganaug.parts.nets.conditional import standing_statistics
from ganaug.parts.nets.dcgan import DCGenerator, DCTrunk
from ganaug.parts.priors import any_of, uniform
from ganaug.parts.samplers import class_balanced

STANDING = 256  # images whose batch statistics samples are made with


class Generator(nn.Module):
    """Latents [B, z] and labels [B] -> images: the one-hot label beside the latent, then DCGAN's generator."""

    def __init__(self, latent: int, width: int, spec: Spec):
        super().__init__()
        self.classes = len(spec.classes)
        self.paint = DCGenerator(latent + self.classes, spec.channels, *spec.size, width=width)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.paint(torch.cat([z, F.one_hot(labels, self.classes).to(z.dtype)], 1))


class Critic(nn.Module):
    """Images -> (source logits [B], class logits [B, K])."""

    def __init__(self, width: int, dropout: float, spec: Spec):
        super().__init__()
        trunk = DCTrunk(spec.channels, *spec.size, width=width)
        self.trunk = nn.Sequential(trunk, nn.Dropout(dropout))
        self.source = nn.Linear(trunk.out, 1)
        self.named = nn.Linear(trunk.out, len(spec.classes))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.trunk(images)
        return self.source(x)[:, 0].float(), self.named(x).float()


class ACGAN(System):
    """AC-GAN (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    latent : size of the noise vector, uniform in [-1, 1].
    width : channels of the last generator stage.
    critic_width : channels of the first critic stage.
    dropout : on the critic's features (paper: 0.5).
    batch_size : real images a step; the generator learns from twice as many generated ones.
    lr : Adam's learning rate (paper: 2e-4, beta1 0.5).
    class_weight : of the class term of both networks (paper: 1).
    """

    CARD = Card(
        id="acgan",
        title="AC-GAN",
        paper="Conditional Image Synthesis with Auxiliary Classifier GANs",
        arxiv="1610.09585",
        year=2017,
        lists=("002",),
        needs=("label",),
        can=("sample",),
        min_rows=10,
        cost="59 ms a step at 28 px, batch 32, preset small, one core",
        deviations=(
            "preset small learns five times as fast as the paper, against a narrower critic",
            "the critic is DCGAN's trunk with dropout on its features",
            "critic and generator stages follow the size of the images",
        ),
        shows="a judge names the class that was asked for far more often than without the generator's class term.",
    )
    PRESETS = {
        "paper": {"width": 96, "batch_size": 100, "dropout": 0.5, "lr": 2e-4},
        "small": {"width": 48, "critic_width": 16, "batch_size": 32, "lr": 1e-3},
        "tiny": {"width": 8, "batch_size": 8, "latent": 16, "critic_width": 8},
    }
    sampler = staticmethod(class_balanced)
    mixed_precision = True

    def __init__(
        self,
        *,
        latent: int = 100,
        width: int = 64,
        critic_width: int = 64,
        dropout: float = 0.5,
        batch_size: int = 64,
        lr: float = 2e-4,
        class_weight: float = 1.0,
    ):
        self.latent = latent
        self.width = width
        self.critic_width = critic_width
        self.dropout = dropout
        self.batch_size = batch_size
        self.lr = lr
        self.class_weight = class_weight

    def build(self, spec: Spec) -> None:
        self.gen = Generator(self.latent, self.width, spec)
        self.critic = Critic(self.critic_width, self.dropout, spec)
        self.opt_gen = Adam(self.gen.parameters(), lr=self.lr, betas=(0.5, 0.999))
        self.opt_critic = Adam(self.critic.parameters(), lr=self.lr, betas=(0.5, 0.999))

    def asked(self, n: int) -> tuple[Tensor, Tensor]:
        """Latents [n, z] and labels [n], every class of the training set equally likely."""
        return uniform(n, self.latent), any_of(self.seen_classes(), n)

    def step(self, batch: Batch, t: int) -> Losses:
        critic, named = self.critic_losses(batch)
        self.update(critic + self.class_weight * named, self.opt_critic)
        z, labels = self.asked(2 * len(batch))
        with frozen(self.critic):
            source, classes = self.critic(self.gen(z, labels))
        generator, obeyed = nonsaturating_generator(source), F.cross_entropy(classes, labels)
        self.update(generator + self.class_weight * obeyed, self.opt_gen)
        return {"critic": critic, "named": named, "generator": generator, "obeyed": obeyed}

    def critic_losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """L_S as a loss, and -L_C (paper, equations 2 and 3), of one real and one generated batch."""
        z, labels = self.asked(len(batch))
        with torch.no_grad():
            fake = self.gen(z, labels)
        (real_source, real_class), (fake_source, fake_class) = self.critic(batch.image), self.critic(fake)
        named = F.cross_entropy(real_class, batch.label) + F.cross_entropy(fake_class, labels)
        return logistic_critic(real_source, fake_source), named

    def generate(self, want: Batch) -> Batch:
        with standing_statistics(self.gen, *self.asked(STANDING)):
            return want.but(image=self.gen(uniform(len(want), self.latent), want.label))
