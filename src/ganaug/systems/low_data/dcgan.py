# SPDX-License-Identifier: Apache-2.0
"""DCGAN: unconditional images by a convolutional generator and critic.

Alec Radford, Luke Metz, Soumith Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", ICLR 2016, arXiv 1511.06434.

A generator of stride-2 transposed convolutions with batch norm turns uniform noise into images; a critic of stride-2
convolutions with batch norm tells them from real ones; one step of each in turn, with the non-saturating loss. Real
and generated images pass the critic in batches of their own, so that their batch statistics are never mixed.

Labels: none. One clone a class (`PerClass`) makes labelled images.
Deviations: any size from 8 px by a pyramid of exact sizes (64 px gives the paper's four stages).
Cost: preset small at 28 px, batch 32, about 37 ms a step on one core.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Adam

from ganaug.core.card import Card
from ganaug.core.system import Losses, System
from ganaug.data.batch import Batch
from ganaug.data.spec import Spec
from ganaug.parts.freeze import frozen
from ganaug.parts.losses.adversarial import logistic_critic, nonsaturating_generator
from ganaug.parts.nets.dcgan import DCGenerator, DCTrunk


class DCGAN(System):
    """DCGAN (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    latent : size of the noise vector, uniform in [-1, 1] (paper: 100).
    width : channels of the last generator and first critic stage (paper: 128).
    batch_size : images a step (paper: 128).
    lr : Adam's learning rate (paper: 2e-4, beta1 0.5).
    weight_decay : on both networks (authors' code: 1e-5).
    """

    CARD = Card(
        id="dcgan",
        title="DCGAN",
        paper="Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks",
        arxiv="1511.06434",
        year=2016,
        lists=("000", "001", "002"),
        can=("sample",),
        labels="none",
        min_rows=50,
        cost="37 ms a step at 28 px, batch 32, width 32, one core",
        deviations=("any size from 8 px by a pyramid of exact sizes",),
        shows="after training, a nearest-neighbour test tells generated from real digits less surely than before.",
    )
    PRESETS = {
        "paper": {"width": 128, "batch_size": 128},
        "small": {"width": 32, "batch_size": 32},
        "tiny": {"width": 8, "batch_size": 8, "latent": 16},
    }
    mixed_precision = True

    def __init__(
        self,
        *,
        latent: int = 100,
        width: int = 64,
        batch_size: int = 64,
        lr: float = 2e-4,
        weight_decay: float = 1e-5,
    ):
        self.latent = latent
        self.width = width
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay

    def build(self, spec: Spec) -> None:
        self.gen = DCGenerator(self.latent, spec.channels, *spec.size, width=self.width)
        trunk = DCTrunk(spec.channels, *spec.size, width=self.width)
        self.critic = nn.Sequential(trunk, nn.Linear(trunk.out, 1))
        adam = {"lr": self.lr, "betas": (0.5, 0.999), "weight_decay": self.weight_decay}
        self.opt_gen = Adam(self.gen.parameters(), **adam)
        self.opt_critic = Adam(self.critic.parameters(), **adam)

    def noise(self, n: int) -> Tensor:
        """Latents [n, latent], uniform in [-1, 1]."""
        return torch.rand(n, self.latent) * 2 - 1

    def step(self, batch: Batch, t: int) -> Losses:
        fake = self.gen(self.noise(len(batch)))
        critic = logistic_critic(self.critic(batch.image).float(), self.critic(fake.detach()).float())
        self.update(critic, self.opt_critic)
        with frozen(self.critic):
            generator = nonsaturating_generator(self.critic(fake).float())
        self.update(generator, self.opt_gen)
        return {"critic": critic, "generator": generator}

    def generate(self, want: Batch) -> Batch:
        return want.but(image=self.gen(self.noise(len(want))))
