# SPDX-License-Identifier: Apache-2.0
"""Generators from image to image: a narrow-waisted residual network that must learn to copy what should stay."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug.parts.nets.patch import normal_weights
from ganaug.parts.nets.residual import conv


class ResnetGenerator(nn.Module):
    """Images [B, inputs, H, W] -> images [B, outputs, H, W] in [-1, 1]; any size from 2^(downs+1) and 4 px.

    A 7x7 convolution, `downs` 3x3 ones of stride 2 that double the width, residual blocks, as many transposed ones,
    and a 7x7 one with tanh (Johnson et al. 2016, arXiv 1603.08155; Zhu et al. 2017, arXiv 1703.10593, appendix 7.2:
    width 64, downs 2, blocks 6 up to 128 px and 9 from 256 px). Instance norm without gains and running statistics
    and ReLU after each but the last; reflected borders at stride 1; no way around the waist. Weights from N(0, 0.02).
    A transposed convolution of stride 2 makes 2n - 1 or 2n pixels of n, so odd sizes come out as they went in.
    """

    def __init__(self, inputs: int, outputs: int, width: int = 64, blocks: int = 6, downs: int = 2):
        super().__init__()
        steps = list(pairwise(width * 2**i for i in range(downs + 1)))
        waist = width * 2**downs
        self.first = nn.Sequential(conv(inputs, width, 7), nn.InstanceNorm2d(width), nn.ReLU())
        self.downs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), nn.InstanceNorm2d(b), nn.ReLU()) for a, b in steps
        )
        self.body = nn.Sequential(*(TranslatorBlock(waist) for _ in range(blocks)))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(b, a, 3, stride=2, padding=1) for a, b in reversed(steps))
        self.last = conv(width, outputs, 7)
        self.apply(normal_weights)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k h w"]:
        x = self.first(x)
        sizes = []
        for down in self.downs:
            sizes.append(list(x.shape[-2:]))
            x = down(x)
        x = self.body(x)
        for up in self.ups:
            x = F.relu(F.instance_norm(up(x, output_size=sizes.pop())))
        return torch.tanh(self.last(x))


class TranslatorBlock(nn.Module):
    """x + two 3x3 convolutions with reflected borders, ReLU between them, instance norm after each; nothing after +."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(
            conv(width, width, 3),
            nn.InstanceNorm2d(width),
            nn.ReLU(),
            conv(width, width, 3),
            nn.InstanceNorm2d(width),
        )

    def forward(self, x: Float[Tensor, "b d h w"]) -> Float[Tensor, "b d h w"]:
        return x + self.body(x)
