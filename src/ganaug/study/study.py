# SPDX-License-Identifier: Apache-2.0
"""Study: the same downstream learner with and without each arm, on equal terms, and what that says."""

from __future__ import annotations

import json
import math
import platform
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ganaug import __version__
from ganaug.core.catalogue import make
from ganaug.core.device import device, precision
from ganaug.core.protocols import Learner
from ganaug.core.requirements import POOL, missing
from ganaug.core.run_folder import claimed, write_json
from ganaug.core.system import System
from ganaug.data.errors import InputError, Stopped
from ganaug.data.image_set import ImageSet
from ganaug.data.write import write
from ganaug.study import results, saturate
from ganaug.study.adaptation import ORACLE, oracle_fold, refuse_unscorable
from ganaug.study.arms import Arm, choose, parse_arm, refuse_impossible_use, refuse_without_masks, with_controls
from ganaug.study.cache import Cache, told
from ganaug.study.cells import LearnerJob, as_baseline, run_learner
from ganaug.study.folder_arm import refuse_pool_copies, refuse_test_copies
from ganaug.study.folds import Fold, adapting_fold, fold, learns_masks, regime_of, training_view, what_is_learnt
from ganaug.study.generate import GeneratorJob, run_generator, stored_images, system_of
from ganaug.study.inspect import slow
from ganaug.study.parallel import check_backend, run_all
from ganaug.tasks import task

StudyLog = Callable[[int, int, str, float], None]
MAPS = ("mask", "valid", "instances", "depth")  # what class folders can't hold
JOINT_STEPS = 600  # of all arms beside a joint one, where neither a length nor a number of generator steps is given
CONTROLS = ("none", "rules", "duplicate", "placebo")


@dataclass(frozen=True)
class Results:
    """A finished study: its folder and the content of its `results.json`."""

    folder: Path
    results: Mapping[str, Any]

    @property
    def verdicts(self) -> list[dict]:
        """One entry a comparison: arm, against, shots, verdict, effect, low, high, p, repeats, ..."""
        return self.results["verdicts"]

    def __str__(self) -> str:
        return "\n".join([self.results["summary"]["headline"], *(v["sentence"] for v in self.verdicts)])


