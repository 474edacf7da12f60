# SPDX-License-Identifier: Apache-2.0
"""Adaptive instance normalisation: a content map painted with the statistics that a code asks for."""

from __future__ import annotations

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug.parts.nets.residual import conv

NARROWEST = 16  # channels of a convolution at full size


def adain(
    x: Float[Tensor, "b c h w"], scale: Float[Tensor, "b c"], shift: Float[Tensor, "b c"]
) -> Float[Tensor, "b c h w"]:
    """scale * IN(x) + shift, per image and channel (Huang and Belongie 2017, arXiv 1703.06868, equation 8)."""
    return scale[..., None, None] * F.instance_norm(x) + shift[..., None, None]


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers with LeakyReLU 0.2 between them."""
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1])


class AdaINBlock(nn.Module):
    """x + two 3x3 convolutions with AdaIN; two MLPs read its scales and its shifts from a part of the code."""

    def __init__(self, width: int, code: int, hidden: int):
        super().__init__()
        self.first, self.second = conv(width, width, 3), conv(width, width, 3)
        self.scales, self.shifts = (mlp(code, hidden, hidden, 2 * width) for _ in range(2))

    def forward(self, x: Float[Tensor, "b c h w"], code: Float[Tensor, "b d"]) -> Float[Tensor, "b c h w"]:
        scales, shifts = self.scales(code).chunk(2, 1), self.shifts(code).chunk(2, 1)
        y = F.leaky_relu(adain(self.first(x), scales[0], shifts[0]), 0.2)
        return x + adain(self.second(y), scales[1], shifts[1])


class AdaINDecoder(nn.Module):
    """Content [B, width, h, w] and code [B, D] -> images [B, channels, 4h, 4w], without an output function.

    Block b reads the b-th part of the code. Two doublings by nearest neighbour, 5x5 convolution, layer norm, LeakyReLU;
    then two 3x3 and a 1x1 convolution (DG-Net, arXiv 1904.07223; of at least 16 channels also where `width` is small,
    because fewer can't hold a picture). D must be a multiple of `blocks`.
    """

    def __init__(self, width: int, channels: int, code: int, *, blocks: int):
        super().__init__()
        self.blocks = nn.ModuleList(AdaINBlock(width, code // blocks, 4 * width) for _ in range(blocks))
        half, quarter = (max(width // part, NARROWEST) for part in (2, 4))
        self.paint = nn.Sequential(
            *doubled(width, half),
            *doubled(half, quarter),
            *(conv(quarter, quarter, 3), nn.LeakyReLU(0.2), conv(quarter, quarter, 3), nn.LeakyReLU(0.2)),
            conv(quarter, channels, 1),
        )
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight, a=0.2)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, content: Float[Tensor, "b w h v"], code: Float[Tensor, "b d"]) -> Float[Tensor, "b c hh vv"]:
        for block, part in zip(self.blocks, code.chunk(len(self.blocks), 1), strict=True):
            content = block(content, part)
        return self.paint(content)


def doubled(a: int, b: int) -> list[nn.Module]:
    """Twice the size, then convolution, layer norm over channels and places, LeakyReLU."""
    return [nn.Upsample(scale_factor=2), conv(a, b, 5), nn.GroupNorm(1, b), nn.LeakyReLU(0.2)]
