# SPDX-License-Identifier: Apache-2.0
"""Times the metrics against plain implementations of what their peers compute, and compares the values.

    python benchmarks/metrics.py [--rows 5000] [--dimensions 2048] [--rounds 2] [--clock cpu]

One JSON line a comparison: seconds (the best round), ratio, both values, command, commit, machine. Rivals are
written here from the published formulas: the matrix square root of the product of the covariances (pytorch-fid),
three kernel matrices a subset (torch-fidelity), whole distance matrices (prdc). On a shared machine set
OMP_NUM_THREADS=1 and take the processor's clock.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
import torch

from ganaug.parts.distances import frechet, frechet_features, kernel_distance, moments, prdc


def frechet_by_sqrtm(mean1, cov1, mean2, cov2):
    """The formula with scipy's matrix square root of the product."""
    root = np.real(scipy.linalg.sqrtm(cov1 @ cov2))
    return float(((mean1 - mean2) ** 2).sum() + np.trace(cov1) + np.trace(cov2) - 2 * np.trace(root))


def frechet_of_arrays(a, b):
    """Moments by numpy, then `frechet_by_sqrtm`."""
    one, two = ((x.mean(0), np.cov(x, rowvar=False)) for x in (a.astype(np.float64), b.astype(np.float64)))
    return frechet_by_sqrtm(*one, *two)


def kernel_by_subsets(a, b, subsets=100, size=1000):
    """Mean over random subsets, each with its three kernel matrices."""
    rng, values = np.random.default_rng(0), []

    def kernel(x, y):
        return (x @ y.T / x.shape[1] + 1) ** 3

    for _ in range(subsets):
        x = a[rng.choice(len(a), size, replace=False)]
        y = b[rng.choice(len(b), size, replace=False)]
        xx, yy, xy = kernel(x, x), kernel(y, y), kernel(x, y)
        within = xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)
        values.append(within / (size * (size - 1)) - 2 * xy.sum() / size**2)
    return float(np.mean(values))


def distance_matrix(x, y):
    squared = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T
    return np.sqrt(np.maximum(squared, 0))


def prdc_by_matrices(real, fake, k=5):
    """The four numbers from three whole distance matrices in float64."""
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    real_radii = np.partition(distance_matrix(real, real), k, axis=1)[:, k]
    fake_radii = np.partition(distance_matrix(fake, fake), k, axis=1)[:, k]
    cross = distance_matrix(real, fake)
    inside = cross < real_radii[:, None]
    recall, coverage = (cross < fake_radii).any(1).mean(), (cross.min(1) < real_radii).mean()
    return [float(inside.any(0).mean()), float(recall), float(inside.sum() / k / len(fake)), float(coverage)]


def timed(function: Callable[[], Any], rounds: int, clock: Callable[[], float]) -> tuple[float, Any]:
    """Best time in seconds, and the value."""
    seconds, value = [], None
    for _ in range(rounds):
        start = clock()
        value = function()
        seconds.append(clock() - start)
    return min(seconds), value


def comparisons(n: int, d: int) -> Iterator[tuple[str, Callable[[], Any], Callable[[], Any]]]:
    """Name, ours, rival; features as after a rectifier, with an uneven spectrum."""
    generator = torch.Generator().manual_seed(0)
    scale = torch.linspace(0.2, 1, d)
    a = (torch.randn(n, d, generator=generator) * scale).abs()
    b = (torch.randn(n, d, generator=generator) * scale * 1.05).abs()
    x, y = a.numpy(), b.numpy()
    one, two = moments(a), moments(b)
    arrays = [value.numpy() for value in (*one, *two)]
    few = min(500, n)
    yield f"frechet from moments d={d}", lambda: frechet(*one, *two), lambda: frechet_by_sqrtm(*arrays)
    yield f"frechet n={n} d={d}", lambda: frechet_features(a, b), lambda: frechet_of_arrays(x, y)
    yield (
        f"frechet n={few} d={d}",
        lambda: frechet_features(a[:few], b[:few]),
        lambda: frechet_of_arrays(x[:few], y[:few]),
    )
    for rows in sorted({min(2000, n), n}):
        yield (
            f"kernel distance n={rows} d={d}",
            lambda rows=rows: kernel_distance(a[:rows], b[:rows])[0],
            lambda rows=rows: kernel_by_subsets(x[:rows], y[:rows], size=min(1000, rows)),
        )
    yield f"prdc n={n} d={d}", lambda: list(prdc(a, b).values()), lambda: prdc_by_matrices(x, y)


def circumstances() -> dict[str, Any]:
    root = Path(__file__).parent
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False)
    return {
        "command": " ".join(["python", *sys.argv]),
        "commit": head.stdout.strip() or "unknown",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} torch threads",
        "versions": f"torch {torch.__version__}, numpy {np.__version__}, scipy {scipy.__version__}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    options = parser.parse_args()
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    where = circumstances()
    for name, ours, rival in comparisons(options.rows, options.dimensions):
        seconds, value = timed(ours, options.rounds, clock)
        other, expected = timed(rival, options.rounds, clock)
        figures = {"name": name, "seconds": round(seconds, 4), "rival_seconds": round(other, 4), "clock": options.clock}
        ratio = round(other / seconds, 1)
        print(json.dumps({**figures, "ratio": ratio, "value": value, "rival_value": expected, **where}))


if __name__ == "__main__":
    main()
