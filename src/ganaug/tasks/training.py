# SPDX-License-Identifier: Apache-2.0
"""How every downstream network is trained: AdamW and one cycle of the learning rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import nn

from ganaug.core.device import autocast, channels_last, keep_heap, on_device
from ganaug.core.protocols import Source
from ganaug.core.seeding import seeded
from ganaug.data.batch import Batch


def trained(
    learner: Any, source: Source, steps: int, seed: int, loss: Callable[[nn.Module, Batch, int], torch.Tensor]
) -> nn.Module:
    """The learner's network after `steps` updates on the source, in evaluation mode.

    AdamW with the learner's `lr` and `weight_decay`; the rate warms up over a tenth of the updates (half of them where
    there are fewer than 20) and falls by a cosine.
    """
    keep_heap()
    warm_up = 0.1 if steps >= 20 else 0.5  # a tenth of 10 updates leaves nothing to warm up over
    with on_device() as device, seeded(seed, "learner"):
        model = learner.network(source.spec, source.outputs)
        channels_last([model])
        optimiser = torch.optim.AdamW(model.parameters(), lr=learner.lr, weight_decay=learner.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, learner.lr, total_steps=max(steps, 3), pct_start=warm_up, cycle_momentum=False
        )
        for t in range(steps):
            value = loss(model, source.batch(t).to(device), t)
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
            schedule.step()
    return model.eval()


def answer(network: Callable[[torch.Tensor], torch.Tensor], images: Float[torch.Tensor, "b c h w"]) -> torch.Tensor:
    """What a network says of images in training, in float32: the losses are computed from it.

    Products within it are in bfloat16 where the machine has it (`core.device.precision`): an update takes two thirds of
    the time, and the scores stay within the spread of seeds.
    """
    with autocast(images.device, mixed=True):
        return network(images).float()
