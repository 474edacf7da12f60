# SPDX-License-Identifier: Apache-2.0
"""DAGAN: variants of an image that stay in its class, also for classes that training has never seen.

Antreas Antoniou, Amos Storkey, Harrison Edwards, "Data Augmentation Generative Adversarial Networks", 2017, arXiv
1711.04340.

A residual U-Net paints a variant of the image that it is given; noise joins in at three scales. The critic (WGAN-GP)
judges pairs: two real images of one class against an image and its variant. An image of another class gives itself
away, and so does a copy, because no real pair holds one image twice. Neither network is told a class, so whatever
belongs to the class, rather than to the image, has to be found in the image.

Labels: hard, the class of the given image. The paper tells its classifier too which images are generated; this is left
to whoever trains one. Masks, boxes and the like are dropped, because they do not fit a variant.
Gradients: the critic's steps leave the generator alone, and the generator's step the critic.
Deviations: the norm of the gradient is over all axes of a pair, as WGAN-GP has it, and no pair holds one image twice;
the authors' code sums over the height alone and draws with replacement. Residual blocks with instance norm stand for
dense blocks with batch renorm and dropout, so that a variant depends on no other image, and DCGAN's trunk without norm
for the critic's dense blocks. The U-Net halves the sides down to about 4 px, not always four times. Variants are
painted with a moving average of the weights (preset paper: without). Pairs are not turned by quarter turns at random.
Preset small has narrow networks, two updates of the critic a step, batches of 16 and twenty times the rate.
Cost: see the card.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from ganaug.core.card import Card
from ganaug.core.system import Losses, System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.spec import Spec
from ganaug.data.view import TrainView
from ganaug.parts.ema import EMA
from ganaug.parts.freeze import frozen
from ganaug.parts.losses.adversarial import wasserstein_critic, wasserstein_generator
from ganaug.parts.losses.penalties import gradient_penalty
from ganaug.parts.nets.dcgan import DCTrunk, pyramid
from ganaug.parts.nets.residual import ResBlock, conv
from ganaug.parts.priors import normal

PENALTY = 10.0  # lambda of WGAN-GP
NOISE_MAPS = (8, 4, 2)  # channels of noise in the first stages on the way up


def paired_classes(data: ImageSet) -> Int[np.ndarray, " k"]:
    """The classes of two images or more."""
    assert data.label is not None
    present, counts = np.unique(data.label[data.label >= 0], return_counts=True)
    return present[counts > 1]


def same_class_pairs(data: ImageSet, n: int, seed: int, t: int) -> Int[Tensor, " n"]:
    """n // 2 classes uniformly, and two different rows of each, one after the other."""
    rng = np.random.default_rng([seed, 5, t])
    members = [np.flatnonzero(data.label == k) for k in rng.choice(paired_classes(data), n // 2)]
    return torch.from_numpy(np.concatenate([rng.choice(rows, 2, replace=False) for rows in members]))


class Generator(nn.Module):
    """Images [B, C, H, W] and noise [B, z] -> variants [B, C, H, W] in [-1, 1]: a residual U-Net.

    3x3 convolutions of stride 2 on the way down, nearest-neighbour resizing on the way up, LeakyReLU 0.2, residual
    blocks at every size but the full one. Each stage on the way up is joined by the maps of equal size, the last one by
    the image itself, and the first three by 8, 4 and 2 maps of noise, each a linear layer of z.
    """

    def __init__(self, latent: int, width: int, spec: Spec):
        super().__init__()
        sizes = pyramid(*spec.size)[:-1]
        widths = [width * (1 + i // 2) for i in range(len(sizes))]
        self.first = conv_relu(spec.channels, width, stride=2)
        self.downs = nn.ModuleList(nn.Sequential(ResBlock(a), conv_relu(a, b, stride=2)) for a, b in pairwise(widths))
        widths.reverse()
        noise = [*NOISE_MAPS, *[0] * len(sizes)][: len(sizes)]
        self.noise = nn.ModuleList(nn.Linear(latent, k * h * w) for k, (h, w) in zip(noise, sizes, strict=True) if k)
        given = [widths[0], *(a + b for a, b in pairwise(widths))]
        self.ups = nn.ModuleList(
            nn.Sequential(conv_relu(a + k, b), ResBlock(b)) for a, b, k in zip(given, widths, noise, strict=True)
        )
        self.last = nn.Sequential(conv_relu(width + spec.channels, width), conv(width, spec.channels, 3))

    def forward(self, x: Float[Tensor, "b c h w"], z: Float[Tensor, "b z"]) -> Float[Tensor, "b c h w"]:
        maps = [x, self.first(x)]
        for down in self.downs:
            maps.append(down(maps[-1]))
        y = maps.pop()
        for i, up in enumerate(self.ups):
            if i < len(self.noise):
                y = torch.cat([y, self.noise[i](z).view(len(z), -1, *y.shape[-2:])], 1)
            beside = maps.pop()
            y = torch.cat([F.interpolate(up(y), size=beside.shape[-2:]), beside], 1)
        return torch.tanh(self.last(y))


def conv_relu(a: int, b: int, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution and LeakyReLU 0.2."""
    return nn.Sequential(conv(a, b, 3, stride), nn.LeakyReLU(0.2))


class DAGAN(System):
    """DAGAN (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    latent : size of the normal noise vector (paper: 100).
    width : channels of the generator's first layer (paper: 64).
    critic_width : channels of the critic's first layer (paper: 64).
    critic_steps : updates of the critic for each of the generator, which make one step (paper: 5).
    batch_size : pairs an update (paper: 32).
    lr : Adam's learning rate, betas 0 and 0.9 (paper: 1e-4).
    half_life : of the moving average of the generator, in images; 0 keeps none (paper: none).
    """

    CARD = Card(
        id="dagan",
        title="DAGAN",
        paper="Data Augmentation Generative Adversarial Networks",
        arxiv="1711.04340",
        year=2017,
        lists=("002",),
        task=("classification", "few_shot"),
        needs=("label",),
        can=("augment",),
        min_rows=5,
        deviations=(
            "the gradient penalty's norm is over all axes of a pair, and no pair holds one image twice",
            "residual blocks with instance norm instead of dense blocks with batch renorm and dropout",
            "the critic is DCGAN's trunk without norm",
            "the U-Net halves the sides down to about 4 px",
            "variants are painted with a moving average of the weights, but for preset paper",
            "pairs are not turned by quarter turns at random",
            "preset small: narrow networks, two updates of the critic a step, batches of 16, twenty times the rate",
        ),
        cost="110 ms a step at 28 px, batch 16, preset small, one core",
        shows="variants of unseen glyphs keep their class far more often than when real pairs are of two classes.",
    )
    PRESETS = {
        "paper": {"width": 64, "critic_width": 64, "critic_steps": 5, "batch_size": 32, "lr": 1e-4, "half_life": 0.0},
        "small": {},
        "tiny": {"latent": 16, "width": 8, "critic_width": 8, "batch_size": 8, "half_life": 300.0},
    }
    sampler = staticmethod(same_class_pairs)

    def __init__(
        self,
        *,
        latent: int = 100,
        width: int = 16,
        critic_width: int = 16,
        critic_steps: int = 2,
        batch_size: int = 16,
        lr: float = 2e-3,
        half_life: float = 1000.0,
    ):
        self.latent = latent
        self.width = width
        self.critic_width = critic_width
        self.critic_steps = critic_steps
        self.batch_size = batch_size
        self.lr = lr
        self.half_life = half_life

    # --- before the first step ------------------------------------------------------------------------------------

    @property
    def rows_per_step(self) -> int:
        """Two rows a pair, and pairs of their own for every update of the critic."""
        return 2 * self.batch_size * self.critic_steps

    def build(self, spec: Spec) -> None:
        self.gen = Generator(self.latent, self.width, spec)
        trunk = DCTrunk(2 * spec.channels, *spec.size, width=self.critic_width, norm=False)
        self.critic = nn.Sequential(trunk, nn.Linear(trunk.out, 1))
        self.average = EMA(self.gen, self.half_life)
        self.opt_gen = Adam(self.gen.parameters(), lr=self.lr, betas=(0.0, 0.9))
        self.opt_critic = Adam(self.critic.parameters(), lr=self.lr, betas=(0.0, 0.9))

    def prepare(self, train: TrainView) -> None:
        """InputError where no two images share a class."""
        if not len(paired_classes(train)):
            raise InputError("dagan learns from two images of a class, and no class of this set has two: give more.")

    # --- one step -------------------------------------------------------------------------------------------------

    def step(self, batch: Batch, t: int) -> Losses:
        """The critic on pairs of its own for each of its updates, then the generator."""
        image, other = batch.image[0::2], batch.image[1::2]
        with torch.no_grad():
            variant = self.varied(image)
        for parts in zip(*(x.chunk(self.critic_steps) for x in (image, other, variant)), strict=True):
            critic = self.critic_loss(*parts)
            self.update(critic, self.opt_critic)
        image = image[-self.batch_size :]
        with frozen(self.critic):
            generator = wasserstein_generator(self.critic(torch.cat([image, self.varied(image)], 1)))
        self.update(generator, self.opt_gen)
        self.average.update(self.gen, len(image))
        return {"critic": critic, "generator": generator}

    def varied(self, image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """A variant of each image, by the generator that learns."""
        return self.gen(image, normal(len(image), self.latent))

    def critic_loss(self, image: Tensor, other: Tensor, variant: Tensor) -> Float[Tensor, ""]:
        """WGAN-GP of real pairs (image, other) and generated pairs (image, variant), joined by their channels."""
        real, fake = torch.cat([image, other], 1), torch.cat([image, variant], 1)
        on_real, on_fake = self.critic(torch.cat([real, fake])).chunk(2)
        return wasserstein_critic(on_real, on_fake) + PENALTY * gradient_penalty(self.critic, real, fake)

    # --- what it yields -------------------------------------------------------------------------------------------

    def vary(self, batch: Batch) -> Batch:
        """A variant of each image with its label; InputError for images of another shape than in training."""
        shape = (self.spec.channels, *self.spec.size)
        if batch.image.shape[1:] != shape:
            raise InputError(
                f"dagan was fitted on images of (channels, height, width) {shape}, and the given ones have "
                f"{tuple(batch.image.shape[1:])}: pass --size, or convert them."
            )
        image = self.average(batch.image, normal(len(batch), self.latent))
        return Batch(image=image, label=batch.label, soft_label=batch.soft_label, group=batch.group, index=batch.index)
