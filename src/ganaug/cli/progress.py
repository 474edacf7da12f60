# SPDX-License-Identifier: Apache-2.0
"""Progress on standard error, as log callbacks: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

if TYPE_CHECKING:
    from ganaug.core.loop import Log

QUIET = 2.0  # seconds of work that nobody needs to be told about
EVERY = 10.0  # seconds between two lines where there is no terminal

Show = Callable[[str, int, int, float, str], None]  # title, done, total, seconds left, note


class LateProgress(Progress):
    """Bars that appear only once the work has taken a while."""

    begun = float("inf")

    def get_renderables(self) -> Iterable[RenderableType]:
        if time.monotonic() - self.begun > QUIET:
            yield from super().get_renderables()


@contextmanager
def bar(title: str, console: Console) -> Iterator[Show]:
    """One bar that follows the calls of what it yields, and leaves nothing behind."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[note]}"))
    with LateProgress(*columns, console=console, transient=True) as progress:
        progress.begun = time.monotonic()
        task = progress.add_task(title, total=None, note="")

        def show(title: str, done: int, total: int, seconds_left: float, note: str) -> None:
            note = f"{left(seconds_left)}  {note}"
            progress.update(task, description=title, completed=done, total=total, note=note)

        yield show


@contextmanager
def lines(console: Console) -> Iterator[Show]:
    """A plain line at most every ten seconds, from the moment when the time left is known."""
    due = time.monotonic() + QUIET

    def show(title: str, done: int, total: int, seconds_left: float, note: str) -> None:
        nonlocal due
        if time.monotonic() >= due and (seconds_left or done == total):
            due = time.monotonic() + EVERY
            say(console, f"{title}: {done} of {total}, {left(seconds_left)}  {note}".rstrip())

    yield show


def shown(title: str, console: Console) -> AbstractContextManager[Show]:
    """A bar or lines, by where the console leads."""
    return bar(title, console) if console.is_terminal else lines(console)


@contextmanager
def studying() -> Iterator[Callable[[int, int, str, float], None]]:
    """The log callback of a study: done, total, what is being done, seconds left of it."""
    with shown("study", Console(stderr=True)) as show:
        yield lambda done, total, what, seconds_left: show(what, done, total, seconds_left, "")


@contextmanager
def training(title: str) -> Iterator[Callable[[Log], None]]:
    """The log callback of `fit`: losses, speed, time left, and each alarm once when it begins."""
    console = Console(stderr=True)
    alarmed = False
    with shown(title, console) as show:

        def log(at: Log) -> None:
            nonlocal alarmed
            losses = "".join(f"{name} {value:.3g}, " for name, value in at.losses.items())
            show(title, at.t, at.total, at.seconds_left, f"{losses}{at.images_per_second:.0f} images/s")
            if at.alarm and not alarmed:
                say(console, f"warning: {at.alarm} (step {at.t})")
            alarmed = bool(at.alarm)

        yield log


def say(console: Console, text: str) -> None:
    """A line as it is, without colours or wrapping."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def left(seconds: float) -> str:
    """`75.2` -> `1 min 15 s left`."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes:02d} min left"
    return f"{minutes} min {rest:02d} s left" if minutes else f"{rest} s left"
