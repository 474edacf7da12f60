# SPDX-License-Identifier: Apache-2.0
"""Ranks of the matches of a query, without sorting the gallery.

The rank of a match is one more than the number of gallery images before it: those nearer, and those equally near
that lie before it in the gallery. So only the images no further than the furthest match are looked at.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from ganaug.data.errors import InputError

UNKNOWN = -1  # identity of images that are neither hit nor miss


def pairs_of_identity(
    asked: Int[np.ndarray, " q"], held: Int[np.ndarray, " g"], order: Int[np.ndarray, " g"]
) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """Query and gallery row of all pairs of one known identity, by query, then by gallery row.

    `order` sorts the identities of the gallery and is stable.
    """
    first = held.searchsorted(asked, sorter=order)
    counts = held.searchsorted(asked, "right", sorter=order) - first
    counts[asked == UNKNOWN] = 0
    before = counts.cumsum() - counts
    query = np.repeat(np.arange(len(asked)), counts)
    return query, order[np.arange(len(query)) + np.repeat(first - before, counts)]


def stable_ranks(
    distances: Float[np.ndarray, "q g"],
    counted: Bool[np.ndarray, " g"],
    match: tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]],
    junk: tuple[Int[np.ndarray, " j"], Int[np.ndarray, " j"]],
) -> Int[np.ndarray, " m"]:
    """Places, from 1, of the matches in a stable ascending sort of the rows; ascending within each query.

    Only the columns `counted` are in the ranking, and of those not the junk. Matches and junk are rows, in ascending
    order, and columns, in ascending order within the row. Each row is read from memory once, which is what ranking
    costs. Raises InputError where a distance is NaN or infinite.
    """
    query, column = match
    own = distances[query, column]
    asking, start, counts = np.unique(query, return_index=True, return_counts=True)
    furthest = np.maximum.reduceat(own, start)
    out = [
        slice(*ends) for ends in zip(junk[0].searchsorted(asking), junk[0].searchsorted(asking, "right"), strict=True)
    ]
    before, until = np.empty(len(own), np.int64), np.empty(len(own), np.int64)
    for asked, first, last, reach, left_out in zip(asking, start, start + counts, furthest, out, strict=True):
        row = distances[asked]
        if not np.isfinite(row.max()):
            raise InputError("distances: expected finite numbers, found NaN or infinity; check what computed them.")
        inside = row <= reach
        inside &= counted
        inside[junk[1][left_out]] = False
        near = row[inside.nonzero()[0]]
        near.sort()
        before[first:last] = near.searchsorted(own[first:last])
        until[first:last] = near.searchsorted(own[first:last], "right")
    for tied in np.flatnonzero(until - before > 1):  # equal ones count if they lie before the match
        equal = (distances[query[tied]] == own[tied]) & counted
        equal[junk[1][junk[0] == query[tied]]] = False
        before[tied] += np.count_nonzero(equal[: column[tied]])
    return before[np.lexsort((before, query))] + 1
