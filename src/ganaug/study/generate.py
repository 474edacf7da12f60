# SPDX-License-Identifier: Apache-2.0
"""One generator cell: fit a recipe's system on the training rows of a repeat, make its images, look at them."""

from __future__ import annotations

import io
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganaug.audit.collapse import collapse
from ganaug.audit.copies import find_copies, nearest, planted_detection
from ganaug.core.card import Recipe
from ganaug.core.catalogue import entry, make
from ganaug.core.combine import PerClass
from ganaug.core.loop import Budget
from ganaug.core.system import System
from ganaug.data.atomic import atomic_file
from ganaug.data.batch import Batch
from ganaug.data.errors import FoldError, InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.picture import save_picture, tiled
from ganaug.data.scaling import Scaling
from ganaug.parts.labels.policies import label_policy
from ganaug.study.arms import numbers
from ganaug.study.cache import Cache
from ganaug.study.folds import Fold, training_view
from ganaug.study.quality import measure_quality

DEFAULT_STEPS = 1000
LEAST_PLANTED = 32


@dataclass(frozen=True)
class GeneratorJob:
    """Everything that decides what a generator cell makes."""

    name: str
    recipe: Recipe
    shots: int | None
    repeat: int
    steps: int | None
    fold: Fold

    def describe(self) -> dict:
        """Plain values for the cell's key: recipes that only label or mix their images differently share them."""
        made = {name: str(getattr(self.recipe, name)) for name in ("system", "preset", "plan")}
        return {
            "recipe": {**made, "params": repr(dict(self.recipe.params))},
            "labelled": label_policy(self.recipe.labels).needs_label,
            "shots": self.shots,
            "repeat": self.repeat,
            "steps": self.steps,
            "seed": self.fold.seed,
            "offered": len(self.fold.offered),
        }


def system_of(recipe: Recipe) -> System:
    """The unfitted system of a recipe; an unconditional one becomes one clone a class where labels are needed."""
    found = entry(recipe.system)
    preset = recipe.preset if recipe.preset in found.presets else None
    system = make(recipe.system, preset=preset, **recipe.params)
    return PerClass(system) if label_policy(recipe.labels).needs_label and not system.conditional else system


def run_generator(data: ImageSet, job: GeneratorJob, cache: Cache) -> dict:
    """Make the images of one cell and store them; what is already stored is not made again.

    A crash is written down and does not stop the study; asking for rows outside the training fold does.
    """
    key = cache.key("generator", job.describe())
    stored = cache.get(key)
    if stored is not None:
        return {**stored, "arm": job.name}
    started = time.perf_counter()
    facts: dict[str, Any] = {"arm": job.name, "system": job.recipe.system, "shots": job.shots, "repeat": job.repeat}
    try:
        made, steps = make_images(data, job)
        facts |= {"status": "ok", "note": "", "generated": len(made), "steps": steps}
        facts |= look_at(data, job, made, cache)
        store_images(cache.images(key), made)
    except (FoldError, InputError):
        raise
    except Exception as error:  # any other failure of a system is a result: its arm counts as its baseline
        facts |= {"status": "failed", "note": f"{type(error).__name__}: {error}", "generated": 0, "steps": 0}
        facts["trace"] = traceback.format_exc(limit=-4)
    facts["seconds"] = time.perf_counter() - started
    cache.put(key, facts)
    return facts


def make_images(data: ImageSet, job: GeneratorJob) -> tuple[ImageSet, int]:
    """Fit and sample; the system sees the training view and nothing else."""
    view = training_view(data, job.fold.train, job.fold.offered)
    if job.recipe.system == "folder":
        return folder_images(data, job), 0
    system = system_of(job.recipe)
    steps = (job.steps or DEFAULT_STEPS) if system.default_steps() else 0
    system.fit(view, budget=Budget(steps=steps), seed=job.fold.seed)
    wanted = numbers(job.recipe.plan, view.counts())
    if not wanted:
        return view.select(np.zeros(0, np.int64)), steps
    if not system.conditional:
        return system.sample(sum(wanted.values()), seed=job.fold.seed), steps
    return system.sample(per_class=wanted, seed=job.fold.seed), steps


def folder_images(data: ImageSet, job: GeneratorJob) -> ImageSet:
    """Images that another tool made, with this set's class numbers."""
    from ganaug.data.load import load

    path = str(job.recipe.params["path"]).format(shots=job.shots, repeat=job.repeat)
    height, width, channels = data.image.shape
    assert height is not None and width is not None
    made = load(path, size=(height, width))
    if made.image.shape[2] != channels:
        raise InputError(f"{path} has {made.image.shape[2]} channels and the data {channels}: convert it first.")
    return renumbered(made, data, path)


