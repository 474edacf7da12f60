# SPDX-License-Identifier: Apache-2.0
"""Small-set GAN: class-conditional images from ten images a class on; our own baseline, no paper's system.

Put together from Miyato and Koyama, "cGANs with Projection Discriminator", ICLR 2018, arXiv 1802.05637; Zhao et al.,
"Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020, arXiv 2006.10738; Lin et al., "PacGAN: The
Power of Two Samples in Generative Adversarial Networks", NeurIPS 2018, arXiv 1712.04086; and, switched off by default,
Tseng et al. (LeCam), CVPR 2021, arXiv 2104.03310, and Mescheder et al. (R1), ICML 2018, arXiv 1801.04406.

A generator with a class embedding and class-conditional batch norm plays against a spectrally normalised projection
critic with the hinge loss. Everything that the critic sees is augmented, so that it can't learn the few real images by
heart, and it sees images in pairs of one class, features and their spread, so that a class can't shrink to one image.
Both updates of a step use one batch of generated images.
Images are made by a moving average of the generator's weights.

Labels: hard, the class that was asked for. Classes are drawn uniformly, so a skewed set starves none.
Deviations: PacGAN joins the two images of a pair before the first layer, this critic compares their features, and both
images share one draw of the augmentation, so that only their own differences count. The augmentation has one strength;
it does not follow how surely the critic tells real images (ADA). Preset paper is the size for 32 px and up on a GPU.
Cost: preset small at 28 px, batch 32: about 40 ms a step on one core.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.optim import Adam

from ganaug.core.card import Card
from ganaug.core.system import Losses, System
from ganaug.data.batch import Batch
from ganaug.data.image_set import ImageSet
from ganaug.data.spec import Spec
from ganaug.parts.ema import EMA
from ganaug.parts.freeze import frozen
from ganaug.parts.losses.adversarial import hinge_critic, hinge_generator
from ganaug.parts.losses.lecam import LeCam
from ganaug.parts.losses.penalties import lazy, lazy_adam, r1
from ganaug.parts.nets.conditional import ConditionalGenerator, ProjectionHead, standing_statistics
from ganaug.parts.nets.dcgan import DCTrunk
from ganaug.parts.nets.spectral import spectrally_normalised
from ganaug.parts.ops.diffaugment import diffaugment
from ganaug.parts.priors import any_of, normal

R1_EVERY = 16
STANDING = 256  # images whose batch statistics samples are made with


def class_pairs(data: ImageSet, n: int, seed: int, t: int) -> Int[Tensor, " n"]:
    """n // 2 classes uniformly, and two rows of each, one after the other (one row twice where it is alone)."""
    rng = np.random.default_rng([seed, 4, t])
    assert data.label is not None
    present = np.unique(data.label[data.label >= 0])
    members = [np.flatnonzero(data.label == k) for k in rng.choice(present, max(n // 2, 1))]
    return torch.from_numpy(np.concatenate([rng.choice(rows, 2, replace=len(rows) < 2) for rows in members]))


class PairCritic(nn.Module):
    """Images and labels, in consecutive pairs of one class -> logits [B]; spectrally normalised.

    The projection head gets each image's features and their standard deviation over its pair.
    """

    def __init__(self, spec: Spec, width: int):
        super().__init__()
        self.trunk = DCTrunk(spec.channels, *spec.size, width=width, norm=False)
        self.head = ProjectionHead(2 * self.trunk.out, len(spec.classes))
        for part in self.modules():
            if isinstance(part, (nn.Conv2d, nn.Linear)):
                nn.init.orthogonal_(part.weight)
        spectrally_normalised(self)

    def forward(self, images: Float[Tensor, "b c h w"], labels: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
        x = self.trunk(images)
        spread = (x[0::2] - x[1::2]).abs().repeat_interleave(2, 0) / 2
        return self.head(torch.cat([x, spread], 1), labels)


class LowDataGAN(System):
    """Small-set GAN (see the module's first lines for sources and mechanism).

    Parameters
    ----------
    latent : size of the normal noise vector.
    width : channels of the last generator and first critic stage.
    batch_size : images a step, in pairs of one class.
    lr_generator, lr_critic : Adam's learning rates, betas (0, 0.9).
    policy : operations of `diffaugment` on everything the critic sees; cutout and colour cost steps in short runs.
    half_life : of the moving average of the generator, in images.
    lecam : weight of the LeCam penalty; 0 leaves it out.
    gamma : weight of R1, computed every 16 steps in float32, Adam's rate and betas adjusted to it; 0 leaves it out.
    """

    CARD = Card(
        id="low_data_gan",
        title="Small-set GAN",
        paper="own baseline, after cGANs with Projection Discriminator and DiffAugment",
        lists=("002",),
        needs=("label",),
        can=("sample",),
        min_rows=5,
        cost="40 ms a step at 28 px, batch 32, width 32, one core",
        deviations=(
            "pairs are compared by their features and share one draw of the augmentation",
            "the augmentation has one strength: no adaptive one (ADA)",
        ),
        shows="images of a class differ more from each other when the critic sees pairs than when it does not.",
    )
    PRESETS = {
        "paper": {"width": 64, "batch_size": 64, "latent": 128},
        "small": {"width": 32, "batch_size": 32},
        "tiny": {"width": 8, "batch_size": 8, "latent": 16},
    }
    sampler = staticmethod(class_pairs)

    def __init__(
        self,
        *,
        latent: int = 64,
        width: int = 32,
        batch_size: int = 32,
        lr_generator: float = 2e-3,
        lr_critic: float = 4e-3,
        policy: str = "translation",
        half_life: float = 2000,
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

    @property
    def mixed_precision(self) -> bool:  # on a CPU bfloat16 was compared without R1 only
        return not self.gamma

    def build(self, spec: Spec) -> None:
        self.gen = ConditionalGenerator(self.latent, len(spec.classes), spec.channels, *spec.size, width=self.width)
        self.critic = PairCritic(spec, self.width).to(memory_format=torch.channels_last)
        self.average = EMA(self.gen, self.half_life)
        self.anchors = LeCam()
        self.opt_gen = Adam(self.gen.parameters(), lr=self.lr_generator, betas=(0.0, 0.9))
        usual = {"lr": self.lr_critic, "betas": (0.0, 0.9)}
        adam = lazy_adam(**usual, every=R1_EVERY) if self.gamma else usual
        self.opt_critic = Adam(self.critic.parameters(), **adam)

    def augmented(self, images: Tensor) -> Tensor:
        """What the critic sees of images: one draw a pair."""
        return diffaugment(images, self.policy, group=2)

    def asked(self, n: int) -> tuple[Tensor, Tensor]:
        """Latents [n, z] and labels [n] in pairs, every class of the training set equally likely."""
        labels = any_of(self.seen_classes(), n // 2).repeat_interleave(2)
        return normal(n, self.latent), labels

    def step(self, batch: Batch, t: int) -> Losses:
        z, labels = self.asked(len(batch))
        fake = self.gen(z, labels)
        with self.precise(batch.image.device, t):
            critic = self.critic_loss(batch, fake.detach().float(), labels, t)
            self.update(critic, self.opt_critic)
        with frozen(self.critic):
            generator = hinge_generator(self.critic(self.augmented(fake), labels))
        self.update(generator, self.opt_gen)
        self.average.update(self.gen, len(batch))
        return {"critic": critic, "generator": generator}

    def penalty(self, t: int) -> float:
        """The weight of R1 at step t."""
        return self.gamma * lazy(t, R1_EVERY)

    def precise(self, chosen: torch.device, t: int) -> AbstractContextManager:
        """Inside, the critic learns in float32 where the step has R1, which differentiates twice."""
        return torch.autocast(chosen.type, enabled=False) if self.penalty(t) else nullcontext()

    def critic_loss(self, batch: Batch, fake: Tensor, labels: Tensor, t: int) -> Tensor:
        """Hinge loss of real and generated images, with the penalties that are switched on."""
        penalty = self.penalty(t)
        real_images = self.augmented(batch.image).requires_grad_(penalty > 0)
        real, made = self.critic(real_images, batch.label), self.critic(self.augmented(fake), labels)
        loss = hinge_critic(real, made)
        if self.lecam:
            loss = loss + self.lecam * self.anchors(real, made)
        if penalty:
            loss = loss + r1(real, real_images, penalty)
        return loss

    def generate(self, want: Batch) -> Batch:
        z = normal(len(want), self.latent)
        with standing_statistics(self.average.module, *self.asked(STANDING)):
            return want.but(image=self.average(z, want.label))
