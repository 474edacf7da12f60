# SPDX-License-Identifier: Apache-2.0
"""Layers by which a critic sees how alike the images of a batch are, against collapsed generators.

Real and generated images must pass the critic in batches of their own.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class MinibatchStd(nn.Module):
    """Appends one map: the standard deviation over a group of images, averaged over channels and pixels.

    Karras et al. 2018, arXiv 1710.10196, section 3. Groups have `group` images, or the largest smaller number that
    divides the batch.
    """

    def __init__(self, group: int = 4):
        super().__init__()
        self.group = group

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c+1 h w"]:
        b, _, h, w = x.shape
        size = next(g for g in range(min(self.group, b), 0, -1) if b % g == 0)
        groups = x.reshape(size, b // size, -1)
        spread = (groups.var(0, unbiased=False) + 1e-8).sqrt().mean(1)
        return torch.cat([x, spread.repeat(size).view(b, 1, 1, 1).expand(b, 1, h, w)], 1)


class MinibatchDiscrimination(nn.Module):
    """Appends closeness to the rest of the batch: o_b(x_i) = sum over j != i of exp(-|M_ib - M_jb|_1), M = f(x) T.

    Salimans et al. 2016, arXiv 1606.03498, section 3.2 (100 kernels of 5 dimensions there). `out` is the number of
    features that come out.
    """

    def __init__(self, features: int, kernels: int = 100, dimensions: int = 5):
        super().__init__()
        self.tensor = nn.Parameter(torch.randn(features, kernels, dimensions) * 0.05)
        self.out = features + kernels

    def forward(self, x: Float[Tensor, "b a"]) -> Float[Tensor, "b a+k"]:
        m = torch.einsum("ba,akd->bkd", x, self.tensor)
        distance = (m[:, None] - m[None]).abs().sum(-1)
        closeness = torch.exp(-distance).sum(1) - 1  # without the image itself, whose distance is 0
        return torch.cat([x, closeness], 1)
