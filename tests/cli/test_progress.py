# SPDX-License-Identifier: Apache-2.0
"""Progress: nothing for short work, a bar on a terminal, now and then a line elsewhere, alarms once."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ganaug.cli import progress
from ganaug.core.loop import Log


class Clock:
    """A clock that the test moves."""

    now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    moved = Clock()
    monkeypatch.setattr(progress, "time", moved)
    return moved


def told(calls, clock, console):
    """What is on the console after calls at the given seconds."""
    with progress.shown("work", console) as show:
        for second in calls:
            clock.now = 100.0 + second
            show("work", int(second), 60, 60 - second, "loss 1")
    return console.file.getvalue()


def test_short_work_is_silent(clock):
    assert told([0, 1, 1.9], clock, Console(file=io.StringIO())) == ""


def test_elsewhere_a_line_now_and_then(clock):
    lines = told(range(26), clock, Console(file=io.StringIO())).splitlines()
    assert [line.split(",")[0] for line in lines] == ["work: 2 of 60", "work: 12 of 60", "work: 22 of 60"]
    assert lines[0] == "work: 2 of 60, 58 s left  loss 1"


def test_nothing_is_said_before_the_time_left_is_known(clock):
    console = Console(file=io.StringIO())
    with progress.shown("work", console) as show:
        clock.now += 30
        show("work", 1, 60, 0.0, "")
        show("work", 2, 60, 58.0, "")
    assert console.file.getvalue() == "work: 2 of 60, 58 s left\n"


@pytest.mark.parametrize(("seconds", "visible"), [(1.0, False), (3.0, True)])
def test_on_a_terminal_the_bar_comes_late(clock, seconds, visible):
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with progress.shown("work", console) as show:
        clock.now += seconds
        show("training", 6, 60, 75.0, "loss 1")
        console.print("so far")  # draws the live part anew
    text = console.file.getvalue()
    assert all((word in text) == visible for word in ("training", "10%", "1 min 15 s left", "loss 1"))


def test_an_alarm_is_told_when_it_begins(clock, capsys):
    with progress.training("fitting dcgan") as log:
        for t, alarm in enumerate(["", "collapse: 5%", "collapse: 4%", "", "collapse: 3%"]):
            log(Log(t, 5, {"critic": 1.0}, 10.0, 1.0, alarm))
    assert capsys.readouterr().err == "warning: collapse: 5% (step 1)\nwarning: collapse: 3% (step 4)\n"


def test_losses_and_speed_are_told(clock, capsys):
    with progress.training("fitting dcgan") as log:
        clock.now += 5
        log(Log(20, 200, {"critic": 1.23456, "generator": 0.5}, 1234.5, 9.0))
    said = "fitting dcgan: 20 of 200, 9 s left  critic 1.23, generator 0.5, 1234 images/s\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(("seconds", "text"), [(9.4, "9 s"), (75.2, "1 min 15 s"), (7260, "2 h 01 min")])
def test_time_left_as_people_say_it(seconds, text):
    assert progress.left(seconds) == f"{text} left"
