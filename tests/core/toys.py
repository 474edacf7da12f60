# SPDX-License-Identifier: Apache-2.0
"""Tiny systems and sets for the tests of the core."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ganaug.core.card import Card
from ganaug.core.system import System
from ganaug.data.image_set import ImageSet

CLASSES = ("dark", "grey", "bright")


def grey_levels(rows=8, side=8, channels=1, seed=0):
    """`rows` noisy images of each class; the class is the mean brightness."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(3), rows)
    pixels = 40 + 80 * label[:, None, None, None] + rng.integers(0, 30, (len(label), side, side, channels))
    return ImageSet.of(pixels.astype(np.uint8), label, CLASSES)


class Toy(System):
    """A linear layer that learns to map noise to zero; samples are noise."""

    CARD = Card(id="toy", title="Toy", needs=("label",), can=("sample",), shows="nothing.")

    def __init__(self, *, batch_size: int = 4, lr: float = 0.01):
        self.batch_size = batch_size
        self.lr = lr

    def build(self, spec):
        self.net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.3), nn.Linear(4, 2))
        self.opt = torch.optim.Adam(self.net.parameters(), lr=self.lr)
        self.rows_ = []

    def step(self, batch, t):
        loss = (self.net(torch.randn(len(batch), 3)) - batch.image.mean()).square().mean()
        self.update(loss, self.opt)
        self.rows_.append(batch.row.tolist())
        return {"loss": loss}

    def generate(self, want):
        shape = (len(want), self.spec.channels, *self.spec.size)
        return want.but(image=torch.rand(shape) * 2 - 1)


def equal(a, b):
    """Equality of nested values, tensors bit by bit."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    return type(a) is type(b) and a == b


def run_script(folder, code):
    """Python code in a process of its own, with these toys at hand."""
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True, timeout=120
    )
