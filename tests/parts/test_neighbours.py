# SPDX-License-Identifier: Apache-2.0
"""Nearest neighbours: never the row itself, however many rows equal it, over any number of chunks."""

from __future__ import annotations

import torch

from ganaug.parts.neighbours import nearest_others, same_class_neighbours


def test_others_are_the_nearest_by_brute_force_in_every_chunk():
    x = torch.randn(1100, 3, generator=torch.Generator().manual_seed(0))
    found = nearest_others(x, 4)
    for row in (0, 1023, 1024, 1099):
        order = (x - x[row]).norm(dim=1).argsort().tolist()
        assert found[row].tolist() == [j for j in order if j != row][:4]


def test_a_row_is_no_neighbour_of_its_own_where_many_equal_it():
    x = torch.cat([torch.ones(30, 5), torch.randn(10, 5, generator=torch.Generator().manual_seed(0))])
    for k in (1, 3, 20):
        found = nearest_others(x, k)
        assert not (found == torch.arange(40)[:, None]).any()
        assert (found[:30] < 30).all(), "equal rows are nearer than all others"
        assert all(len(set(row)) == k for row in found.tolist())


def test_a_class_of_equal_rows_has_neighbours_of_its_class():
    x = torch.zeros(24, 5)
    label = torch.arange(24) % 2
    found = same_class_neighbours(x, label, 3)
    assert (label[found] == label[:, None]).all()
    assert not (found == torch.arange(24)[:, None]).any()
