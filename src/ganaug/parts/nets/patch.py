# SPDX-License-Identifier: Apache-2.0
"""PatchGAN: a critic that judges patches of a known size, each by itself."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from ganaug.data.errors import InputError


class PatchGAN(nn.Sequential):
    """Images [B, C, H, W] -> logits [B, 1, h, w], one a patch of `receptive_field(layers)` pixels.

    `layers` 4x4 convolutions of stride 2, then two of stride 1 (Isola et al. 2017, arXiv 1611.07004, appendix 6.1.2;
    layers = 3 is the 70 px critic). LeakyReLU 0.2, no norm in the first layer and the last; `norm` builds the others',
    instance norm without running statistics by default. Weights from N(0, 0.02).
    """

    def __init__(self, channels: int, width: int = 64, layers: int = 3, norm: type[nn.Module] = nn.InstanceNorm2d):
        widths = [channels, *(width * min(2**i, 8) for i in range(layers + 1))]
        stack: list[nn.Module] = []
        for i, (a, b) in enumerate(pairwise(widths)):
            stack.append(nn.Conv2d(a, b, 4, stride=2 if i < layers else 1, padding=1))
            stack += [norm(b)] if i else []
            stack.append(nn.LeakyReLU(0.2))
        super().__init__(*stack, nn.Conv2d(widths[-1], 1, 4, padding=1))
        self.apply(normal_weights)


def normal_weights(layer: nn.Module) -> None:
    """Convolutions from N(0, 0.02) with bias 0, gains of norms from N(1, 0.02)."""
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, 0.0, 0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    elif isinstance(layer, (nn.BatchNorm2d, nn.InstanceNorm2d)) and layer.weight is not None:
        nn.init.normal_(layer.weight, 1.0, 0.02)
        nn.init.zeros_(layer.bias)


def refuse_small(id: str, size: tuple[int, int], layers: int) -> None:
    """InputError where a side is too short for the critic's map to have a logit."""
    least = 3 * 2**layers
    if min(size) < least:
        raise InputError(
            f"{id} with critic_layers={layers} works from {least} pixels, the shortest side has {min(size)}: pass "
            "--size, or fewer layers (--set critic_layers=1)."
        )


def receptive_field(layers: int) -> int:
    """Side in pixels of the patch that one logit sees: 16, 34, 70, 142, 286 for 1 to 5 layers."""
    side = 1
    for stride in (1, 1, *[2] * layers):
        side = (side - 1) * stride + 4
    return side
