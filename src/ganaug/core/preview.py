# SPDX-License-Identifier: Apache-2.0
"""What a person sees while a system trains: progress, previews, scalars, collapse alarms. It only reads."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ganaug.core.seeding import seeded
from ganaug.data.picture import save_grid
from ganaug.parts.spread import mean_distance

if TYPE_CHECKING:
    from ganaug.core.loop import LogCallback
    from ganaug.core.system import System

PREVIEWS = 8
EVERY_SECONDS = 0.2
COLLAPSED = 0.1


class Watch:
    """Tells a log callback how the run goes and fills the run folder with previews and scalars."""

    def __init__(self, system: System, run: Path | None, seed: int, log: LogCallback | None):
        self.system, self.run, self.seed, self.log = system, run, seed, log
        self.first: tuple[int, float] | None = None
        self.told = 0.0
        self.alarm = ""
        self.scalars = scalar_writer(run)

    def after(self, t: int, total: int, losses: Mapping[str, torch.Tensor]) -> None:
        """Called after step t - 1, that is when t steps are done."""
        if self.run is not None and t in {total * k // PREVIEWS for k in range(1, PREVIEWS + 1)}:
            self.preview(t)
        now = time.monotonic()
        if self.first is None:
            self.first = (t, now)
        if (self.log is not None or self.scalars is not None) and (now - self.told > EVERY_SECONDS or t == total):
            self.tell(t, total, losses, now)

    def tell(self, t: int, total: int, losses: Mapping[str, torch.Tensor], now: float) -> None:
        """Losses, images a second and time left to the callback and to TensorBoard."""
        from ganaug.core.loop import Log

        assert self.first is not None
        self.told = now
        values = {name: float(torch.as_tensor(value).detach().float().mean()) for name, value in losses.items()}
        each = (now - self.first[1]) / max(t - self.first[0], 1)
        speed = self.system.rows_per_step / each if each else 0.0
        if self.log is not None:
            self.log(Log(t, total, values, speed, each * (total - t), self.alarm))
        if self.scalars is not None:
            for name, value in values.items():
                self.scalars.add_scalar(name, value, t)

    def preview(self, t: int) -> None:
        """A picture into `previews/`, and the collapse alarm."""
        assert self.run is not None
        with seeded(self.seed, "preview", t):
            images = self.system.preview()
        if images is None or len(images) == 0:
            return
        save_grid(self.run / "previews" / f"{t:07d}.png", images)
        self.alarm = collapse_alarm(self.system, images)

    def close(self) -> None:
        """Finish the scalar file."""
        if self.scalars is not None:
            self.scalars.close()


def collapse_alarm(system: System, images: Any) -> str:
    """A sentence when generated images are nearly all the same, measured against the training images."""
    if not len(system.train):
        return ""
    rows = torch.arange(min(64, len(images)))
    real = system.train.images(torch.linspace(0, len(system.train) - 1, len(rows)).long())
    made = images.images(rows)
    if made.shape[1:] != real.shape[1:] or len(rows) < 4:
        return ""
    ratio = mean_distance(made.flatten(1)) / max(mean_distance(real.flatten(1)), 1e-8)
    if ratio >= COLLAPSED:
        return ""
    return f"collapse: generated images differ from each other {ratio:.0%} as much as real ones do"


def scalar_writer(run: Path | None) -> Any:
    """A TensorBoard writer for the run folder where TensorBoard is installed."""
    if run is None:
        return None
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(run / "tensorboard"))