def renumbered(made: ImageSet, data: ImageSet, path: str) -> ImageSet:
    """The same images with the class numbers of `data`; unknown class names are refused."""
    unknown = [name for name, n in made.counts().items() if n and name not in data.classes]
    if made.label is None or unknown:
        found = f"class '{unknown[0]}'" if unknown else "no labels"
        raise InputError(
            f"{path} has {found}; its class folders must be named as the data's: {', '.join(data.classes)}."
        )
    number = np.array([data.classes.index(name) if name in data.classes else -1 for name in made.classes])
    return made.but(label=number[made.label], classes=data.classes, fold=None)


def look_at(data: ImageSet, job: GeneratorJob, made: ImageSet, cache: Cache) -> dict:
    """Collapse and copies for every repeat; planted copies, quality and a picture for the first."""
    if len(made) < 2:
        return {}
    rows = np.random.default_rng(job.fold.seed).permutation(len(made))[:512]
    view = training_view(data, job.fold.train)
    fake, real = made.batch(np.sort(rows)), view.batch(np.arange(len(view)))
    labels = () if fake.label is None else (fake.label, real.label)
    assert fake.image is not None and real.image is not None
    held = data.images(job.fold.pool[:512]) if len(job.fold.pool) >= 50 else None
    alarm = collapse(fake.image, real.image, *labels)
    found = find_copies(fake.image, real.image, holdout=held)
    facts: dict[str, Any] = {"collapse": alarm, "copies": {"share": found.share, "n": len(rows)}}
    if alarm.get("collapsed"):
        facts["status"], facts["note"] = "collapsed", alarm["sentence"]
    if job.repeat == 0:
        facts["copies"] |= planted_facts(data, job)
        facts["quality"] = measure_quality(data, job.fold, made, fake, real)
        picture = f"{cache.slug(job.name)}-{job.shots or 'all'}.png"
        save_picture(
            cache.folder / "grids" / picture, side_by_side(fake, real) if labels else side_by_side(*mixed(fake, real))
        )
        facts["grid"] = f"grids/{picture}"
    return facts


def planted_facts(data: ImageSet, job: GeneratorJob) -> dict:
    """How surely planted copies are found at this sample size; needs real images beside the training rows."""
    reference = np.concatenate([job.fold.train, job.fold.pool])[:1000]
    if len(reference) < LEAST_PLANTED:
        return {}
    planted = dict(planted_detection(data.images(reference), seed=job.fold.seed))
    return {"false_alarms": planted.pop("false_alarms", None), "planted": planted}


def side_by_side(fake: Any, real: Any, classes: int = 10, each: int = 4) -> np.ndarray:
    """A row a class: real images, generated ones, and the training image nearest to each generated one."""
    shown = torch.unique(fake.label)[:classes]
    rows = []
    for k in shown:
        some = torch.nonzero(fake.label == k).flatten()[:each]
        own = torch.nonzero(real.label == k).flatten()[:each]
        closest = torch.as_tensor(np.asarray(nearest(fake.image[some], real.image)))
        rows += [padded(real.image[own], each), padded(fake.image[some], each), padded(real.image[closest], each)]
    images = torch.cat(rows).permute(0, 2, 3, 1).numpy()
    return tiled(images, 3 * each)


def mixed(fake: Batch, real: Batch, rows: int = 10) -> tuple[Batch, Batch]:
    """Batches without classes, dealt out to the rows of a picture."""
    return tuple(batch.but(label=torch.arange(len(batch)) % rows) for batch in (fake, real))  # type: ignore[return-value]


def padded(images: torch.Tensor, n: int) -> torch.Tensor:
    """Exactly n images, white ones at the end."""
    missing = n - len(images)
    return images if missing <= 0 else torch.cat([images, images.new_ones(missing, *images.shape[1:])])


def store_images(path: Path, made: ImageSet) -> None:
    """Images, labels and origins as one uncompressed .npz, atomically."""
    columns: dict[str, Any] = {
        name: column for name, column in made.columns() if name in ("label", "parents", "origin", "index")
    }
    buffer = io.BytesIO()
    pixels = made.image[np.arange(len(made))] if len(made) else np.zeros((0, 1, 1, 1), np.uint8)
    np.savez(buffer, images=pixels, **columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as part:
        part.write_bytes(buffer.getvalue())


def stored_images(path: Path, classes: tuple[str, ...], scaling: Scaling | None) -> ImageSet:
    """The inverse of `store_images`."""
    with np.load(path, allow_pickle=False) as file:
        columns: Mapping[str, Any] = {name: file[name] for name in file.files if name != "images"}
        return ImageSet(image=file["images"], classes=classes, scaling=scaling, **columns)
