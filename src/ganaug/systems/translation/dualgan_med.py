# SPDX-License-Identifier: Apache-2.0
"""Dual GAN: masks from noise, then images from those masks, so that annotated images come without end.

John T. Guibas, Tejpal S. Virdi, Peter S. Li, "Synthetic Medical Images from Dual Generative Adversarial Networks", NIPS
workshop 2017, arXiv 1709.01872.

Geometry and appearance are learned apart. In the first half of the run a DCGAN learns the masks, its generator taking
two steps for each of the critic's; in the second half a U-Net and a patch critic, which sees the image beside its mask,
learn to paint images over true masks, with L1 and adversarial loss of equal weight. A sample is a mask from noise,
made hard before it is painted, and its image.

Labels: the mask that an image was painted over, made by the system itself. Nothing is asked of the user but a number.
Gradients: each half of the run moves its own two networks only; a painted image never teaches the masks' generator.
Deviations: masks of any number of classes, a plane a class, where the paper's are vessels and background; both halves
learn from one set, where the paper has two; the networks follow the size of the images, where the paper's are for 512
px; instance norm in the U-Net, so that an image does not depend on its batch, and ReLU on its way up, where the
authors' code has LeakyReLU; the rate of RMSprop is our choice. Preset small has narrow networks, a 34 px critic,
batches of 16, and learns masks faster.
Cost: see the card.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, RMSprop

from ganaug.core.card import Card
from ganaug.core.system import Losses, System
from ganaug.data.batch import UNKNOWN, Batch
from ganaug.data.spec import Spec
from ganaug.data.view import TrainView
from ganaug.parts.freeze import frozen
from ganaug.parts.losses.adversarial import logistic_critic, nonsaturating_generator
from ganaug.parts.nets.dcgan import DCGenerator, DCTrunk
from ganaug.parts.nets.patch import PatchGAN, refuse_small
from ganaug.parts.nets.unet_generator import UNetGenerator, one_hot_mask
from ganaug.parts.priors import uniform

ROUNDS = 2  # steps of the masks' generator for each of its critic


class DualGAN(System):
    """Dual GAN (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    latent : size of the noise vector that a mask is made from, uniform in [-1, 1] (paper: 100).
    width : channels of the masks' generator's last stage and of their critic's first (paper: 64).
    image_width : channels of the U-Net's and of the patch critic's first layer (paper: 64).
    critic_layers : the patch critic's layers of stride 2: 1, 2, 3 see patches of 16, 34, 70 px (paper: 3).
    batch_size : rows a step (paper: 7 masks, 32 pairs).
    lr : learning rate of both mask networks, Adam, betas 0.5 and 0.999 (authors' code: 2e-4).
    lr_image : learning rate of both image networks, RMSprop.
    """

    CARD = Card(
        id="dualgan_med",
        title="Dual GAN synthetic medical images",
        paper="Synthetic Medical Images from Dual Generative Adversarial Networks",
        arxiv="1709.01872",
        year=2017,
        lists=("002",),
        task=("segmentation",),
        needs=("mask",),
        can=("sample",),
        makes=("mask",),
        sizes=(16, 512),
        min_rows=30,
        labels="condition",
        deviations=(
            "any number of mask classes and any size",
            "masks and pairs are learned from one set",
            "instance norm in the U-Net, ReLU on its way up",
            "the rate of RMSprop is our choice",
            "preset small: narrow networks, a 34 px critic, batches of 16, faster learning of masks",
        ),
        cost="65 ms a step at 64 px, 3 channels, batch 16, preset small, one core",
        shows="made masks cover about as much as true ones, and an image fits its own mask better than another's.",
    )
    PRESETS = {
        "paper": {"width": 64, "image_width": 64, "critic_layers": 3, "batch_size": 32, "lr": 2e-4},
        "small": {},
        "tiny": {"latent": 16, "width": 8, "image_width": 8, "critic_layers": 1, "batch_size": 4, "lr": 1e-3},
    }
    stages = (0.5, 0.5)

    def __init__(
        self,
        *,
        latent: int = 100,
        width: int = 16,
        image_width: int = 16,
        critic_layers: int = 2,
        batch_size: int = 16,
        lr: float = 5e-4,
        lr_image: float = 1e-3,
    ):
        self.latent = latent
        self.width = width
        self.image_width = image_width
        self.critic_layers = critic_layers
        self.batch_size = batch_size
        self.lr = lr
        self.lr_image = lr_image

    # --- before the first step ------------------------------------------------------------------------------------

    def build(self, spec: Spec) -> None:
        refuse_small(self.CARD.id, spec.size, self.critic_layers)
        planes = len(spec.mask_classes)
        self.mask_gen = DCGenerator(self.latent, planes, *spec.size, width=self.width)
        trunk = DCTrunk(planes, *spec.size, width=self.width)
        self.mask_critic = nn.Sequential(trunk, nn.Linear(trunk.out, 1))
        self.image_gen = UNetGenerator(planes, spec.channels, spec.size, self.image_width)
        self.image_critic = PatchGAN(planes + spec.channels, self.image_width, self.critic_layers, norm=nn.Identity)
        adam, rmsprop = {"lr": self.lr, "betas": (0.5, 0.999)}, {"lr": self.lr_image}
        self.opt_mask_gen = Adam(self.mask_gen.parameters(), **adam)
        self.opt_mask_critic = Adam(self.mask_critic.parameters(), **adam)
        self.opt_image_gen = RMSprop(self.image_gen.parameters(), **rmsprop)
        self.opt_image_critic = RMSprop(self.image_critic.parameters(), **rmsprop)

    def prepare(self, train: TrainView) -> None:
        """Whether masks have unknown places, which then are learned as places of no class."""
        self.unknown_ = bool((train.mask == UNKNOWN).any())

    # --- one step -------------------------------------------------------------------------------------------------

    def step(self, batch: Batch, t: int) -> Losses:
        """A round of the masks' GAN in the first half of the run, of the images' in the second."""
        planes = one_hot_mask(batch.mask, len(self.spec.mask_classes))
        return self.paint_step(planes, batch.image) if self.stage(t)[0] else self.mask_step(2 * planes - 1)

    def mask_step(self, real: Float[Tensor, "b k h w"]) -> Losses:
        """Masks as planes in [-1, 1]: the critic once, then the generator twice on the same noise."""
        z = uniform(len(real), self.latent)
        with torch.no_grad():
            fake = self.mask_gen(z)
        critic = logistic_critic(self.mask_critic(real), self.mask_critic(fake))
        self.update(critic, self.opt_mask_critic)
        for _ in range(ROUNDS):
            with frozen(self.mask_critic):
                fooled = nonsaturating_generator(self.mask_critic(self.mask_gen(z)))
            self.update(fooled, self.opt_mask_gen)
        return {"mask_critic": critic, "mask_fooled": fooled}

    def judged(self, planes: Tensor, image: Tensor) -> Float[Tensor, "b 1 _ _"]:
        """The patch critic's logits of images beside their masks: the only place that joins the two."""
        return self.image_critic(torch.cat([planes, image], 1))

    def paint_step(self, planes: Float[Tensor, "b k h w"], real: Float[Tensor, "b c h w"]) -> Losses:
        """True masks and their images: the patch critic, then the U-Net."""
        fake = self.image_gen(planes)
        critic = logistic_critic(self.judged(planes, real), self.judged(planes, fake.detach()))
        self.update(critic, self.opt_image_critic)
        with frozen(self.image_critic):
            fooled = nonsaturating_generator(self.judged(planes, fake))
        near = F.l1_loss(fake, real)
        self.update(fooled + near, self.opt_image_gen)
        return {"image_critic": critic, "image_fooled": fooled, "l1": near}

    def generate(self, want: Batch) -> Batch:
        """Masks and their images; nothing else that rows hold would fit them."""
        planes = self.mask_gen(uniform(len(want), self.latent))
        mask = planes.argmax(1)
        mask = mask.where(planes.amax(1) > 0, UNKNOWN) if self.unknown_ else mask
        return Batch(image=self.image_gen(one_hot_mask(mask, len(self.spec.mask_classes))), mask=mask)
