# SPDX-License-Identifier: Apache-2.0
"""Keep gradients out of networks that are only looked through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Inside, the parameters of these networks need no gradient; gradients still flow through to their inputs."""
    changed = [p for module in modules for p in module.parameters() if p.requires_grad]
    for p in changed:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in changed:
            p.requires_grad_(True)


@contextmanager
def looked_through(module: nn.Module) -> Iterator[None]:
    """As `frozen`, and inside the network drops nothing out and normalises by the batch without remembering it.

    What a deep copy in evaluation mode with batch statistics does, without the copy.
    """
    was = [(part, part.training) for part in module.modules()]
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    tracked = [norm.track_running_stats for norm in norms]
    module.eval()
    for norm in norms:
        norm.train()
        norm.track_running_stats = False
    try:
        with frozen(module):
            yield
    finally:
        for norm, tracks in zip(norms, tracked, strict=True):
            norm.track_running_stats = tracks
        for part, training in was:
            part.training = training
