# SPDX-License-Identifier: Apache-2.0
"""The loop: budgets, rollback after divergence, Ctrl-C, and runs that end in the same bits however they were cut."""

from __future__ import annotations

import signal
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from toys import Toy, equal, grey_levels, run_script

from ganaug.core import loop, state
from ganaug.core.loop import Budget, Diverged
from ganaug.data.errors import InputError


def bits(system):
    """The weights and what was seen."""
    return state.snapshot(system)


# --- budget ------------------------------------------------------------------------------------------------------


def test_steps_and_default():
    assert Toy().fit(grey_levels(), budget=5).fitted_["steps"] == 5
    assert Toy().fit(grey_levels(), budget=np.int64(3)).fitted_["steps"] == 3
    assert Toy().fit(grey_levels(), budget=0).rows_ == []
    assert Toy().default_steps() == 2000


@pytest.mark.parametrize("wrong", [{"steps": -1}, {"steps": 2.5}, {"seconds": 0}, {"seconds": -3.0}])
def test_an_impossible_budget_is_refused(wrong):
    with pytest.raises(InputError, match="found"):
        Budget(**wrong)


def test_a_negative_seed_is_refused():
    with pytest.raises(InputError, match="seed must be 0 or more, found -1"):
        Toy().fit(grey_levels(), budget=1, seed=-1)


def test_seconds_become_steps_once_and_leave_no_trace(monkeypatch):
    """20 timed steps of a sixteenth of a second, of 6.25 seconds: 80 are left, and they start from the beginning."""
    clock = [0.0]
    one_step = loop.one_step

    def stepped(*args):
        clock[0] += 1 / 16
        return one_step(*args)

    monkeypatch.setattr(loop, "one_step", stepped)
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: clock[0], monotonic=time.monotonic))
    timed = Toy().fit(grey_levels(), budget=Budget(seconds=6.25))
    assert timed.fitted_["steps"] == timed.total == 80
    assert equal(bits(timed), bits(Toy().fit(grey_levels(), budget=80)))


def test_uneven_steps_have_no_time_budget():
    class Uneven(Toy):
        uneven = True

    with pytest.raises(InputError, match="unequal length: give --steps"):
        Uneven().fit(grey_levels(), budget=Budget(seconds=1.0))


def test_each_step_sees_its_own_rows():
    """Epochs are whole: 24 rows in batches of 4 are seen once in 6 steps."""
    rows = np.array(Toy().fit(grey_levels(), budget=12).rows_)
    for epoch in (rows[:6], rows[6:]):
        assert sorted(epoch.ravel()) == list(range(24))
    assert (rows[:6] != rows[6:]).any()


# --- divergence --------------------------------------------------------------------------------------------------


class Faulty(Toy):
    """Its loss is NaN at some steps, as often as `faults` says; what it drew is noted outside the state."""

    def meet(self, faults):
        self.given = SimpleNamespace(faults=dict(faults), drawn=[])
        return self

    def step(self, batch, t):
        self.given.drawn.append((t, float(torch.rand(()))))
        left = self.given.faults.get(t, 0)
        self.given.faults[t] = left - 1
        loss = self.net(torch.randn(len(batch), 3)).square().mean() * (torch.nan if left > 0 else 1.0)
        self.update(loss, self.opt)
        return {"good": loss.detach() * 0 if left <= 0 else torch.zeros(()), "bad": loss}


def test_one_divergence_is_survived():
    """At 40 steps the state is kept every 2: back from step 8 to 6, and on with other random numbers."""
    system = Faulty().meet({7: 1}).fit(grey_levels(), budget=40)
    assert system.fitted_ == {"seed": 0, "steps": 40, "retry": 1}
    assert all(torch.isfinite(p).all() for p in system.net.parameters())
    drawn = system.given.drawn
    assert [t for t, _ in drawn] == [*range(8), *range(6, 40)]
    assert drawn[6][1] != drawn[8][1]


def test_a_divergence_between_two_looks_is_noticed():
    """Weights that became NaN make the losses NaN until the next look."""
    system = Faulty().meet({4002: 1}).fit(grey_levels(), budget=4010)
    assert system.fitted_["retry"] == 1
    assert all(torch.isfinite(p).all() for p in system.net.parameters())


def test_the_second_divergence_ends_the_run():
    with pytest.raises(Diverged, match=r"^toy diverged twice: loss bad is not finite at step 8; .*usually helps\.$"):
        Faulty().meet({7: 2}).fit(grey_levels(), budget=40)