@dataclass(kw_only=True)
class Study:
    """Does it help? Arms x training sizes x repeats, with controls, equal updates and an interval.

    Parameters
    ----------
    arms : "rules+acgan", or a list of such texts, Recipes and Systems; None lets the study pick arms that suit the set
        and say why.
    task : "classification", "segmentation", "reid", "few_shot", or any Learner.
    shots : training images a class (one number or several); None uses the whole training fold.
    unit : what `shots` count: images a "class", or images in "total" (one of each class at least, then in proportion).
    repeats : paired repeats; each draws new training rows and seeds, the same for all arms.
    margin : the least difference that matters, on the scale of the score (0.01 = one point).
    steps : updates of the classifier for every arm; None trains until the baseline stops improving or, beside a joint
        arm, as long as that arm's generator does.
    generator_steps : training steps of each generator (default 1,000; 600 of a joint arm).
    cut : class name -> number of training images to keep, another draw a repeat.
    offer_rest : give systems the training rows that `shots` or `cut` leave out, without their labels.
    labels_from : "source" where the set has two domains and only the first one's labels may train anything
        (`study.adaptation`); the arm `oracle`, trained on the target's labels, then shows what is possible.
    leave_out : controls to switch off by name: none, rules, duplicate (all copies that nobody asked for), placebo.
    workers, backend : joblib's; one thread a worker.

    `run` raises InputError for data or arms that can't be studied.
    """

    arms: str | Sequence[Any] | None = None
    task: str | Learner = "classification"
    shots: int | Sequence[int] | None = None
    unit: str = "class"
    repeats: int = 5
    seed: int = 0
    margin: float = 0.01
    alpha: float = 0.05
    steps: int | None = None
    generator_steps: int | None = None
    cut: Mapping[str, int] | None = None
    offer_rest: bool = False
    labels_from: str | None = None
    leave_out: Sequence[str] = ()
    workers: int = 1
    backend: str = "loky"
    command: str = ""
    _why: str = field(default="", init=False, repr=False)

    # --- the plan ---------------------------------------------------------------------------------------------

    @property
    def sizes(self) -> list[int | None]:
        """Training sizes in rising order."""
        several = [self.shots] if self.shots is None or isinstance(self.shots, int) else list(self.shots)
        return sorted(set(several), key=lambda n: math.inf if n is None else n)

    @property
    def learner(self) -> Learner:
        """The downstream recipe; InputError for an unknown task."""
        return task(self.task) if isinstance(self.task, str) else self.task

    def fold(self, data: ImageSet, shots: int | None, repeat: int) -> Fold:
        """The rows of one repeat."""
        if self.labels_from:
            return adapting_fold(data, shots, repeat, repeats=self.repeats, seed=self.seed)
        found = fold(data, shots, repeat, repeats=self.repeats, seed=self.seed, cut=self.cut, unit=self.unit)
        return replace(found, offered=found.pool) if self.offer_rest else found

    def plan(self, data: ImageSet) -> list[Arm]:
        """Every arm with its controls, after checking that the data and the arms fit together."""
        data = self.prepared(data)
        folds = [self.fold(data, shots, 0) for shots in (self.sizes[0], self.sizes[-1])]
        views = [training_view(data, rows.train, rows.offered) for rows in folds]
        rows, first = folds[0], views[0]
        given = [self.arms] if isinstance(self.arms, str) else self.arms or ()
        if not given:
            given, self._why = choose(first if POOL in views[-1].others else first.but(others={}))
        arms = with_controls([parse_arm(a, first) for a in given], self.left_out)
        if self.labels_from and len(np.flatnonzero(what_is_learnt(data)[rows.offered] >= 0)):
            arms.append(ORACLE)
        for arm in arms:
            refuse_without_masks(arm, data)
            refuse_impossible_use(arm, first)
            systems = [system_of(recipe) for _, recipe in arm.recipes if recipe.system != "folder"]
            systems += [self.joint_system(arm)] if arm.joint else []
            for problem in (said for view in views for system in systems for said in missing(system, view)):
                raise InputError(problem)
        return arms

    def joint_system(self, arm: Arm) -> System:
        """The system of a joint arm; InputError where it is for another task or needs another kind of learner."""
        system = make(arm.joint, preset="small")
        tasks, backbone = getattr(self.learner, "CARD", system.CARD).task, getattr(self.learner, "backbone", None)
        if not set(tasks) & set(system.CARD.task):
            raise InputError(
                f"arm '{arm.name}': {arm.joint} is for {' and '.join(system.CARD.task)}, and this study is of "
                f"{' and '.join(tasks)}: leave it out."
            )
        if "task" in system.get_params(deep=False) and hasattr(backbone, "fit"):
            raise InputError(f"arm '{arm.name}': {arm.joint} needs a network as backbone, and this study's is none.")
        return system

    def prepared(self, data: ImageSet) -> ImageSet:
        """The set as the task sees it; InputError for what can't be studied."""
        self.check_settings()
        data = self.learner.prepared(data)
        if data.image.shape[0] is None:
            raise InputError("the images have different sizes: pass --size 64 (resize), or --size 64 --fit pad.")
        if self.labels_from:
            refuse_unscorable(data)
        return data

    def check_settings(self) -> None:
        """InputError for a setting that means nothing."""
        for name in ("repeats", "workers", "steps", "generator_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1, found {value}.")
        if not self.margin > 0:
            raise InputError(f"margin must be above 0, found {self.margin}.")
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha must lie between 0 and 1, found {self.alpha}.")
        check_backend(self.backend)
        if self.labels_from not in (None, "source"):
            raise InputError(f"labels_from must be 'source', found '{self.labels_from}'.")
        if self.unit not in ("class", "total"):
            raise InputError(f"unit must be 'class' or 'total', found '{self.unit}'.")
        for name, given in (("unit='total'", self.unit == "total"), ("cut", self.cut), ("offer_rest", self.offer_rest)):
            if given and self.labels_from:
                raise InputError(f"{name} can't be combined with labels_from: leave one of them out.")
        for name in self.leave_out:
            if name not in CONTROLS:
                raise InputError(f"there is no control '{name}': there are {', '.join(CONTROLS)}.")

    @property
    def left_out(self) -> Sequence[str]:
        """Controls that are off; what is translated is no addition to the source, so there is nothing to duplicate."""
        return (*self.leave_out, "duplicate", "placebo") if self.labels_from else self.leave_out

    # --- the run ----------------------------------------------------------------------------------------------

    def run(self, data: ImageSet, folder: str | Path, *, resume: bool = False, log: StudyLog | None = None) -> Results:
        """Run every cell that is not stored yet, judge, and write `results.json` and the images into the folder."""
        started, folder = time.time(), Path(folder)
        data = self.prepared(data)
        for sentence in slow(data):
            warnings.warn(sentence, stacklevel=2)
        arms = self.plan(data)
        refuse_test_copies(arms, data, self.sizes, self.repeats, self.fold)
        refuse_pool_copies(data, [self.fold(data, self.sizes[0], repeat) for repeat in range(self.repeats)])
        fingerprint = data.fingerprint()
        self.claim(folder, fingerprint, resume)
        shared = [__version__, fingerprint, told(self.learner), self.seed, self.repeats_matter(data)]
        cache = Cache(folder, json.dumps([*shared, precision(device(), mixed=True)]))
        cache.forget_failed()
        go = self.runner(data, cache, log)
        found = self.saturated(data, arms, go)
        made = go("making images", run_generator, self.generator_jobs(data, arms), cache)
        trained = results.told_apart(arms, made)
        jobs = self.learner_jobs(data, trained, found, cache)
        cells = go("training classifiers", run_learner, jobs, self.learner, cache)
        cells = counted_as_baseline(cells, trained, lambda *place: self.made_for(data, cache, *place))
        content = results.collect(self, data, arms, found, made, cells, fingerprint, started)
        write_json(folder / "results.json", content)
        self.hand_out(data, arms, cache, folder)
        return Results(folder, content)

    def repeats_matter(self, data: ImageSet) -> Any:
        """What the folds depend on besides the seed."""
        total = ["total"] if self.unit == "total" else []
        return [regime_of(data), dict(self.cut or {}), *([self.labels_from] if self.labels_from else []), *total]

    def claim(self, folder: Path, fingerprint: str, resume: bool) -> None:
        """Take a new or own folder; a folder with other content, or of another data set, is refused."""
        own = {"kind": "study", "data": fingerprint, "seed": self.seed}
        stored = claimed(folder, "study.json", "study", resume)
        if stored is None:
            write_json(folder / "study.json", own)
        elif stored != own:
            raise InputError(f"{folder} holds a study of other data or another seed: choose another folder.")

    def runner(self, data: ImageSet, cache: Cache, log: StudyLog | None) -> Callable[..., list]:
        """A function that runs jobs of one kind on the workers, in order of the jobs."""

        def go(what: str, function: Callable, jobs: Sequence[Any], *rest: Any) -> list:
            given = rest or (self.learner, cache)
            return run_all(function, data, jobs, given, self.workers, self.backend, what, log)

        return go

    def saturated(self, data: ImageSet, arms: Sequence[Arm], go: Callable[..., list]) -> dict:
        """The length for all arms and the strength of the rules, found on the training fold.

        A joint arm trains its generator in the same steps, which are dear; so beside one the length is set and judged.
        """
        folds = saturate.inner_folds(lambda repeat: self.fold(data, self.sizes[-1], repeat % self.repeats), data)

        def run(trials: Sequence[saturate.Trial]) -> list[float]:
            return go("checking the baseline", saturate.run_trial, trials)

        if self.steps is None and any(arm.joint for arm in arms):
            return saturate.judged_by_half(folds, run, self.margin, self.generator_steps or JOINT_STEPS)
        return saturate.saturate(folds, run, self.margin, self.steps)

    def generator_jobs(self, data: ImageSet, arms: Sequence[Arm]) -> list[GeneratorJob]:
        """One job for each different recipe, training size and repeat; placebos use the same images."""
        jobs: dict[str, GeneratorJob] = {}  # by what they make: arms may use one name for different plans
        for shots in self.sizes:
            for repeat in range(self.repeats):
                rows = self.fold(data, shots, repeat)
                for name, recipe in (pair for arm in arms for pair in arm.recipes):
                    job = GeneratorJob(name, recipe, shots, repeat, self.generator_steps, rows)
                    jobs.setdefault(json.dumps([name, job.describe()], sort_keys=True), job)
        return list(jobs.values())

    def learner_jobs(self, data: ImageSet, arms: Sequence[Arm], found: Mapping, cache: Cache) -> list[LearnerJob]:
        """Every arm at every training size and repeat whose images could be made."""
        jobs = []
        for shots in self.sizes:
            for repeat in range(self.repeats):
                rows = self.fold(data, shots, repeat)
                for arm in arms:
                    keys = tuple(
                        cache.key("generator", maker.describe()) for maker in self.makers(data, arm, shots, repeat)
                    )
                    own = oracle_fold(rows, data) if arm.kind == "oracle" else rows
                    if all(cache.get(key)["status"] == "ok" for key in keys):
                        jobs.append(
                            LearnerJob(
                                arm, shots, repeat, found["chosen"], found["rules"], keys, own, self.generator_steps
                            )
                        )
        return sorted(jobs, key=lambda job: not job.arm.joint)  # the longest first: workers then end together

    def makers(self, data: ImageSet, arm: Arm, shots: int | None, repeat: int) -> list[GeneratorJob]:
        """What makes the images of an arm in one repeat."""
        rows = self.fold(data, shots, repeat)
        return [GeneratorJob(n, r, shots, repeat, self.generator_steps, rows) for n, r in arm.recipes]

    def made_for(self, data: ImageSet, cache: Cache, arm: Arm, shots: int | None, repeat: int) -> list[dict]:
        """What is known of the images of an arm in one repeat."""
        return [cache.get(cache.key("generator", job.describe())) for job in self.makers(data, arm, shots, repeat)]

    def hand_out(self, data: ImageSet, arms: Sequence[Arm], cache: Cache, folder: Path) -> None:
        """The images of the first repeat at the largest size as class folders, for use elsewhere.

        A study that goes on at other sizes replaces them.
        """
        handed = cache.get("handed") or {}
        jobs = [job for arm in arms for job in self.makers(data, arm, self.sizes[-1], 0)]
        for job in {
            job.name: job for job in jobs if job.name != "duplicate" and job.recipe.system != "folder"
        }.values():
            target, key = folder / "images" / cache.slug(job.name), cache.key("generator", job.describe())
            if (handed.get(target.name) == key and target.is_dir()) or not cache.images(key).is_file():
                continue
            shutil.rmtree(target, ignore_errors=True)
            made = stored_images(cache.images(key), training_view(data, job.fold.train))
            if len(made):
                write(made, target, "folder")
                handed[target.name] = key
                cache.put("handed", handed)

    def export_folds(self, data: ImageSet, folder: str | Path) -> Path:
        """Write each repeat's training fold as class folders, for a tool that is to be judged by `folder:PATH`."""
        data = self.prepared(data)
        for shots in self.sizes:
            for repeat in range(self.repeats):
                rows = self.fold(data, shots, repeat)
                target = Path(folder) / f"shots-{shots or 'all'}" / f"repeat-{repeat}"
                view = training_view(data, rows.train).but(fold=None, others={})
                write(view if learns_masks(data) else view.but(**dict.fromkeys(MAPS)), target, "folder")
        return Path(folder)


