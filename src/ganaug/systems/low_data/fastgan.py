# SPDX-License-Identifier: Apache-2.0
"""FastGAN: large images from a few dozen, by a light generator and a critic that must also redraw what it sees.

Bingchen Liu, Yizhe Zhu, Kunpeng Song, Ahmed Elgammal, "Towards Faster and Stabilized GAN Training for High-fidelity
Few-shot Image Synthesis", ICLR 2021, arXiv 2101.04775.

In the generator, maps of low resolution scale the channels of maps of high resolution (skip-layer excitation), a short
way for gradients that costs next to nothing. In the critic, small decoders rebuild real images from its maps, the whole
image from the last one and a random quadrant from the one before, so that its features must describe the images and not
only a few telltale spots. Everything that the critic sees passes DiffAugment, and images are made by a moving average
of the generator's weights.

Labels: none. One clone a class (`PerClass`) makes labelled images.
Deviations: rebuilt images are compared by mean absolute error, not by a pretrained network (LPIPS); sizes below 128 px
too, where excitation reaches over fewer doublings (see `Generator`); as in the paper's text, and not the authors'
code, margins of the hinge loss are 1 and neither a second critic looks at the image at 128 px nor does excitation act
in the critic; one residual block a halving at all sizes; samples use the statistics of their chunk. Preset small is a
narrow pair with a higher rate, of which five minutes at 64 px are about 1200 steps.
Cost: see the card.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from ganaug.core.card import Card
from ganaug.core.system import Losses, System
from ganaug.data.batch import Batch
from ganaug.data.spec import Spec
from ganaug.parts.ema import EMA
from ganaug.parts.freeze import frozen
from ganaug.parts.losses.adversarial import hinge_critic, hinge_generator
from ganaug.parts.nets.dcgan import normal_init, pyramid
from ganaug.parts.nets.fastgan import DownBlock, SkipExcitation, decoder, gated, judged, up
from ganaug.parts.nets.spectral import spectrally_normalised
from ganaug.parts.ops.diffaugment import diffaugment
from ganaug.parts.priors import normal

WIDTHS = (16.0, 8.0, 4.0, 2.0, 2.0, 1.0, 0.5, 0.25, 0.125)  # of the generator's maps from 4 to 1024 px, times `width`
REACH = 4  # doublings between two maps of which the lower scales the higher
DECODED = 4  # doublings of a decoder: from 8 to 128 px


class Generator(nn.Module):
    """Latents [B, z] -> images [B, C, H, W] in [-1, 1], spectrally normalised.

    A transposed convolution to about 4x4, then a gated stage for each doubling, every other one with noise. The map
    after i doublings scales the one after i + r: r is 4, as in the paper (8 -> 128, 16 -> 256, 32 -> 512, and the
    authors' code also 4 -> 64), but at most one less than there are doublings, so that two pairs exist at any size
    (at 64 px 4 -> 32 and 8 -> 64, at 32 px 4 -> 16 and 8 -> 32).
    """

    def __init__(self, latent: int, channels: int, size: tuple[int, int], width: int):
        super().__init__()
        sizes = pyramid(*size)
        widths = [max(int(share * width), 4) for share in WIDTHS[: len(sizes)]]
        first = nn.ConvTranspose2d(latent, 2 * widths[0], sizes[0], bias=False)
        self.first = nn.Sequential(*gated(first, widths[0]))
        self.ups = nn.ModuleList(
            up(a, b, size, noise=i % 2 == 0)
            for i, ((a, b), size) in enumerate(zip(pairwise(widths), sizes[1:], strict=True))
        )
        self.reach = min(REACH, len(self.ups) - 1)
        pairs = zip(widths[: -self.reach], widths[self.reach :], strict=True)
        self.excite = nn.ModuleList(SkipExcitation(low, high) for low, high in pairs)
        self.paint = nn.Conv2d(widths[-1], channels, 3, padding=1, bias=False)
        spectrally_normalised(self.apply(normal_init))

    def forward(self, z: Float[Tensor, "b z"]) -> Float[Tensor, "b c h w"]:
        maps = [self.first(z[:, :, None, None])]
        for i, stage in enumerate(self.ups, 1 - self.reach):
            x = stage(maps[-1])
            maps.append(self.excite[i](maps[i], x) if i >= 0 else x)
        return torch.tanh(self.paint(maps[-1]))


class Critic(nn.Module):
    """Images [B, C, H, W] -> logits [B, 1, h, w], 5x5 for a square power of two; spectrally normalised.

    Residual blocks halve the image until its shorter side has 8 to 15 px. Two decoders rebuild images from the last two
    maps, over up to four doublings each (8 -> 128 px).
    """

    def __init__(self, channels: int, size: tuple[int, int], width: int):
        super().__init__()
        halvings = min(size).bit_length() - 4
        widths = [max(8 * width >> k, 4) for k in range(halvings, -1, -1)]
        self.first = nn.Sequential(nn.Conv2d(channels, widths[0], 3, padding=1, bias=False), nn.LeakyReLU(0.2))
        self.downs = nn.Sequential(*(DownBlock(a, b) for a, b in pairwise(widths)))
        last = widths[-1]
        self.head = nn.Sequential(
            *judged(nn.Conv2d(last, 2 * last, 1, bias=False), 2 * last), nn.Conv2d(2 * last, 1, 4, bias=False)
        )
        half = (size[0] // 2, size[1] // 2)
        self.whole = decoder(last, channels, halved(size, halvings), width)
        self.piece = decoder(widths[-2], channels, halved(half, halvings - 1), width)
        spectrally_normalised(self.apply(normal_init))

    def maps(self, images: Float[Tensor, "b c h w"]) -> tuple[Tensor, Tensor]:
        """The last two maps, of which the second has half the size of the first."""
        fine = self.downs[:-1](self.first(images))
        return fine, self.downs[-1](fine)

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
        return self.head(self.maps(images)[1])

    def rebuilding(self, maps: tuple[Tensor, Tensor], images: Float[Tensor, "b c h w"], part: int) -> Float[Tensor, ""]:
        """Mean absolute errors of the whole image and of quadrant `part`, rebuilt from maps (section 3.2).

        Targets are the means over areas that give them the size of what is rebuilt.
        """
        whole, piece = self.whole(maps[1]), self.piece(quadrant(maps[0], part))
        return F.l1_loss(whole, shrunk(images, whole)) + F.l1_loss(piece, shrunk(quadrant(images, part), piece))


def halved(size: tuple[int, int], times: int) -> list[tuple[int, int]]:
    """The sizes that a decoder takes from a map that was halved so often, in growing order."""
    return [(size[0] >> k, size[1] >> k) for k in range(times - 1, -1, -1)][:DECODED]


def quadrant(x: Float[Tensor, "b c h w"], part: int) -> Float[Tensor, "b c hh ww"]:
    """Part 0 to 3 of maps or images: top left, top right, bottom left, bottom right."""
    h, w = x.shape[-2] // 2, x.shape[-1] // 2
    rows = x[:, :, -h:] if part >= 2 else x[:, :, :h]
    return rows[..., -w:] if part % 2 else rows[..., :w]


def shrunk(images: Tensor, like: Tensor) -> Tensor:
    """Images at the size of others, by means over areas."""
    return F.adaptive_avg_pool2d(images, like.shape[-2:])


class FastGAN(System):
    """FastGAN (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    latent : size of the normal noise vector (paper: 256).
    width : channels of the generator's map at 128 px and of the critic's at 64 px (paper: 64).
    batch_size : images a step (paper: 8).
    lr : Adam's learning rate, betas 0.5 and 0.999 (paper: 2e-4).
    reconstruction : weight of the rebuilt images in the critic's loss, 0 leaves the decoders untrained (authors' code:
        its distances are summed over the 8 images of a batch, which is 8 times their mean).
    policy : operations of `diffaugment` on everything the critic sees (paper: color,translation).
    half_life : of the moving average of the generator, in images (paper: 0.999 a step, which is 5500).
    """

    CARD = Card(
        id="fastgan",
        title="FastGAN",
        paper="Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis",
        arxiv="2101.04775",
        year=2021,
        can=("sample",),
        sizes=(32, 1024),
        labels="none",
        min_rows=20,
        cost="240 ms a step at 64 px, batch 8, preset small, one busy core",
        deviations=(
            "rebuilt images are compared by mean absolute error instead of LPIPS",
            "sizes from 32 px, with excitation over three doublings at 64 px and two at 32 px",
            "hinge margins of 1, no second critic at 128 px, no excitation in the critic",
            "one residual block a halving at all sizes",
        ),
        shows="the critic's features rebuild images that it has not seen, better than their mean would.",
    )
    PRESETS = {
        "paper": {"width": 64, "batch_size": 8, "lr": 2e-4},
        "small": {"width": 8, "batch_size": 8, "latent": 64, "lr": 1e-3},
        "tiny": {"width": 4, "batch_size": 8, "latent": 16, "lr": 1e-3},
    }

    def __init__(
        self,
        *,
        latent: int = 256,
        width: int = 64,
        batch_size: int = 8,
        lr: float = 2e-4,
        reconstruction: float = 8.0,
        policy: str = "color,translation",
        half_life: float = 5500,
    ):
        self.latent = latent
        self.width = width
        self.batch_size = batch_size
        self.lr = lr
        self.reconstruction = reconstruction
        self.policy = policy
        self.half_life = half_life

    def build(self, spec: Spec) -> None:
        self.gen = Generator(self.latent, spec.channels, spec.size, self.width)
        self.critic = Critic(spec.channels, spec.size, self.width)
        self.average = EMA(self.gen, self.half_life)
        self.opt_gen = Adam(self.gen.parameters(), lr=self.lr, betas=(0.5, 0.999))
        self.opt_critic = Adam(self.critic.parameters(), lr=self.lr, betas=(0.5, 0.999))

    def step(self, batch: Batch, t: int) -> Losses:
        real = diffaugment(batch.image, self.policy)
        fake = diffaugment(self.gen(normal(len(batch), self.latent)), self.policy)
        maps, part = self.critic.maps(real), int(torch.randint(4, (), device="cpu"))
        critic = hinge_critic(self.critic.head(maps[1]), self.critic(fake.detach()))
        rebuilt = self.critic.rebuilding(maps, real, part)
        self.update(critic + self.reconstruction * rebuilt, self.opt_critic)
        with frozen(self.critic):
            generator = hinge_generator(self.critic(fake))
        self.update(generator, self.opt_gen)
        self.average.update(self.gen, len(batch))
        return {"critic": critic, "rebuilt": rebuilt, "generator": generator}

    def generate(self, want: Batch) -> Batch:
        return want.but(image=self.average(normal(len(want), self.latent)))
