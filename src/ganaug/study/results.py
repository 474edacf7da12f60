# SPDX-License-Identifier: Apache-2.0
"""What a study found, as plain data: cells, verdicts, controls, audit, and the sentences that sum it up."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from ganaug.audit.leaks import leaks
from ganaug.core.card import Recipe
from ganaug.core.catalogue import catalogue
from ganaug.core.requirements import POOL
from ganaug.data.image_set import ImageSet
from ganaug.parts.labels.policies import label_policy
from ganaug.study import advice
from ganaug.study.adaptation import gaps
from ganaug.study.arm_words import id_of
from ganaug.study.arms import NOT_ASKED, Arm, copies_beside, learns_from_pool
from ganaug.study.folds import learns_masks, regime_of, training_view
from ganaug.study.inspect import most_compared
from ganaug.study.learning_curve import by_repeats, by_repeats_and_units, learning_curve
from ganaug.study.statistics import cluster_bootstrap, corrected_resampled_t, paired_t
from ganaug.study.verdict import Comparison, Verdict, verdicts

if TYPE_CHECKING:
    from ganaug.study.study import Study

LIBRARIES = ("torch", "torchvision", "numpy", "scikit-learn", "scipy")


def collect(
    study: Study,
    data: ImageSet,
    arms: Sequence[Arm],
    saturation: Mapping[str, Any],
    made: Sequence[dict],
    cells: Sequence[dict],
    fingerprint: str,
    started: float,
) -> dict:
    """The content of `results.json`."""
    judged = judge(study, data, arms, cells)
    placebos = judge_placebos(study, data, arms, cells, made)
    facts = manifest(study, data, saturation, fingerprint, started)
    return {
        "manifest": facts,
        "summary": {
            "headline": advice.headline(judged, arms),
            "why_arms": study._why,
            "score_note": next((c["score_note"] for c in cells if c.get("score_note")), ""),
            "advice": advice.paragraph(judged, placebos, arms, saturation, made),
        },
        "arms": [describe(arm, facts["data"]["unlabelled"]) for arm in told_apart(arms, made)],
        "saturation": {k: v for k, v in saturation.items() if k != "rules"},
        "cells": [{k: v for k, v in cell.items() if k != "units"} for cell in cells],
        "verdicts": judged,
        "gaps": gaps(cells) if study.labels_from else [],
        "learning_curve": curves(study, data, arms, cells),
        "placebos": placebos,
        "generators": [{k: v for k, v in m.items() if k not in ("trace", "grid")} for m in made],
        "audit": {"leaks": leak_facts(data)},
        "grids": grids((*made, *cells), shots_of(study, data)),
    }


def describe(arm: Arm, unlabelled: int) -> dict:
    """An arm for the report; whether it had the unlabelled images, where there are some."""
    known = catalogue()
    ids = [*arm.transforms, *(str(r.system) for _, r in arm.recipes), *([arm.joint] if arm.joint else [])]
    titles = [known[id_of(i)].card["title"] if id_of(i) in known else i for i in ids]
    plans = [f"{r.plan}, labels {r.labels}" for _, r in arm.recipes]
    return {
        "arm": arm.name,
        "kind": arm.kind,
        "baseline": arm.baseline,
        "title": " + ".join(titles) or "real images only",
        "why": arm.why or "; ".join(plans),
        "makers": [name for name, _ in arm.recipes],
        "pool": unlabelled > 0 and learns_from_pool(arm),
    }


def grids(found: Sequence[Mapping[str, Any]], of: str) -> list[dict]:
    """The pictures of the first repeat; sizes count images of `of`, or images altogether."""
    drawn = [m for m in found if m.get("grid") and m["repeat"] == 0]
    return [{"arm": m["arm"], "file": m["grid"], "caption": caption(m, of)} for m in drawn]


def caption(made: Mapping[str, Any], of: str) -> str:
    """What a grid shows; sizes count images of `of`, or images altogether."""
    size = "" if made["shots"] is None else f" with {made['shots']} training images{of and f' of each {of}'}"
    if "caption" in made:
        return f"{made['arm']}{size}: {made['caption']}."
    shown = "four real, four generated, and the training image nearest to each of these"
    return f"{made['arm']}{size}: a row a class; {shown}."


# --- verdicts ---------------------------------------------------------------------------------------------------


def judge(study: Study, data: ImageSet, arms: Sequence[Arm], cells: Sequence[dict]) -> list[dict]:
    """Every arm against its baseline and what costs nothing; one Holm family for the whole study."""
    free = ["rules", *(["colour_match"] if study.labels_from else [])]
    names = {arm.name for arm in arms}
    asked = [arm for arm in arms if arm.kind not in NOT_ASKED]
    pairs = [(arm.name, other) for arm in asked for other in rivals(arm, arms, free) if other in names]
    return compared(study, data, pairs, cells)


def rivals(arm: Arm, arms: Sequence[Arm], free: Sequence[str]) -> list[str]:
    """What an arm has to beat: its baseline, the free arms unless it is one, and plain copies where they are an arm."""
    others = [*(() if arm.name in free else free), copies_beside(arm, arms)]
    return list(dict.fromkeys(name for name in (arm.baseline, *others) if name))


def judge_placebos(
    study: Study, data: ImageSet, arms: Sequence[Arm], cells: Sequence[dict], made: Sequence[dict]
) -> list[dict]:
    """The placebos against the baselines of their arms, a family of their own."""
    pairs = [(arm.name, arm.baseline) for arm in told_apart(arms, made) if arm.kind == "placebo"]
    return compared(study, data, pairs, cells)


def told_apart(arms: Sequence[Arm], made: Sequence[dict]) -> list[Arm]:
    """The arms without placebos whose images are all of one class: shuffled labels are the same, and so is the arm."""
    one_class = {m["arm"] for m in made} - {m["arm"] for m in made if not m.get("one_class")}
    return [a for a in arms if a.kind != "placebo" or not all(unshuffled(*r, one_class) for r in a.recipes)]


def unshuffled(name: str, recipe: Recipe, one_class: Collection[str]) -> bool:
    """Whether a recipe's images have the same labels however these are shuffled."""
    return name in one_class and not label_policy(recipe.labels).asks


