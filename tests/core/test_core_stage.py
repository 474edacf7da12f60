# SPDX-License-Identifier: Apache-2.0
"""Stages share the budget, and every one is visited however small it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from toys import Toy

SHARES = st.lists(st.floats(0.001, 1.0), min_size=1, max_size=6)


def visited(shares, total):
    """Stage and progress of every step."""
    system = Toy()
    system.stages, system.total = tuple(shares), total
    return [system.stage(t) for t in range(total)]


@given(SHARES, st.integers(0, 60))
def test_every_stage_is_visited_in_order(shares, more):
    total = len(shares) + more
    numbers = [number for number, _ in visited(shares, total)]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(len(shares)))


@given(SHARES, st.integers(0, 60))
def test_progress_rises_from_0_towards_1_in_each_stage(shares, more):
    steps = visited(shares, len(shares) + more)
    for number in range(len(shares)):
        progress = [p for n, p in steps if n == number]
        assert progress == [i / len(progress) for i in range(len(progress))]


@given(SHARES, st.integers(100, 400))
def test_each_stage_gets_its_share(shares, total):
    numbers = [number for number, _ in visited(shares, total)]
    for k, share in enumerate(shares):
        assert abs(numbers.count(k) - total * share / sum(shares)) <= len(shares) + 1


def test_fewer_steps_than_stages_visit_the_first():
    assert [n for n, _ in visited((0.5, 0.3, 0.2), 2)] == [0, 1]
    assert visited((0.98, 0.01, 0.01), 3) == [(0, 0.0), (1, 0.0), (2, 0.0)]


def test_one_stage_is_the_whole_run():
    assert visited((1.0,), 4) == [(0, 0.0), (0, 0.25), (0, 0.5), (0, 0.75)]
