# SPDX-License-Identifier: Apache-2.0
"""Realism and diversity of one cell's images, by features of a network trained on the training fold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ganaug.core.loop import Budget
from ganaug.data.image_set import ImageSet
from ganaug.metrics.extractors import NetworkFeatures
from ganaug.metrics.report import quality
from ganaug.study.folds import Fold, learns_masks, training_view
from ganaug.study.source import source_for
from ganaug.tasks.classification import Classifier
from ganaug.tasks.segmentation import Segmenter

JUDGE_STEPS = 600
MOST = 1000


def measure_quality(data: ImageSet, fold: Fold, made: ImageSet, fake: Any, real: Any) -> dict:
    """Distances and coverage against real training-fold images that the generator did not see, where there are enough.

    The judge is the small network of the task, trained on the training fold; it never sees the test fold, and its
    distances are not FID. Of images with masks, it also says how far these agree with what it sees in the images.
    """
    whole = training_view(data, np.sort(np.concatenate([fold.train, fold.pool])))
    learner = Segmenter() if learns_masks(data) else Classifier()
    source = source_for(learner, whole, [], [], JUDGE_STEPS, fold.seed)
    judge = learner.fit(source, Budget(JUDGE_STEPS), fold.seed)
    features = NetworkFeatures(judge, f"small network trained on {len(whole)} training images")
    unseen = fold.pool if len(fold.pool) >= 100 else fold.train
    chosen = np.random.default_rng(fold.seed).permutation(unseen)[:MOST]
    reference = whole.batch(whole.rows_of(data.index[chosen]))  # type: ignore[index]
    real_images = reference.image
    assert real_images is not None
    found = quality(
        features(real_images),
        features(fake.image),
        extractor=features.name,
        real_labels=None if fake.label is None else reference.label,
        fake_labels=fake.label,
    )
    if isinstance(learner, Segmenter) and made.mask is not None:
        found["agreement"] = learner.score(judge, made).main
        found["agreement_of_real"] = learner.score(judge, whole.select(whole.rows_of(data.index[chosen]))).main  # type: ignore[index]
    found["reference"] = "unseen training-fold images" if len(fold.pool) >= 100 else "the training images themselves"
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in found.items()}
