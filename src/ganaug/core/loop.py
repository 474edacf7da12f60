# SPDX-License-Identifier: Apache-2.0
"""The training loop that every system shares: budget, data order, checkpoints, previews, divergence guard.

No paper's name or flag enters it. Each step is a pure function of the state before it and (seed, t), so a run that
was killed and resumed ends in the same bits as one that was not.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ganaug.core import state
from ganaug.core.device import autocast, channels_last, keep_heap, on_device
from ganaug.core.preview import Watch
from ganaug.core.seeding import seeded
from ganaug.data.errors import InputError, Stopped

if TYPE_CHECKING:
    from ganaug.core.system import System

CHECK = 10  # steps between two looks at the losses: each look waits for the GPU
SAVE_SECONDS = 15.0
TIMED = 20


class Diverged(Stopped):
    """The losses became non-finite twice: the run can't go on."""


@dataclass(frozen=True)
class Budget:
    """How long to train: steps, or seconds that become steps once, from timed steps; neither is the default."""

    steps: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and (self.steps < 0 or self.steps != int(self.steps)):
            raise InputError(f"steps must be a whole number, 0 or more, found {self.steps}.")
        if self.seconds is not None and self.seconds <= 0:
            raise InputError(f"the time budget must be positive, found {self.seconds} seconds.")


@dataclass(frozen=True)
class Log:
    """What a log callback is told after a step."""

    t: int
    total: int
    losses: Mapping[str, float]
    images_per_second: float
    seconds_left: float
    alarm: str = ""


LogCallback = Callable[[Log], None]


@dataclass
class Progress:
    """Where a run stands; the only facts that a checkpoint needs beside the system's own state."""

    seed: int
    total: int
    t: int = 0
    retry: int = 0


def train(
    system: System, budget: Budget, seed: int, run: Path | None, resume: bool, log: LogCallback | None
) -> Progress:
    """Build the system and take it through its budget; a run folder gets checkpoints, previews and scalars."""
    keep_heap()
    with on_device():
        at = reopen(system, run) if resume and run is not None else None
        if at is None:
            at = begin(system, budget, seed)
        elif budget.steps not in (None, at.total):
            raise InputError(f"{run} was started with {at.total} steps, now {budget.steps}: keep the number equal.")
        watch = Watch(system, run, seed, log)
        try:
            with interruptible() as interrupted:
                go(system, at, run, watch, interrupted)
        finally:
            watch.close()
    return at


def begin(system: System, budget: Budget, seed: int) -> Progress:
    """Build and prepare; turn seconds into steps."""
    seconds = budget.seconds if budget.steps is None else None
    at = Progress(seed, total=system.default_steps() if budget.steps is None else int(budget.steps))
    system.total = at.total
    build(system, seed)
    with seeded(seed, "prepare"), modes_kept(system.modules()):  # a resumed run has the modes that `build` left
        system.prepare(system.train)
    if seconds and at.total:
        with seeded(seed, "time"):
            at.total = system.total = system.steps_in(seconds) if system.uneven else steps_in(system, seconds, seed)
    return at


def build(system: System, seed: int) -> None:
    """Every network and optimiser, in the memory format that is fast."""
    with seeded(seed, "build"):
        system.build(system.spec)
    channels_last(system.modules())