def counted_as_baseline(
    cells: Sequence[dict], arms: Sequence[Arm], made_for: Callable[[Arm, int | None, int], list[dict]]
) -> list[dict]:
    """Cells of every arm, with crashed and collapsed ones scored as their baseline."""
    by_place = {(c["arm"], c["shots"], c["repeat"]): c for c in cells}
    full = []
    for arm in arms:
        for shots, repeat in sorted({(c["shots"], c["repeat"]) for c in cells}, key=str):
            cell = by_place.get((arm.name, shots, repeat), {"arm": arm.name, "status": "failed", "note": ""})
            makers = made_for(arm, shots, repeat)
            bad = next((m for m in makers if m["status"] != "ok"), None)
            cell["generated"] = sum(m["generated"] for m in makers)
            if bad is None and cell["status"] == "ok":
                full.append(cell)
                continue
            base = by_place.get((arm.baseline, shots, repeat))
            if base is None or base["status"] != "ok":
                raise Stopped(
                    f"the arm {arm.baseline}, which {arm.name} is compared with, failed in repeat {repeat} "
                    f"({(base or cell)['note']}): without it there is no verdict."
                )
            status, note = (bad["status"], bad["note"]) if bad else (cell["status"], cell["note"])
            full.append({**as_baseline(cell, base, status, note), "generated": 0})
    return full


def machine() -> dict:
    """What the study ran on. `precision` is that of learners, and of systems that allow less than float32."""
    import os

    return {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "precision": precision(device(), mixed=True),
        "system": platform.system(),
        "python": sys.version.split()[0],
    }
