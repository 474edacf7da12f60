# SPDX-License-Identifier: Apache-2.0
"""TrainView: the only data that a generator or policy learner ever sees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np

from ganaug.data.errors import FoldError
from ganaug.data.image_set import FOLDS, ImageSet
from ganaug.data.splits import holdout_rows


class TrainView(ImageSet):
    """Training rows and nothing else: the rest of the set is not reachable from it, and asking raises FoldError."""

    @classmethod
    def of(cls, data: ImageSet, rows: Any = None, hide: Iterable[str] = ()) -> TrainView:
        """The given rows of a set (all by default), with the columns in `hide` left out.

        Of further sets that state folds, the test rows are left out; val and unknown rows stay.
        """
        part = data if rows is None else data.select(rows)
        values = {spot.name: getattr(part, spot.name) for spot in fields(ImageSet)}
        values["others"] = {
            name: other if other.fold is None else other.select(other.fold != FOLDS.index("test"))
            for name, other in part.others.items()
        }
        return cls(**{**values, **dict.fromkeys(hide)})

    def rows(self, rows: Any) -> np.ndarray:
        """As ImageSet.rows, but a row outside the training fold raises FoldError."""
        try:
            return super().rows(rows)
        except IndexError as error:
            raise FoldError(f"only the {len(self)} training rows can be seen: {error}") from None

    def rows_of(self, ids: Any) -> np.ndarray:
        """Lasting ids [n] -> positions [n]; FoldError when one is not a training row."""
        assert self.index is not None
        order = np.argsort(self.index, kind="stable")
        wanted = np.atleast_1d(np.asarray(ids, dtype=np.int64))
        spot = np.clip(np.searchsorted(self.index, wanted, sorter=order), 0, len(self) - 1)
        found = order[spot]
        foreign = wanted[self.index[found] != wanted]
        if len(foreign):
            raise FoldError(f"rows {foreign[:5].tolist()} are not in the training fold")
        return found

    def holdout(self, share: float, seed: int) -> tuple[TrainView, TrainView]:
        """(held out, rest) of the training rows, stratified by label and never splitting a group."""
        held = holdout_rows(self, share, seed)
        return self.select(held), self.select(np.setdiff1d(np.arange(len(self)), held))  # type: ignore[return-value]
