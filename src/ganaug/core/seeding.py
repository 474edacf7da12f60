# SPDX-License-Identifier: Apache-2.0
"""Randomness that is a pure function of (seed, purpose, step or chunk): nothing is stored, nothing leaks out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ganaug.core.device import device


def derive(seed: int, *purpose: object) -> int:
    """A 63-bit seed from a seed and what it is for; unlike for every purpose, equal on every machine."""
    text = repr((int(seed), *(str(part) for part in purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


@contextmanager
def seeded(seed: int, *purpose: object) -> Iterator[None]:
    """Inside, plain torch randomness follows (seed, purpose); outside, the global state is untouched."""
    on_gpu = device().type == "cuda"
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if on_gpu else []):
        torch.default_generator.manual_seed(derive(seed, *purpose))  # torch.manual_seed is ten times slower
        if on_gpu:
            torch.cuda.manual_seed(derive(seed, *purpose))
        yield


def generator(seed: int, *purpose: object) -> torch.Generator:
    """A CPU generator of its own for (seed, purpose), for code outside a seeded context."""
    return torch.Generator().manual_seed(derive(seed, *purpose))
