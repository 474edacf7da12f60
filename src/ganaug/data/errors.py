# SPDX-License-Identifier: Apache-2.0
"""The errors that a user can cause, each one a sentence that says what to do."""

from __future__ import annotations


class InputError(ValueError):
    """A user's mistake: the message names the file or argument, what was expected, what was found, what to do."""


class FoldError(RuntimeError):
    """Something that may see only training rows asked for a row outside the training fold.

    Never counted as an ordinary failure of an arm: a study stops when it meets one.
    """