def compared(study: Study, data: ImageSet, pairs: Sequence[tuple[str, str]], cells: Sequence[dict]) -> list[dict]:
    """Verdicts on pairs of arms at every training size."""
    table = {(c["arm"], c["shots"], c["repeat"]): c for c in cells}
    asked = [comparison(study, data, table, a, b, shots) for shots in study.sizes for a, b in pairs]
    if not asked:
        return []
    judged = verdicts(asked, margin=study.margin, alpha=study.alpha, regime=regime_of(data))
    return [
        as_json(v, c, failures(table, c), study.seed, shots_of(study, data))
        | {"further": further(study, data, table, c)}
        for v, c in zip(judged, asked, strict=True)
    ]


def further(study: Study, data: ImageSet, table: Mapping[tuple, dict], c: Comparison) -> dict[str, dict]:
    """Name -> effect, low, high of every further score that all repeats of both arms have, in units of that score.

    By the paired t over repeats, corrected where repeats share test images. Each interval stands for itself: verdicts
    rest on the main score alone.
    """
    pairs = [[table[arm, c.shots, r].get("scores") or {} for arm in (c.arm, c.against)] for r in range(study.repeats)]
    shared = set.intersection(*(set(scores) for pair in pairs for scores in pair))
    fixed, found = regime_of(data) == "fixed test fold", {}
    ratio = 0.0 if fixed else test_share_ratio(study, data, c.shots)
    for name in (n for n in pairs[0][0] if n in shared):
        differences = np.array([own[name] - other[name] for own, other in pairs])
        if np.isfinite(differences).all():
            level = 1 - study.alpha
            e = paired_t(differences, level=level) if fixed else corrected_resampled_t(differences, ratio, level=level)
            bounds = {"low": e.low, "high": e.high}
            found[name] = {"effect": e.effect, **{k: v if math.isfinite(v) else None for k, v in bounds.items()}}
    return found


def test_share_ratio(study: Study, data: ImageSet, shots: int | None) -> float:
    """Test images over training images of a repeat."""
    rows = study.fold(data, shots, 0)
    return len(rows.test) / max(len(rows.train), 1)


def curves(study: Study, data: ImageSet, arms: Sequence[Arm], cells: Sequence[dict]) -> dict:
    """Learning curves, and what each arm is worth in real images; empty with fewer than two training sizes."""
    pairs = [(arm.name, arm.baseline) for arm in arms if arm.kind not in NOT_ASKED and arm.baseline != arm.name]
    level, of = 1 - study.alpha, shots_of(study, data)
    if regime_of(data) == "fixed test fold":
        contrast = by_repeats(cells, level)
    else:
        tests = [study.fold(data, study.sizes[0], repeat).test for repeat in range(study.repeats)]
        contrast = by_repeats_and_units(cells, tests, groups_of(data), level)
    parts = len(training_view(data, study.fold(data, study.sizes[-1], 0).train).classes) if of else 1
    return learning_curve(cells, pairs, contrast, of=of, parts=parts, level=level)


def failures(table: Mapping[tuple, dict], c: Comparison) -> int:
    """In how many repeats the arm failed or collapsed, and was counted as its baseline."""
    return sum(table[c.arm, c.shots, r]["status"] != "ok" for r in range(len(c.differences)))


def comparison(
    study: Study, data: ImageSet, table: Mapping[tuple, dict], arm: str, against: str, shots: int | None
) -> Comparison:
    """Paired differences of two arms: one a repeat, and one a test image and repeat."""
    rows = [study.fold(data, shots, repeat).test for repeat in range(study.repeats)]
    tested = np.unique(np.concatenate(rows))
    units = np.full((study.repeats, len(tested)), np.nan)
    for repeat, own in enumerate(rows):
        a, b = table[arm, shots, repeat], table[against, shots, repeat]
        units[repeat, np.searchsorted(tested, own)] = np.subtract(*(np.array(c["units"], float) for c in (a, b)))
    differences = np.array(
        [table[arm, shots, r]["score"] - table[against, shots, r]["score"] for r in range(study.repeats)]
    )
    asked = ~np.isnan(units).all(0)  # only queries are units of a retrieval
    groups = groups_of(data)
    return Comparison(
        arm, against, shots, differences, units[:, asked], None if groups is None else groups[tested][asked]
    )


