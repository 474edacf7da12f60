# SPDX-License-Identifier: Apache-2.0
"""A moving average of a network's weights: the copy that images are made with."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn


class EMA(nn.Module):
    """An exponential moving average of a network, with a half-life in images.

    After each generator step: theta <- b * theta + (1 - b) * new with b = 0.5^(batch / half-life) (Karras et al.
    2020, arXiv 1912.04958). While few images have been seen, the half-life is `ramp` times their number, so that the
    first weights are soon forgotten. Buffers are copied, not averaged. `module` is the averaged network.
    """

    seen: Tensor

    def __init__(self, network: nn.Module, half_life: float = 10_000, ramp: float = 0.05):
        super().__init__()
        self.half_life, self.ramp = half_life, ramp
        self.module = deepcopy(network).requires_grad_(False)
        self.register_buffer("seen", torch.zeros(()))

    @torch.no_grad()
    def update(self, network: nn.Module, batch: int) -> None:
        """Move towards `network`, which has just learned from `batch` images."""
        self.seen += batch
        half_life = (self.ramp * self.seen).clamp(max=self.half_life)
        share = 1 - 0.5 ** (batch / half_life)
        for mine, new in zip(self.module.parameters(), network.parameters(), strict=True):
            mine.lerp_(new, share.to(mine.dtype))
        for mine, new in zip(self.module.buffers(), network.buffers(), strict=True):
            mine.copy_(new)

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.module(*inputs)
