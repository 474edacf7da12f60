# SPDX-License-Identifier: Apache-2.0
"""Downstream models and their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganaug.data.errors import InputError

if TYPE_CHECKING:
    from ganaug.core.protocols import Learner


def task(name: str) -> Learner:
    """The learner of a task by name; InputError that lists the tasks for an unknown one."""
    from ganaug.tasks.classification import Classifier
    from ganaug.tasks.few_shot import FewShot
    from ganaug.tasks.reidentification import Reidentifier
    from ganaug.tasks.segmentation import Segmenter

    known = {"classification": Classifier, "reid": Reidentifier, "segmentation": Segmenter, "few_shot": FewShot}
    if name not in known:
        raise InputError(f"there is no task '{name}': there are {', '.join(known)}.")
    return known[name]()
