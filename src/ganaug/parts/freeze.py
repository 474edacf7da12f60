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