def groups_of(data: ImageSet) -> np.ndarray | None:
    """What belongs together among test rows."""
    return data.group if data.label is not None or learns_masks(data) else data.identity


def as_json(verdict: Verdict, c: Comparison, failed: int, seed: int, of: str) -> dict:
    """A verdict as plain data, with the bootstrap interval over test images beside it."""
    plain = {**asdict(verdict), "sentence": verdict.sentence(of), "failed": failed}
    if failed:
        plain["sentence"] += (
            f" It failed or collapsed in {failed} of {verdict.repeats} repeats, which count as its baseline."
        )
    assert c.unit_differences is not None
    groups = np.arange(c.unit_differences.shape[1]) if c.groups is None else c.groups
    low, high = cluster_bootstrap(c.unit_differences, groups, seed)
    bounds = {"bootstrap_low": float(low), "bootstrap_high": float(high)}
    return {**plain, **{name: value if math.isfinite(value) else None for name, value in bounds.items()}}


# --- what was measured, on what ---------------------------------------------------------------------------------


def manifest(study: Study, data: ImageSet, saturation: Mapping, fingerprint: str, started: float) -> dict:
    """Enough to run the study again."""
    from ganaug import __version__
    from ganaug.study.study import machine

    return {
        "version": __version__,
        "command": (study.command or " ".join(sys.argv)).replace(" --resume", ""),
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds": time.time() - started,
        "data": data_facts(study, data, fingerprint),
        **task_facts(study, data),
        "regime": regime_of(data),
        "steps": saturation["chosen"],
        "strength": saturation["strength"],
        "shots": study.sizes,
        "cut": dict(study.cut or {}),
        "repeats": study.repeats,
        "margin": study.margin,
        "alpha": study.alpha,
        "generator_steps": study.generator_steps,
        "seeds": [study.fold(data, study.sizes[-1], r).seed for r in range(study.repeats)],
        "workers": study.workers,
        "machine": machine(),
        "versions": {name: found for name in LIBRARIES if (found := installed(name))},
    }


def data_facts(study: Study, data: ImageSet, fingerprint: str) -> dict:
    """The set, and the folds of the first repeat."""
    height, width, channels = data.image.shape
    first, fewest = (study.fold(data, study.sizes[i], 0) for i in (-1, 0))  # the rest is largest beside the fewest
    view, pool = (
        training_view(data, first.train),
        training_view(data, fewest.train, fewest.offered).others.get(POOL, ()),
    )
    return {
        "name": data.name,
        "fingerprint": fingerprint,
        "rows": len(data),
        "train_rows": len(first.train) + len(first.pool),
        "test_rows": len(first.test),
        "unlabelled": len(pool),
        "classes": list(view.mask_classes if learns_masks(data) else view.classes),
        "counts": view.counts(),
        "counts_by_size": {str(n): training_view(data, study.fold(data, n, 0).train).counts() for n in study.sizes},
        "channels": channels,
        "height": height,
        "width": width,
    }


def task_facts(study: Study, data: ImageSet) -> dict:
    """What was learnt, by what, and how it was scored."""
    return {
        "labels_from": study.labels_from,
        "task": study.task if isinstance(study.task, str) else type(study.task).__name__,
        "learner": getattr(study.learner, "name", type(study.learner).__name__),
        "score": getattr(study.learner, "score_name", "score"),
        "class_score": getattr(study.learner, "class_score", "recall"),
        "shots_of": shots_of(study, data),
    }


def shots_of(study: Study, data: ImageSet) -> str:
    """What training sizes count images of: "class", "identity", or "" for images altogether."""
    if learns_masks(data) or study.unit == "total":
        return ""
    return "class" if data.label is not None else "identity"


def installed(name: str) -> str:
    """The version of an installed library, or nothing."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def leak_facts(data: ImageSet) -> dict:
    """Images that stand in both folds of a given split, or in both domains where the target is re-split.

    A re-split study keeps groups together by itself.
    """
    train, test = data.in_fold("train", "val"), data.in_fold("test")
    if not len(test) and data.domain is not None:
        train, test = (np.flatnonzero(data.domain == domain) for domain in (0, 1))
    if not len(test):
        return {}
    rng, most = np.random.default_rng(0), most_compared(data)
    train, test = (np.sort(rng.permutation(rows)[:most]) for rows in (train, test))
    groups = (data.group[train], data.group[test]) if data.group is not None else (None, None)
    found = leaks(data.images(train), data.images(test), *groups)
    return {**found, **{kind: len(found[kind]) for kind in ("exact", "near", "groups")}}
