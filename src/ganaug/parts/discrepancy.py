# SPDX-License-Identifier: Apache-2.0
"""Unbiased squared maximum mean discrepancies of many pairs of subsets (Gretton et al. 2012, equation 3).

Kernel (x.y / d + 1)^3 (Binkowski et al. 2018, arXiv 1801.01401). Two forms of the same numbers: subset by subset,
or all at once where the subsets together are larger than the sets that they are drawn from.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

ROWS = 512  # rows of a whole kernel matrix that are held at a time


def draw(n: int, subsets: int, size: int, generator: torch.Generator) -> Int[Tensor, "s size"]:
    """Rows of `subsets` random subsets of n rows, each without replacement."""
    return torch.stack([torch.randperm(n, generator=generator)[:size] for _ in range(subsets)])


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x / x.shape[1] @ y.T).add_(1).pow_(3)


def _from_sums(xx: Tensor, yy: Tensor, xy: Tensor, size: int) -> Tensor:
    return (xx + yy) / (size * (size - 1)) - 2 * xy / size**2


def by_subsets(
    a: Float[Tensor, "n d"], b: Float[Tensor, "m d"], rows_a: Int[Tensor, "s size"], rows_b: Int[Tensor, "s size"]
) -> Float[Tensor, " s"]:
    """Squared discrepancy of each pair of subsets, by its three kernel matrices."""
    values = []
    for x, y in ((a[i], b[j]) for i, j in zip(rows_a, rows_b, strict=True)):
        xx, yy, xy = _kernel(x, x).double(), _kernel(y, y).double(), _kernel(x, y).double()
        values.append(_from_sums(xx.sum() - xx.trace(), yy.sum() - yy.trace(), xy.sum(), len(x)))
    return torch.stack(values)


def by_indicators(
    a: Float[Tensor, "n d"], b: Float[Tensor, "m d"], rows_a: Int[Tensor, "s size"], rows_b: Int[Tensor, "s size"]
) -> Float[Tensor, " s"]:
    """The same by one pass over the whole kernels: the sum over a subset is s' K s, with s of 0 and 1."""
    s, t = _indicators(rows_a, a), _indicators(rows_b, b)
    cross = sum(
        (i @ _kernel(rows, b) * t).sum(1, dtype=torch.float64)
        for rows, i in zip(a.split(ROWS), s.split(ROWS, 1), strict=True)
    )
    return _from_sums(_within(a, s), _within(b, t), cross, rows_a.shape[1])


def _indicators(rows: Tensor, x: Tensor) -> Float[Tensor, "s n"]:
    return torch.zeros(len(rows), len(x), dtype=x.dtype, device=x.device).scatter_(1, rows, 1)


def _within(x: Tensor, s: Tensor) -> Float[Tensor, " s"]:
    """Kernel sums over the ordered pairs of different rows of each subset, from the upper half of K."""
    total = torch.zeros(len(s), dtype=torch.float64, device=x.device)
    for start in range(0, len(x), ROWS):
        here, after = slice(start, start + ROWS), slice(start + ROWS, None)
        kernel = _kernel(x[here], x[here]).fill_diagonal_(0)
        total += (s[:, here] @ kernel * s[:, here]).sum(1, dtype=torch.float64)
        total += 2 * (s[:, here] @ _kernel(x[here], x[after]) * s[:, after]).sum(1, dtype=torch.float64)
    return total