@contextmanager
def modes_kept(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Each part of the networks comes out in the mode, training or evaluation, that it went in with."""
    modes = [(part, part.training) for module in modules for part in module.modules()]
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def steps_in(system: System, seconds: float, seed: int) -> int:
    """How many steps fit into the time, from a few timed steps that leave no trace."""
    before = state.snapshot(system)
    start = time.perf_counter()
    for t in range(TIMED):
        losses = one_step(system, Progress(seed, system.total, t))
    finite(losses)  # waits for the GPU
    each = (time.perf_counter() - start) / TIMED
    state.put_values(system, before)
    state.put_tensors(system, before, next_device())
    return max(1, int(seconds / each) - TIMED)


def go(system: System, at: Progress, run: Path | None, watch: Watch, interrupted: threading.Event) -> None:
    """Steps t..total. Every `keep` steps the state is known to be good: a rollback and a resume return to it."""
    keep = max(1, min(100, at.total // 20))
    good, good_t, saved = state.snapshot(system), at.t, time.monotonic()
    while at.t < at.total:
        losses = one_step(system, at)
        at.t += 1
        if at.t % CHECK == 0 or at.t % keep == 0 or at.t == at.total:
            if not finite(losses):
                roll_back(system, at, good, good_t, losses)
                continue
            if at.t % keep == 0:
                good, good_t = state.snapshot(system), at.t
                if run is not None and time.monotonic() - saved > SAVE_SECONDS:
                    checkpoint(good, at, run)
                    saved = time.monotonic()
        watch.after(at.t, at.total, losses)
        if interrupted.is_set():
            stop(system, at, good, good_t, run)


def one_step(system: System, at: Progress) -> Mapping[str, torch.Tensor]:
    """Draw the rows of step t and let the system take its step."""
    with on_device() as chosen, seeded(at.seed, "step", at.t, at.retry), autocast(chosen, system.mixed_precision):
        batch = system.rows_for(at.seed, at.t)
        return system.step(batch.to(chosen), at.t)


def finite(losses: Mapping[str, torch.Tensor]) -> bool:
    """Whether every loss is a finite number."""
    values = [torch.as_tensor(value).detach().float().mean() for value in losses.values()]
    return not values or bool(torch.isfinite(torch.stack(values)).all())


def roll_back(system: System, at: Progress, good: Any, good_t: int, losses: Mapping[str, torch.Tensor]) -> None:
    """Back to the last good state once, with other random numbers from there on; the second time stop."""
    bad = [name for name, value in losses.items() if not torch.isfinite(torch.as_tensor(value)).all()]
    if at.retry:
        raise Diverged(
            f"{system.CARD.id} diverged twice: loss {', '.join(bad)} is not finite at step {at.t}; "
            "a smaller learning rate (--set lr=...) or a larger batch usually helps."
        )
    state.put_values(system, good)
    state.put_tensors(system, good, next_device())
    at.t, at.retry = good_t, 1


def stop(system: System, at: Progress, good: Any, good_t: int, run: Path | None) -> None:
    """Ctrl-C: keep the last good state, which resumes to the same end, and leave."""
    state.put_values(system, good)
    state.put_tensors(system, good, next_device())
    at.t = good_t
    if run is not None:
        checkpoint(good, at, run)
    raise KeyboardInterrupt


def checkpoint(good: Any, at: Progress, run: Path) -> None:
    """The whole state into `run/state.safetensors`, atomically."""
    state.write(run / "state.safetensors", good, at.__dict__)


def reopen(system: System, run: Path) -> Progress | None:
    """Take up a run where its last checkpoint left it; None when it has none yet."""
    if not (run / "state.safetensors").is_file():
        return None
    stored, facts = state.read(run / "state.safetensors")
    at = Progress(**facts)
    system.total = at.total
    state.put_values(system, stored)
    build(system, at.seed)
    state.put_values(system, stored)
    put_checked(system, stored, run)
    return at


def put_checked(system: System, stored: Any, run: Path) -> None:
    """Load tensors; a file that does not fit this system is told apart from a damaged one."""
    try:
        for name, value in state.stateful(system).items():
            if hasattr(value, "load_state_dict") and name not in stored:
                raise KeyError(f"it lacks {name}")
        state.put_tensors(system, stored, next_device())
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{run / 'state.safetensors'} does not fit {system.CARD.id} with these parameters and this data "
            f"({str(error).splitlines()[0][:120]}): give the run folder that belongs to them."
        ) from None


def next_device() -> torch.device:
    """The device that is in force here."""
    with on_device() as chosen:
        return chosen


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Ctrl-C sets a flag that is looked at between steps, so that no step is torn in half."""
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = signal.signal(signal.SIGINT, lambda *_: flag.set())
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, before)
