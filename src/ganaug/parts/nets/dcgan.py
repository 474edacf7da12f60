# SPDX-License-Identifier: Apache-2.0
"""DCGAN's generator and critic trunk for any size: the default pair from 8 to 128 px.

Radford, Metz, Chintala 2016, arXiv 1511.06434. Sizes that are no power of two times four are made by giving each
up-sampling the exact size of the next stage, so 28 px, 30x50 and 120x120 work too.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


def pyramid(height: int, width: int, least: int = 4) -> list[tuple[int, int]]:
    """Sizes from the smallest (shorter side about `least`, at least 2) to (height, width), each twice the one before.

    An image of 8 px gets 2, 4, 8: two up-samplings, as for a larger one.
    """
    sizes = [(height, width)]
    while min(sizes[0]) > least or len(sizes) < 3:
        top = sizes[0]
        if min(top) <= 2:
            break
        sizes.insert(0, (-(-top[0] // 2), -(-top[1] // 2)))
    return sizes


class DCGenerator(nn.Module):
    """Latents [B, z] -> images [B, C, H, W] in [-1, 1]: linear, then 5x5 transposed convolutions of stride 2.

    Batch norm on every layer but the output, ReLU, tanh. Widths halve with each stage from `width * 2^(stages-1)`.
    Statistics are always the batch's own, at sampling too: running ones lag behind in short runs, and samples are
    made in chunks of fixed size, so they stay pure.
    """

    def __init__(self, latent: int, channels: int, height: int, width_px: int, *, width: int = 64):
        super().__init__()
        self.sizes = pyramid(height, width_px)
        stages = len(self.sizes) - 1
        widths = [width * 2 ** min(stages - 1 - i, 3) for i in range(stages)]
        self.first = nn.Linear(latent, widths[0] * self.sizes[0][0] * self.sizes[0][1], bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(w, track_running_stats=False) for w in widths)
        outs = [*widths[1:], channels]
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 5, stride=2, padding=2, bias=b == channels)
            for a, b in zip(widths, outs, strict=True)
        )
        self.apply(normal_init)

    def forward(self, z: Float[Tensor, "b z"]) -> Float[Tensor, "b c h w"]:
        x = self.first(z).view(len(z), -1, *self.sizes[0])
        for norm, up, size in zip(self.norms, self.ups, self.sizes[1:], strict=True):
            x = up(F.relu(norm(x)), output_size=size)
        return torch.tanh(x)


class DCTrunk(nn.Module):
    """Images [B, C, H, W] -> features [B, D]: 5x5 convolutions of stride 2, LeakyReLU 0.2.

    Batch norm on all layers but the first, unless `norm` is False (for spectral norm or penalties). `out` is D.
    """

    def __init__(self, channels: int, height: int, width_px: int, *, width: int = 64, norm: bool = True):
        super().__init__()
        sizes = pyramid(height, width_px)
        stages = len(sizes) - 1
        widths = [channels, *(width * 2 ** min(i, 3) for i in range(stages))]
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(pairwise(widths)):
            layers += [nn.Conv2d(a, b, 5, stride=2, padding=2, bias=not (norm and i))]
            layers += [nn.BatchNorm2d(b)] if norm and i else []
            layers += [nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.out = widths[-1] * sizes[0][0] * sizes[0][1]
        self.apply(normal_init)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        return self.layers(x)


def normal_init(module: nn.Module) -> None:
    """Weights N(0, 0.02), batch-norm gains N(1, 0.02), biases 0 (the paper, section 4)."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
