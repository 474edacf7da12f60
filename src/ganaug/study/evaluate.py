# SPDX-License-Identifier: Apache-2.0
"""Are generated images realistic, diverse, useful, and not copies? One call on two sets."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganaug.audit.collapse import collapse
from ganaug.audit.copies import find_copies, planted_detection
from ganaug.core.loop import Budget
from ganaug.core.protocols import Features, Learner
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.load import load
from ganaug.data.view import TrainView
from ganaug.metrics.extractors import NetworkFeatures
from ganaug.metrics.report import quality
from ganaug.study.folds import fold, training_view
from ganaug.study.generate import as_in
from ganaug.study.source import MixedSource
from ganaug.tasks.classification import Classifier

MOST = 1000


def evaluate(
    real: Any, synthetic: Any, *, features: Features | None = None, learner: Learner | None = None,
    steps: int = 800, seed: int = 0,
) -> dict:  # fmt: skip
    """Realism, diversity, usefulness and copies of `synthetic` against `real` (anything `ganaug.load` takes).

    Real images are split into a training and a test fold where they are not. Usefulness is the classification
    accuracy score of Ravuri and Vinyals 2019: a fresh classifier trained on synthetic images alone, as many updates
    as one trained on real ones, both tested on real images. Raises InputError where channels or classes do not fit.
    """
    real = load(real)
    height, width, channels = real.image.shape
    synthetic = load(synthetic, size=(height, width) if height else None)
    if synthetic.image.shape[2] != channels:
        raise InputError(f"the synthetic images have {synthetic.image.shape[2]} channels, the real ones {channels}.")
    rows = fold(real, None, 0, repeats=1, seed=seed) if real.label is not None else None
    if rows is None:
        raise InputError("evaluate needs labels on the real images: use class folders, a CSV or an .npz with labels.")
    train, test = training_view(real, rows.train), real.select(rows.test)
    learner = learner or Classifier()
    judge = trained(train, learner, steps, seed)
    features = features or NetworkFeatures(judge, f"small CNN trained on {len(train)} training images")
    fake, held, seen = some(synthetic, seed), some(test, seed), some(train, seed)
    labelled = synthetic.label is not None
    return {
        "quality": quality(
            features(held.image), features(fake.image), extractor=features.name,
            real_labels=held.label, fake_labels=fake.label if labelled else None,
        ),
        "collapse": collapse(fake.image, seen.image, *((fake.label, seen.label) if labelled else ())),
        "copies": copy_facts(fake.image, seen.image, held.image, seed),
        "usefulness": usefulness(train, test, synthetic, learner, judge, steps, seed) if labelled else {},
        "compared": {"real": len(held.image), "synthetic": len(fake.image), "reference": "held-out real images"},
    }  # fmt: skip


def some(data: ImageSet, seed: int) -> Any:
    """At most MOST rows as a batch."""
    return data.batch(np.sort(np.random.default_rng(seed).permutation(len(data))[:MOST]))


def trained(train: TrainView, learner: Learner, steps: int, seed: int) -> Any:
    """The learner on these rows alone."""
    size = getattr(learner, "batch_size", 32)
    return learner.fit(MixedSource(train, [], [], batch_size=size, steps=steps, seed=seed), Budget(steps), seed)


def copy_facts(fake: Any, seen: Any, held: Any, seed: int) -> dict:
    """The share of copies of training images, and how surely planted copies are found."""
    planted = dict(planted_detection(seen, seed=seed))
    found = find_copies(fake, seen, holdout=held)
    return {"share": found.share, "rows": [int(r) for r in found.rows], "planted": planted}


def usefulness(
    train: TrainView, test: ImageSet, synthetic: ImageSet, learner: Learner, judge: Any, steps: int, seed: int
) -> dict:
    """Classification accuracy score, beside that of real images; a class nobody recognises is named."""
    made = TrainView.of(as_in(synthetic, train, "the synthetic set"))
    scored = learner.score(trained(made, learner, steps, seed), test)
    return {
        "classification_accuracy_score": scored.main,
        "real": learner.score(judge, test).main,
        "per_class": dict(scored.per_class),
        "missing": [name for name, recall in scored.per_class.items() if recall == 0.0],
    }
