# SPDX-License-Identifier: Apache-2.0
"""Jobs over workers: joblib on one machine, or its Ray or Dask backend on a cluster."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from ganaug.data.errors import InputError, Stopped

LOST = (
    "the system ended a worker, most often because memory ran out: take fewer --workers or a smaller --size, and go on "
    "with --resume."
)


def run_all(
    function: Callable,
    data: Any,
    jobs: Sequence[Any],
    rest: Sequence[Any],
    workers: int,
    backend: str,
    what: str,
    log: Callable[[int, int, str, float], None] | None,
) -> list:
    """`function(data, job, *rest)` for every job, in the order of the jobs; one thread a worker.

    Jobs are handed out one by one: quick ones (copies) would have joblib bundle those that follow, and a bundle of two
    slow ones (generators) leaves a worker idle. Stopped when the system ends a worker.
    """
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    register(backend)
    done, started = [], time.monotonic()
    calls = (delayed(numbered)(i, function, data, job, rest) for i, job in enumerate(jobs))
    with parallel_config(backend=backend, n_jobs=workers, inner_max_num_threads=1 if backend == "loky" else None):
        try:
            for i, result in Parallel(batch_size=1, return_as="generator_unordered")(calls):
                done.append((i, result))
                if log is not None:
                    each = (time.monotonic() - started) / len(done)
                    log(len(done), len(jobs), what, each * (len(jobs) - len(done)))
        except TerminatedWorkerError:
            raise Stopped(LOST) from None
    return [result for _, result in sorted(done, key=lambda pair: pair[0])]


def numbered(i: int, function: Callable, data: Any, job: Any, rest: Sequence[Any]) -> tuple[int, Any]:
    """A result with the number of its job, because results come back as they finish.

    Always one thread: sums in another order differ in their last bits, and results must not depend on the workers.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # advice on too few images, which the report gives too
            return i, function(data, job, *rest)
    finally:
        torch.set_num_threads(before)


BACKENDS = {"loky": "", "threading": "", "multiprocessing": "", "sequential": "", "ray": "ray", "dask": "distributed"}


def check_backend(backend: str) -> None:
    """InputError for a backend that joblib does not know, or whose package is not installed."""
    if backend not in BACKENDS:
        raise InputError(f"there is no backend '{backend}': there are {', '.join(BACKENDS)}.")
    if BACKENDS[backend] and find_spec(BACKENDS[backend]) is None:
        raise InputError(
            f"backend {backend} needs {BACKENDS[backend]}: install it with `pip install {BACKENDS[backend]}`."
        )


def register(backend: str) -> None:
    """Make a cluster's backend known to joblib."""
    check_backend(backend)
    if backend == "ray":
        from ray.util.joblib import register_ray

        register_ray()
