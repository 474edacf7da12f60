# SPDX-License-Identifier: Apache-2.0
"""One generator cell: fit a recipe's system on the training rows of a repeat, make its images, look at them."""

from __future__ import annotations

import hashlib
import io
import time
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganaug.audit.collapse import LEAST, collapse
from ganaug.audit.copies import find_copies, planted_detection
from ganaug.core import sampling
from ganaug.core.card import Recipe
from ganaug.core.catalogue import entry, make
from ganaug.core.combine import PerClass
from ganaug.core.loop import Budget
from ganaug.core.system import System
from ganaug.data.atomic import atomic_file
from ganaug.data.batch import Batch
from ganaug.data.errors import FoldError, InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.picture import save_picture
from ganaug.data.renumber import with_classes, with_mask_classes
from ganaug.data.view import TrainView
from ganaug.parts.labels.policies import label_policy
from ganaug.study.arms import RULES, numbers
from ganaug.study.cache import Cache
from ganaug.study.folds import TARGET, Fold, learns_masks, training_view, with_labels
from ganaug.study.inspect import most_compared
from ganaug.study.pictures import pictured
from ganaug.study.quality import measure_quality

DEFAULT_STEPS = 1000
LOOKED_AT = 512  # generated images of a cell, or more where there are many classes
HELD, LEAST_HELD = 512, 50  # real images outside the training rows that say what is no copy
REFERENCES, LEAST_PLANTED = 1000, 32  # real images among which copies are planted


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
        if self.recipe.system == "folder":
            made["files"] = files_in(folder_path(self))
        return {
            "recipe": {**made, "params": repr(dict(self.recipe.params))},
            "one_a_class": self.recipe.system != "folder" and isinstance(system_of(self.recipe), PerClass),
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
    apart = label_policy(recipe.labels).chosen and "sample" in system.CARD.can and not system.conditional
    return PerClass(system) if apart else system


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
        made, steps = make_images(data, job, kept_system(cache, key))
        facts |= {"status": "ok", "note": "", "generated": len(made), "steps": steps}
        facts["one_class"] = not learns_masks(data) and made.label is not None and len(np.unique(made.label)) == 1
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


def kept_system(cache: Cache, key: str) -> Path:
    """Where a generator cell keeps its fitted system, if that may have to vary images of unseen classes later."""
    return cache.images(key).with_suffix("")


def make_images(data: ImageSet, job: GeneratorJob, keep: Path) -> tuple[ImageSet, int]:
    """Fit and sample; the system sees the training view and nothing else.

    One that varies given images is kept where test classes are unseen: few-shot learners have it vary what they learn
    the unseen classes from.
    """
    view = training_view(data, job.fold.train, job.fold.offered)
    if job.recipe.system == "folder":
        return folder_images(data, job), 0
    system = system_of(job.recipe)
    steps = (job.steps or DEFAULT_STEPS) if system.default_steps() else 0
    wanted = numbers(job.recipe.plan, view.counts())
    learnt = view.select(of_classes(view, wanted)) if isinstance(system, PerClass) and wanted else view
    system.fit(learnt, budget=Budget(steps=steps), seed=job.fold.seed)
    alone = "sample" not in system.CARD.can and not system.CARD.on_batch  # of one image, no other mixed in
    if alone and data.label is None and data.identity is not None:
        system.save(keep)
    if not wanted:
        return view.select(np.zeros(0, np.int64)), steps
    made = asked_for(system, view, wanted, job.fold.seed)
    return with_labels(made.but(label=None)) if learns_masks(data) else made, steps


def of_classes(view: TrainView, names: Iterable[str]) -> np.ndarray:
    """The rows of the named classes: clones of other classes would be trained for nothing."""
    assert view.label is not None
    return np.flatnonzero(np.isin(view.label, [view.classes.index(name) for name in names]))


def asked_for(system: System, view: TrainView, wanted: Mapping[str, int], seed: int) -> ImageSet:
    """So many images of each class, in the way the system offers: variants of training images, images that follow
    training maps (mirrored at random, so that no map is only repeated), or samples."""
    if "sample" not in system.CARD.can:
        return system.augment(view.select(repeated(view, wanted)), seed=seed)
    if sampling.unseen(system):
        like = make(RULES, strength=0.0, flip_h=True).fit(view, budget=0)
        return system.sample(like=like.augment(view.select(repeated(view, wanted)), seed=seed), seed=seed)
    if not system.conditional:
        return system.sample(sum(wanted.values()), seed=seed)
    return system.sample(per_class=wanted, seed=seed)


def repeated(view: TrainView, wanted: Mapping[str, int]) -> np.ndarray:
    """Rows of each class in turn, as often as images are wanted of it."""
    assert view.label is not None
    rows = [np.resize(np.flatnonzero(view.label == view.classes.index(name)), n) for name, n in wanted.items()]
    return np.concatenate(rows)


def folder_images(data: ImageSet, job: GeneratorJob) -> ImageSet:
    """Images that another tool made, with this set's class numbers."""
    from ganaug.data.load import load

    path = folder_path(job)
    height, width, channels = data.image.shape
    assert height is not None and width is not None
    made = load(path, size=(height, width))
    if made.image.shape[2] != channels:
        raise InputError(f"{path} has {made.image.shape[2]} channels and the data {channels}: convert it first.")
    return as_in(made, data if learns_masks(data) else training_view(data, job.fold.train), path)


def folder_path(job: GeneratorJob) -> str:
    """The folder of a cell: {shots} and {repeat} in its name stand for the cell's."""
    path = str(job.recipe.params["path"])
    return path.replace("{shots}", str(job.shots or "all")).replace("{repeat}", str(job.repeat))


def files_in(path: str) -> str:
    """A hash of the names, sizes and times of the files in a folder, or of a file: another one means other images."""
    found = [Path(path)] if Path(path).is_file() else sorted(p for p in Path(path).rglob("*") if p.is_file())
    facts = [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in found]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def as_in(made: ImageSet, data: ImageSet, path: str) -> ImageSet:
    """The same images with the class or mask numbers of `data`; unknown names are refused."""
    return with_masks_as(made, data, path) if learns_masks(data) else renumbered(made, with_labels(data), path)


def renumbered(made: ImageSet, data: ImageSet, path: str) -> ImageSet:
    """The same images with the class numbers of `data`."""
    if made.label is None or (made.label < 0).any():
        raise InputError(f"{path} has images without a class: put them into folders named as the data's classes.")
    return with_classes(made, data.classes, path).but(fold=None)


def with_masks_as(made: ImageSet, data: ImageSet, path: str) -> ImageSet:
    """Images with masks of the data's classes; InputError for others."""
    if made.mask is None:
        raise InputError(f"{path} has no masks; masks of the classes {', '.join(data.mask_classes)} are needed.")
    return with_labels(with_mask_classes(made, data.mask_classes, path).but(label=None, fold=None))


def look_at(data: ImageSet, job: GeneratorJob, made: ImageSet, cache: Cache) -> dict:
    """Collapse and copies for every repeat; planted copies, quality and a picture for the first."""
    view: ImageSet = training_view(data, job.fold.train, job.fold.offered)
    if data.domain is not None:  # translated images are to look like the target's
        view = view.others[TARGET]
    if min(len(made), len(view)) < 2:
        return {}
    looked_at = max(LOOKED_AT, 2 * LEAST * len(view.classes))  # so that most classes have enough to be judged by
    fake = some(made, job.fold.seed, most_compared(made, looked_at))
    real = some(view, job.fold.seed, most_compared(view, len(view)))
    facts = alarms(data, job, fake, real)
    if job.repeat == 0:
        facts["copies"] |= planted_facts(data, job)
        if data.domain is None:
            facts["quality"] = measure_quality(data, job.fold, made, fake, real)
        facts |= depicted(job, cache, fake, real, made.mask_classes)
    return facts


def some(data: ImageSet, seed: int, most: int) -> Any:
    """At most so many random rows of a set as a batch."""
    return data.batch(np.sort(np.random.default_rng(seed).permutation(len(data))[:most]))


def alarms(data: ImageSet, job: GeneratorJob, fake: Batch, real: Batch) -> dict:
    """Whether the generator collapsed, and how many of its images are copies."""
    assert fake.image is not None and real.image is not None
    labels = () if fake.label is None or real.label is None else (fake.label, real.label)
    pool = np.random.default_rng(job.fold.seed).permutation(job.fold.pool)[: most_compared(data, HELD)]
    held = data.images(pool) if len(pool) >= LEAST_HELD else None
    alarm = collapse(fake.image, real.image, *labels)
    copies = find_copies(fake.image, real.image, holdout=held)
    facts: dict[str, Any] = {
        "collapse": alarm,
        "copies": {"share": copies.share, "n": len(fake.image), "among": len(real.image)},
    }
    return facts | ({"status": "collapsed", "note": alarm["sentence"]} if alarm.get("collapsed") else {})


def depicted(job: GeneratorJob, cache: Cache, fake: Batch, real: Batch, mask_classes: tuple[str, ...]) -> dict:
    """The file of a picture of real and generated images, and what it shows of pairs with masks."""
    file = f"grids/{cache.slug(job.name)}-{job.shots or 'all'}.png"
    save_picture(cache.folder / file, pictured(fake, real, mask_classes))
    told = "a real image, a generated one with its mask, and the real image nearest to it"
    return {"grid": file, **({} if fake.mask is None else {"caption": told})}


def planted_facts(data: ImageSet, job: GeneratorJob) -> dict:
    """How surely planted copies are found at this sample size; needs real images beside the training rows."""
    rows = np.concatenate([job.fold.train, job.fold.pool])
    reference = np.random.default_rng(job.fold.seed).permutation(rows)[: min(REFERENCES, most_compared(data))]
    if len(reference) < LEAST_PLANTED:
        return {}
    planted = dict(planted_detection(data.images(reference), seed=job.fold.seed))
    return {"false_alarms": planted.pop("false_alarms", None), "planted": planted}


def store_images(path: Path, made: ImageSet) -> None:
    """Images, labels and origins as one uncompressed .npz, atomically."""
    columns: dict[str, Any] = {
        name: column for name, column in made.columns() if name in ("label", "mask", "parents", "origin", "index")
    }
    buffer = io.BytesIO()
    pixels = made.image[np.arange(len(made))] if len(made) else np.zeros((0, 1, 1, 1), np.uint8)
    np.savez(buffer, images=pixels, **columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as part:
        part.write_bytes(buffer.getvalue())


def stored_images(path: Path, like: ImageSet) -> ImageSet:
    """The inverse of `store_images`; names and scaling are those of the set they were made for."""
    with np.load(path, allow_pickle=False) as file:
        columns: Mapping[str, Any] = {name: file[name] for name in file.files if name != "images"}
        names: dict[str, Any] = {"classes": like.classes, "mask_classes": like.mask_classes}
        return ImageSet(image=file["images"], scaling=like.scaling, **names, **columns)
