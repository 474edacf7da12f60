# SPDX-License-Identifier: Apache-2.0
"""Every system: stopped by Ctrl-C, killed, resumed, saved and restored, it ends in the same bits."""

from __future__ import annotations

import signal

import numpy as np
import pytest
import torch
from contract_cases import (
    SYSTEMS,
    able,
    disturb,
    equal,
    fitted,
    images,
    made,
    needs_like,
    quietly_fit,
    sizes,
    steps,
    trains,
)

import ganaug
from ganaug.core import loop, state


class Killed(BaseException):
    """What stands for kill -9 inside one process."""


def cut(monkeypatch, at, how):
    """From the `at`-th step on, the loop meets `how` after the step."""
    one_step = loop.one_step

    def stepped(system, progress):
        losses = one_step(system, progress)
        if progress.t + 1 == at:
            how()
        return losses

    monkeypatch.setattr(loop, "one_step", stepped)


def kill():
    raise Killed


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("id", [id for id in SYSTEMS if trains(id)])
def test_resume_is_bit_exact(id, tmp_path, monkeypatch):
    """Ctrl-C after a third of the steps, a kill after two thirds, each time a fresh object and other global state."""
    whole = fitted(id, *sizes(id)[0])
    total = steps(whole.system)
    monkeypatch.setattr(loop, "SAVE_SECONDS", -1.0)
    for at, how, error in ((total // 3, press_ctrl_c, KeyboardInterrupt), (2 * total // 3, kill, Killed)):
        with monkeypatch.context() as patch, pytest.raises(error):
            cut(patch, at, how)
            disturb(at)
            quietly_fit(made(id), whole.data, budget=total, run=tmp_path / "run", resume=True)
        _, facts = state.read(tmp_path / "run" / "state.safetensors")
        assert facts["t"] == (at if error is KeyboardInterrupt else at - 1)
    disturb(99)
    last = quietly_fit(made(id), whole.data, budget=total, run=tmp_path / "run", resume=True)
    assert last.fitted_ == whole.system.fitted_
    assert equal(state.snapshot(last), state.snapshot(whole.system))


@pytest.mark.parametrize("id", SYSTEMS)
def test_save_and_restore(id, tmp_path):
    found = fitted(id, *sizes(id)[0])
    found.system.save(tmp_path / "run")
    disturb(5)
    back = ganaug.restore(tmp_path / "run")
    assert back.get_params(deep=False).keys() == found.system.get_params(deep=False).keys()
    assert back.spec == found.system.spec
    assert equal(state.snapshot(back), state.snapshot(found.system))
    if "sample" in found.system.CARD.can:
        like = {"like": found.data.select(np.arange(6))} if needs_like(found) else {"n": 6}
        assert torch.equal(next(back.stream(**like, seed=2)).image, images(found, 6, seed=2)[:64])
    if "augment" in found.system.CARD.can:
        batch = found.data.batch(np.arange(6))
        assert torch.equal(back.augment(batch, seed=2).image, found.system.augment(batch, seed=2).image)


@pytest.mark.parametrize("id", able("model"))
def test_the_restored_model_is_the_same(id, tmp_path):
    found = fitted(id, *sizes(id)[0])
    found.system.save(tmp_path / "run")
    batch = found.data.batch(np.arange(4)).image
    with torch.no_grad():
        mine, back = (s.model().eval()(batch) for s in (found.system, ganaug.restore(tmp_path / "run")))
    assert torch.equal(mine, back)