# --- Ctrl-C, kill, resume ----------------------------------------------------------------------------------------


class Interrupted(Toy):
    """Ctrl-C comes in the middle of step 5."""

    def step(self, batch, t):
        if t == 5:
            signal.raise_signal(signal.SIGINT)
        return super().step(batch, t)


def test_ctrl_c_keeps_the_last_good_state(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        Interrupted().fit(grey_levels(), budget=60, run=tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is before
    stored, facts = state.read(tmp_path / "run" / "state.safetensors")
    assert facts == {"seed": 0, "total": 60, "t": 6, "retry": 0}, "kept every 3 steps, stopped after step 5"
    assert len(stored["rows_"]) == 6
    resumed = Toy().fit(grey_levels(), budget=60, run=tmp_path / "run", resume=True)
    assert equal(bits(resumed), bits(Toy().fit(grey_levels(), budget=60)))


def test_ctrl_c_after_a_divergence_keeps_whole_optimisers(tmp_path):
    """The state that was rolled back to is still good when it is written later."""

    class Both(Faulty):
        def step(self, batch, t):
            if t == 7 and self.given.faults.get(7, 1) == 0:
                signal.raise_signal(signal.SIGINT)
            return super().step(batch, t)

    with pytest.raises(KeyboardInterrupt):
        Both().meet({7: 1}).fit(grey_levels(), budget=60, run=tmp_path / "run")
    stored, facts = state.read(tmp_path / "run" / "state.safetensors")
    assert (facts["t"], facts["retry"]) == (6, 1)
    assert equal(stored["opt"]["state"], bits(Faulty().meet({}).fit(grey_levels(), budget=6))["opt"]["state"])


KILLED = """
import os, signal
from toys import Toy, equal, grey_levels
from ganaug.core import loop, state
loop.SAVE_SECONDS = -1.0
save_file, saved = state.save_file, []
def torn(tensors, path, metadata):
    save_file(tensors, path, metadata)
    saved.append(path)
    if len(saved) == 5:
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
state.save_file = torn
Toy().fit(grey_levels(), budget=12, run="run")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
def test_a_kill_while_a_checkpoint_is_written_is_resumed_to_the_same_bits(tmp_path):
    done = run_script(tmp_path, KILLED)
    assert done.returncode == -signal.SIGKILL, done.stderr
    _, facts = state.read(tmp_path / "run" / "state.safetensors")
    assert facts["t"] == 4
    resumed = Toy().fit(grey_levels(), budget=12, run=tmp_path / "run", resume=True)
    assert equal(bits(resumed), bits(Toy().fit(grey_levels(), budget=12)))


def test_resume_before_the_first_checkpoint_starts_anew(tmp_path):
    class Dies(Toy):
        def step(self, batch, t):
            raise SystemExit

    with pytest.raises(SystemExit):
        Dies().fit(grey_levels(), budget=6, run=tmp_path / "run")
    resumed = Toy().fit(grey_levels(), budget=6, run=tmp_path / "run", resume=True)
    assert equal(bits(resumed), bits(Toy().fit(grey_levels(), budget=6)))


def test_resume_of_a_finished_run_changes_nothing(tmp_path):
    first = Toy().fit(grey_levels(), budget=6, run=tmp_path / "run")
    again = Toy().fit(grey_levels(), run=tmp_path / "run", resume=True)
    assert again.fitted_["steps"] == 6
    assert equal(bits(first), bits(again))


def test_another_number_of_steps_is_refused(tmp_path):
    Toy().fit(grey_levels(), budget=6, run=tmp_path / "run")
    with pytest.raises(InputError, match="started with 6 steps, now 9"):
        Toy().fit(grey_levels(), budget=9, run=tmp_path / "run", resume=True)


# --- modes of networks -------------------------------------------------------------------------------------------


class Teacher(Toy):
    """A network that `build` puts into evaluation mode stays there; one that `prepare` switches does not."""

    def build(self, spec):
        super().build(spec)
        self.frozen = torch.nn.Dropout(0.5).eval()
        self.modes_ = []

    def prepare(self, train):
        self.net.eval()

    def step(self, batch, t):
        self.modes_.append([self.net.training, self.frozen.training])
        return super().step(batch, t)


def test_modes_are_those_of_build_in_every_step():
    system = Teacher().fit(grey_levels(), budget=2)
    assert system.modes_ == [[True, False], [True, False]]
    assert not system.net.training, "after fit, as after restore"
