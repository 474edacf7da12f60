# SPDX-License-Identifier: Apache-2.0
"""Networks that know a class: generator with conditional batch norm, projection critic, and a strided trunk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug.parts.nets.dcgan import normal_init, pyramid

Labels = Int[Tensor, " b"]


class ConditionalBatchNorm(nn.Module):
    """Batch norm whose gain and bias belong to the class (Dumoulin et al. 2017, arXiv 1610.07629).

    Statistics are always the batch's own; see `standing_statistics` for sampling.
    """

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False, track_running_stats=False)
        self.gain, self.bias = nn.Embedding(classes, channels), nn.Embedding(classes, channels)
        nn.init.normal_(self.gain.weight, 1.0, 0.02)
        nn.init.zeros_(self.bias.weight)

    def forward(self, x: Float[Tensor, "b c h w"], labels: Labels) -> Float[Tensor, "b c h w"]:
        gain, bias = self.gain(labels)[..., None, None], self.bias(labels)[..., None, None]
        return torch.addcmul(bias, self.norm(x), gain)


class ConditionalGenerator(nn.Module):
    """Latents [B, z] and labels -> images [B, C, H, W] in [-1, 1]; the class enters beside z and in every norm.

    The shape of DCGAN's generator: linear, then 5x5 transposed convolutions of stride 2, widths halving from
    `width * 2^(stages-1)`, ReLU, tanh.
    """

    def __init__(self, latent: int, classes: int, channels: int, height: int, width_px: int, *, width: int = 64):
        super().__init__()
        self.sizes = pyramid(height, width_px)
        stages = len(self.sizes) - 1
        widths = [width * 2 ** min(stages - 1 - i, 3) for i in range(stages)]
        self.embed = nn.Embedding(classes, latent)
        self.first = nn.Linear(2 * latent, widths[0] * self.sizes[0][0] * self.sizes[0][1], bias=False)
        self.norms = nn.ModuleList(ConditionalBatchNorm(w, classes) for w in widths)
        outs = [*widths[1:], channels]
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 5, stride=2, padding=2, bias=b == channels)
            for a, b in zip(widths, outs, strict=True)
        )
        for layer in (self.first, *self.ups):
            normal_init(layer)

    def forward(self, z: Float[Tensor, "b z"], labels: Labels) -> Float[Tensor, "b c h w"]:
        x = self.first(torch.cat([z, self.embed(labels)], 1)).view(len(z), -1, *self.sizes[0])
        for norm, up, size in zip(self.norms, self.ups, self.sizes[1:], strict=True):
            x = up(F.relu(norm(x, labels)), output_size=size)
        return torch.tanh(x)


class ProjectionHead(nn.Module):
    """Features [B, D] and labels -> logits [B]: psi(f) + <V y, f> (Miyato and Koyama 2018, arXiv 1802.05637)."""

    def __init__(self, features: int, classes: int):
        super().__init__()
        self.real = nn.Linear(features, 1)
        self.of_class = nn.Embedding(classes, features)

    def forward(self, x: Float[Tensor, "b d"], labels: Labels) -> Float[Tensor, " b"]:
        return self.real(x)[:, 0] + (self.of_class(labels) * x).sum(1)


class StridedTrunk(nn.Module):
    """Images [B, C, H, W] -> features [B, D]: pairs of 3x3 convolutions of stride 2 and 1, LeakyReLU, dropout.

    Widths double with each convolution from `width` up to `most * width`; a pair for each halving until the shorter
    side is about `least` px. `out` is D. The encoder and critic of BAGAN.
    """

    def __init__(
        self,
        channels: int,
        height: int,
        width_px: int,
        *,
        width: int,
        most: int,
        least: int,
        slope: float,
        dropout: float,
    ):
        super().__init__()
        sizes = pyramid(height, width_px, least)
        widths = [channels, *(width * min(2**i, most) for i in range(2 * (len(sizes) - 1)))]
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(pairwise(widths)):
            layers += [nn.Conv2d(a, b, 3, stride=2 - i % 2, padding=1), nn.LeakyReLU(slope), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.out = widths[-1] * sizes[0][0] * sizes[0][1]

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        return self.layers(x)


@contextmanager
def standing_statistics(generator: nn.Module, *reference: Tensor) -> Iterator[None]:
    """Inside, batch norms use the statistics that the reference inputs give, not those of the batch at hand.

    A batch of one class has other statistics than the mixed batches of training, and normalising by them would take
    away what makes the class. Nothing is left behind (Brock et al. 2019, arXiv 1809.11096, appendix C.2).
    """
    norms = [part for part in generator.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        device = reference[0].device
        norm.running_mean = torch.zeros(norm.num_features, device=device)
        norm.running_var = torch.ones(norm.num_features, device=device)
        norm.track_running_stats, norm.momentum, norm.training = True, 1.0, True
    try:
        generator(*reference)
        for norm in norms:
            norm.training = False
        yield
    finally:
        for norm in norms:
            norm.running_mean = norm.running_var = None
            norm.track_running_stats, norm.momentum, norm.training = False, 0.1, False
