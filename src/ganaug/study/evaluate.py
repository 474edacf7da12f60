# SPDX-License-Identifier: Apache-2.0
"""Are generated images realistic, diverse, useful, and not copies? One call on two sets."""

from __future__ import annotations

import time
from typing import Any

from ganaug.audit.collapse import collapse
from ganaug.audit.copies import find_copies, planted_detection
from ganaug.core.loop import Budget
from ganaug.core.protocols import Features, Learner
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.load import load
from ganaug.data.view import TrainView
from ganaug.metrics.extractors import NetworkFeatures
from ganaug.metrics.report import quality
from ganaug.study.folds import fold, training_view
from ganaug.study.generate import as_in, some
from ganaug.study.inspect import most_compared
from ganaug.study.source import MixedSource
from ganaug.study.study import StudyLog
from ganaug.tasks.classification import Classifier

MOST = 1000  # images of a set that are measured
MOST_COPIED = 20_000  # training images among which copies are sought


def evaluate(
    real: Any, synthetic: Any, *, features: Features | None = None, learner: Learner | None = None,
    steps: int = 800, seed: int = 0, log: StudyLog | None = None,
) -> dict:  # fmt: skip
    """Realism, diversity, usefulness and copies of `synthetic` against `real` (anything `ganaug.load` takes).

    Real images are split into a training and a test fold where they are not. Usefulness is the classification
    accuracy score of Ravuri and Vinyals 2019: a fresh classifier trained on synthetic images alone, as many updates
    as one trained on real ones, both tested on real images. `log` is called as that of a study. Raises InputError where
    channels or classes do not fit.
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
    labelled = synthetic.label is not None
    made = TrainView.of(as_in(synthetic, train, "the synthetic set")) if labelled else None
    learner = learner or Classifier()
    judge = trained(train, learner, steps, seed, "training on real images", log)
    features = features or NetworkFeatures(judge, f"small CNN trained on {len(train)} training images")
    fake, held = (some(each, seed, most_compared(each, MOST)) for each in (synthetic, test))
    seen = some(train, seed, most_compared(train, MOST_COPIED))
    rival = trained(made, learner, steps, seed, "training on synthetic images", log) if made else None
    return {
        "quality": quality(
            features(held.image), features(fake.image), extractor=features.name,
            **({"real_labels": held.label, "fake_labels": fake.label} if labelled else {}),
        ),
        "collapse": collapse(fake.image, seen.image, *((fake.label, seen.label) if labelled else ())),
        "copies": copy_facts(fake.image, seen.image, held.image, seed),
        "usefulness": usefulness(learner, rival, judge, test) if labelled else {},
        "compared": {
            "real": len(held.image), "synthetic": len(fake.image), "training": len(seen.image),
            "reference": "held-out real images",
        },
    }  # fmt: skip


def trained(train: TrainView, learner: Learner, steps: int, seed: int, what: str, log: StudyLog | None) -> Any:
    """The learner on these rows alone."""
    size = getattr(learner, "batch_size", 32)
    source = Watched(train, [], [], batch_size=size, steps=steps, seed=seed)
    source.watch(what, log)
    return learner.fit(source, Budget(steps), seed)


class Watched(MixedSource):
    """A source that tells at every update how far the training has come."""

    def watch(self, what: str, log: StudyLog | None) -> None:
        self.what, self.log, self.begun = what, log, time.monotonic()

    def batch(self, t: int) -> Batch:
        if self.log is not None:
            left = (time.monotonic() - self.begun) / max(t, 1) * (self.steps - t)
            self.log(t, self.steps, self.what, left)
        return super().batch(t)


def copy_facts(fake: Any, seen: Any, held: Any, seed: int) -> dict:
    """The share of copies of training images, and how surely planted copies are found."""
    planted = dict(planted_detection(seen, seed=seed))
    found = find_copies(fake, seen, holdout=held)
    return {"share": found.share, "rows": [int(r) for r in found.rows], "planted": planted}


def usefulness(learner: Learner, rival: Any, judge: Any, test: ImageSet) -> dict:
    """Classification accuracy score, beside that of real images; a class nobody recognises is named."""
    scored = learner.score(rival, test)
    return {
        "classification_accuracy_score": scored.main,
        "real": learner.score(judge, test).main,
        "per_class": dict(scored.per_class),
        "missing": [name for name, recall in scored.per_class.items() if recall == 0.0],
    }
