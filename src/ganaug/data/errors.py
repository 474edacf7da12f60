# SPDX-License-Identifier: Apache-2.0
"""What ends a run with a sentence: a user's mistake, or that it cannot go on."""

from __future__ import annotations


class InputError(ValueError):
    """A user's mistake: the message names the file or argument, what was expected, what was found, what to do."""


class Stopped(RuntimeError):
    """A run that cannot go on, by no mistake of its user: the message says why, and what to do."""


class FoldError(Stopped):
    """Something that may see only training rows asked for a row outside the training fold.

    Never counted as an ordinary failure of an arm: a study stops when it meets one.
    """
