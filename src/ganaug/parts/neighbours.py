# SPDX-License-Identifier: Apache-2.0
"""Nearest neighbours among the rows of one class or of the whole set."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def nearest_others(x: Float[Tensor, "n d"], k: int) -> Int[Tensor, "n k"]:
    """The k nearest other rows of each row, nearest first, by chunks so that memory stays linear.

    Rows that are equal to it are others too.
    """
    found = []
    for rows in torch.arange(len(x)).split(1024):
        distance = torch.cdist(x[rows], x)
        distance[torch.arange(len(rows)), rows] = torch.inf
        found.append(distance.topk(k, largest=False).indices)
    return torch.cat(found)


def same_class_neighbours(x: Float[Tensor, "n d"], label: Int[Tensor, " n"], k: int) -> Int[Tensor, "n k"]:
    """For each row its k nearest other rows of the same class.

    A class with fewer than k others repeats those it has; a row without any other is its own neighbour.
    """
    table = torch.arange(len(x))[:, None].repeat(1, k)
    for c in label.unique():
        rows = torch.nonzero(label == c).flatten()
        least = min(k, len(rows) - 1)
        if least:
            others = nearest_others(x[rows], least)
            table[rows] = rows[others[:, torch.arange(k) % least]]
    return table
