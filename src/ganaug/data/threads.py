# SPDX-License-Identifier: Apache-2.0
"""The same small work for many files: in threads, in order, with a bar once it takes a while."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

QUIET = 2.0  # seconds of work that nobody needs to be told about
TOGETHER = 64  # items a thread takes at a time

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(work: Callable[[Item], Result], items: Sequence[Item], title: str) -> Iterator[Result]:
    """`work(item)` for every item, in order, with a bar named `title`.

    Decoders let go of the interpreter, so threads help. Pieces are handed out only as results are taken, so memory
    holds some hundred results at most. The first error, by the order of the items, passes through.
    """
    return shown(results(work, items), len(items), title)


def results(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """The same without a bar."""
    workers = min(16, 2 * (os.cpu_count() or 1))
    pieces = [items[i : i + TOGETHER] for i in range(0, len(items), TOGETHER)]
    pool, wait = ThreadPoolExecutor(workers), True
    try:
        waiting = [pool.submit(several, work, piece) for piece in pieces[: 2 * workers]]
        for given in range(len(pieces)):
            done = waiting.pop(0).result()
            if given + 2 * workers < len(pieces):
                waiting.append(pool.submit(several, work, pieces[given + 2 * workers]))
            yield from done
    except GeneratorExit:  # left early; the garbage collector may say so inside a lock that the threads need to end
        wait = False
        raise
    finally:
        pool.shutdown(wait=wait, cancel_futures=True)


def several(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`work` for a few items."""
    return [work(item) for item in items]


def shown(items: Iterable[Item], total: int, title: str) -> Iterator[Item]:
    """The items, with a bar and the time left on a terminal's standard error once two seconds have passed."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task, begun, running = bar.add_task(title, total=total), time.monotonic(), False
    try:
        for done, item in enumerate(items):
            if not running and time.monotonic() - begun > QUIET:
                bar.start()
                running = True
            bar.update(task, completed=done)
            yield item
    finally:
        if running:
            bar.stop()
