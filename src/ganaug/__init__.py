# SPDX-License-Identifier: Apache-2.0
"""ganaug: generate more training images and prove, on held-out real data, whether they help.

The public names load on first use, so that `import ganaug` stays instant.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "load": "ganaug.data.load",
    "write": "ganaug.data.write",
    "write_back": "ganaug.data.write_geotiff",
    "ImageSet": "ganaug.data.image_set",
    "TrainView": "ganaug.data.view",
    "Batch": "ganaug.data.batch",
    "Spec": "ganaug.data.spec",
    "InputError": "ganaug.data.errors",
    "catalogue": "ganaug.core.catalogue",
    "make": "ganaug.core.catalogue",
    "Card": "ganaug.core.card",
    "Recipe": "ganaug.core.card",
    "System": "ganaug.core.system",
    "Budget": "ganaug.core.loop",
    "restore": "ganaug.core.run_folder",
    "PerClass": "ganaug.core.combine",
    "PerImage": "ganaug.core.combine",
    "Classifier": "ganaug.tasks.classification",
    "Reidentifier": "ganaug.tasks.reidentification",
    "Segmenter": "ganaug.tasks.segmentation",
    "Pipeline": "ganaug.parts.pipeline.pipeline",
    "two_domains": "ganaug.study.adaptation",
    "Study": "ganaug.study.study",
    "Tune": "ganaug.study.tune",
    "evaluate": "ganaug.study.evaluate",
    "write_report": "ganaug.report.html",
    "inspect": "ganaug.study.inspect",
}

__all__ = [*sorted(_HOME), "__version__"]

if TYPE_CHECKING:
    from ganaug.core.card import Card, Recipe
    from ganaug.core.catalogue import catalogue, make
    from ganaug.core.combine import PerClass, PerImage
    from ganaug.core.loop import Budget
    from ganaug.core.run_folder import restore
    from ganaug.core.system import System
    from ganaug.data.batch import Batch
    from ganaug.data.errors import InputError
    from ganaug.data.image_set import ImageSet
    from ganaug.data.load import load
    from ganaug.data.spec import Spec
    from ganaug.data.view import TrainView
    from ganaug.data.write import write
    from ganaug.data.write_geotiff import write_back
    from ganaug.parts.pipeline.pipeline import Pipeline
    from ganaug.study.adaptation import two_domains
    from ganaug.study.evaluate import evaluate
    from ganaug.study.inspect import inspect
    from ganaug.study.study import Study
    from ganaug.study.tune import Tune
    from ganaug.tasks.classification import Classifier
    from ganaug.tasks.reidentification import Reidentifier
    from ganaug.tasks.segmentation import Segmenter


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ganaug' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
