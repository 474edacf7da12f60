# SPDX-License-Identifier: Apache-2.0
"""One search for a recipe under way: the baseline's check, the rounds, the confirmation, and what is written down.

What it knows stands in `tune.json`, so a stopped search goes on from there. See `tune` for what is asked.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import cpu_count

from ganaug import __version__
from ganaug.core.device import device, precision
from ganaug.core.protocols import Learner
from ganaug.core.run_folder import claimed, read_json, write_json
from ganaug.core.seeding import derive
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.study import rounds, saturate
from ganaug.study.advice import NO_BETTER, against, beside_copies, warnings_on_copies
from ganaug.study.arms import copies_beside, fills_up, with_controls
from ganaug.study.cache import Cache, told
from ganaug.study.cells import LearnerJob, run_learner
from ganaug.study.folds import Fold, fold, training_view
from ganaug.study.generate import GeneratorJob
from ganaug.study.parallel import run_all
from ganaug.study.rounds import Pace, Rung, Unit, made_by, ranked, run_unit, trials_of
from ganaug.study.space import Candidate, as_plain, candidates, task_of
from ganaug.study.study import StudyLog
from ganaug.study.verdict import signed

if TYPE_CHECKING:
    from ganaug.study.tune import Tune

SEARCH_SHARE = 0.6  # of the time; the rest is for the confirmation
CHECK_SHARE = 0.2  # of the time, for the length and strength of the baseline
END_SHARE = 0.96  # when the last cell should have ended: the report takes time too
CAUTION = 1.25  # what is still to come counts so much more than what was measured
LEAST_REPEATS, REPEATS = 3, (3, 5, 7, 10)  # of the confirmation, as far as the time allows
LEAST_UPDATES = 400
PACE_UPDATES = (20, 80)
QUALITY_UPDATES = 600  # a study's look at the first images
FEWER = ((), ("duplicate",), ("none", "duplicate"), ("none", "duplicate", "placebo"))  # controls that short times drop
FEWER_BESIDE_COPIES = ((), ("none",), ("none", "placebo"), ("none", "placebo", "duplicate"))  # where classes fill up
CHECKS = ((3, 3200), (3, 1600), (3, 800), (1, 800))  # inner folds and longest training of the baseline check


@dataclass(frozen=True)
class Tuned:
    """A finished search: its folder and the content of its `tune.json`."""

    folder: Path
    results: Mapping[str, Any]

    def __str__(self) -> str:
        return str(self.results["sentence"])


# --- folds: nothing of the test fold goes into the search -------------------------------------------------------


def training_part(data: ImageSet) -> tuple[ImageSet, np.ndarray]:
    """The set without its test fold, and the rows that are left."""
    rows = data.in_fold("train", "val")
    return data.select(rows), rows


def inner_fold(data: ImageSet, rows: np.ndarray, shots: int | None, seed: int, i: int) -> Fold:
    """Training and validation rows number i, as rows of the set without its test fold."""
    outer = fold(data, shots, i, repeats=i + 1, seed=seed)
    inner = saturate.inner_fold(outer, data, i)
    parts = {name: np.searchsorted(rows, getattr(inner, name)) for name in ("train", "pool", "test")}
    return replace(inner, **parts)


# --- the search -------------------------------------------------------------------------------------------------


@dataclass
class Search:
    """One search under way: what is known so far stands in `notes`, which is `tune.json`."""

    tune: Tune
    data: ImageSet
    seen: ImageSet
    rows: np.ndarray
    folder: Path
    cache: Cache
    learner: Learner
    begun: float
    notes: dict
    log: StudyLog | None
    noted: float = math.inf  # when the notes were written last

    @classmethod
    def open(cls, tune: Tune, data: ImageSet, folder: Path, resume: bool, begun: float, log: StudyLog | None) -> Search:
        """Claim a new or own folder; a folder of other content, data or settings is refused."""
        seen, rows = training_part(data)
        learner = tune.study().learner
        base = json.dumps([__version__, seen.fingerprint(), told(learner), tune.seed, precision(device(), mixed=True)])
        settings = {"data": data.fingerprint(), "learner": told(learner), "seed": tune.seed, "shots": tune.shots}
        settings["arms"] = [str(arm) for arm in tune.arms or ()]
        notes = claimed(folder, "tune.json", "search", resume)
        settings = json.loads(json.dumps(settings))  # as a file holds them
        if notes is not None and notes.get("settings") != settings:
            raise InputError(f"{folder} holds a search of other data or settings: choose another folder.")
        notes = notes or {"kind": "tune", "settings": settings, "rungs": []}
        begun -= read_json(folder / "clock.json")["spent"] if (folder / "clock.json").is_file() else 0.0
        return cls(tune, data, seen, rows, folder, Cache(folder, base), learner, begun, notes, log)

    @property
    def workers(self) -> int:
        return self.tune.workers or cpu_count()

    def left(self, share: float = END_SHARE) -> float:
        """Seconds until this share of the time is over."""
        return self.begun + share * 60 * self.tune.minutes - rounds.now()

    def note(self) -> None:
        """Write down what is known, and the time it took."""
        write_json(self.folder / "tune.json", self.notes)
        write_json(self.folder / "clock.json", {"spent": rounds.now() - self.begun})
        self.noted = rounds.now()

    def told(self, what: str) -> StudyLog:
        """A log callback that keeps the clock, and passes on the time left for everything."""

        def log(done: int, total: int, _: str, __: float) -> None:
            if rounds.now() - self.noted > 1:
                self.note()
            if self.log is not None:
                self.log(done, total, what, max(self.left(1.0), 0.0))

        return log

    def run(self, function: Callable, jobs: Sequence[Any], what: str) -> list:
        """Jobs on the set without its test fold, over the workers."""
        given = (self.learner, self.cache)
        return run_all(function, self.seen, jobs, given, self.workers, self.tune.backend, what, self.told(what))

    def inner(self, first: int, n: int) -> list[Fold]:
        """Inner folds first, first + 1, ..."""
        tune = self.tune
        return [inner_fold(self.data, self.rows, tune.shots, tune.seed, i) for i in range(first, first + n)]

    def go(self) -> tuple[Candidate, list[dict]]:
        """(winner, every candidate of the last rung with its mean difference from the rules, best first)."""
        fold = self.inner(0, 1)[0]
        view = training_view(self.seen, fold.train)
        tried = candidates(view, task_of(self.data), list(self.tune.arms or ()), self.tune.seed)
        self.prepare(fold)
        known: dict[str, Candidate] = {c.name: c for c in tried}
        ranking: list[dict] = []
        for k in range(len(rounds.RUNGS)):
            found = ranked(self.rung(k, list(known.values())), list(known))
            ranking = found or ranking
            if not found or len(found) == 1 or k == len(rounds.RUNGS) - 1:
                break
            known = {row["candidate"]: known[row["candidate"]] for row in found[: max(math.ceil(len(found) / 3), 2)]}
        if not ranking:
            raise InputError(f"no recipe could be tried in {self.tune.minutes:g} minutes: give more (--minutes).")
        return known[ranking[0]["candidate"]], ranking

    # --- the baseline ---

    def prepare(self, fold: Fold) -> None:
        """How fast this machine is, then the strength of the rules and the length for all, as far as time allows."""
        if "found" not in self.notes:
            each = self.notes["update"] = self.timed(fold)
            self.refuse_short(each)
            self.note()
            self.notes["found"] = self.baseline(each)
            self.note()
        height, width, _ = self.data.image.shape
        self.pace = Pace(self.notes["update"], (height or 1) * (width or 1))
        for rung in self.notes["rungs"]:
            self.pace.learn(rung["trials"] or ())

    def timed(self, fold: Fold) -> float:
        """Seconds an update of the classifier while every worker is busy.

        The first, short round only warms up. Between the others lie updates alone, without the start and the scoring,
        but half of the plain mean at least: on a busy machine the difference of two times is unsure.
        """
        took = []
        with TemporaryDirectory() as folder:
            passing = replace(self, cache=Cache(Path(folder), ""))
            for updates in (1, *PACE_UPDATES):
                jobs = [self.control(i, updates, fold) for i in range(self.workers)]
                took.append(max(facts["seconds"] for facts in passing.run(run_learner, jobs, "timing")))
        few, many = PACE_UPDATES
        return max((took[2] - took[1]) / (many - few), took[2] / many / 2)

    def control(self, place: int, updates: int, fold: Fold) -> LearnerJob:
        """The rules alone."""
        rules = self.notes["found"]["rules"] if "found" in self.notes else saturate.STRENGTHS["medium"]
        return LearnerJob(saturate.RULES, self.tune.shots, 1 + place, updates, rules, (), fold)

    def refuse_short(self, each: float) -> None:
        """InputError when the shortest check, search and confirmation take longer than the time."""
        least = each * LEAST_UPDATES * (5.5 + 6 + 2 * LEAST_REPEATS)
        needed = (least / self.workers * CAUTION + (rounds.now() - self.begun)) / 60
        if needed > self.tune.minutes:
            raise InputError(
                f"--minutes {self.tune.minutes:g} is too short for this set: checking the baseline, trying a few "
                f"recipes and confirming one in {LEAST_REPEATS} repeats takes about {math.ceil(needed)} minutes here."
            )

    def baseline(self, each: float) -> dict:
        """Length and strength from the most thorough check that the time allows."""
        time_for = CHECK_SHARE * 60 * self.tune.minutes * self.workers / each if each else math.inf
        longest_fit = 0.3 * 60 * self.tune.minutes * self.workers / (2 * LEAST_REPEATS * each) if each else math.inf

        def run(trials: Sequence[saturate.Trial]) -> list[float]:
            return self.run(saturate.run_trial, trials, "checking the baseline")

        for folds, longest in CHECKS:
            lengths = [n for n in (*saturate.LENGTHS, 1600, 3200) if n <= longest]
            updates = folds * (len(saturate.STRENGTHS) * saturate.TRIAL_STEPS + 2 * sum(lengths))
            if updates <= time_for and longest <= longest_fit:
                return saturate.saturate(self.inner(0, folds), run, self.tune.margin, None, longest)
        found = saturate.judged_by_half(self.inner(0, 1), run, self.tune.margin, LEAST_UPDATES)
        told = f"All arms train for {LEAST_UPDATES} updates, which the short time allowed, with rules of "
        return {**found, "sentence": told + f"{found['strength']} strength; read gains with care."}

    # --- a rung ---

    def rung(self, k: int, members: list[Candidate]) -> list[dict]:
        """The trials of one round; a finished round is read, a stopped one goes on as it was planned."""
        if k == len(self.notes["rungs"]):
            able, whole = [c for c in members if self.fits(c)], self.left(SEARCH_SHARE)
            rung = self.longest(rounds.RUNGS[k], able, whole / (len(rounds.RUNGS) - k))
            members, folds = self.planned(rung, able, whole / (len(rounds.RUNGS) - k))
            if not folds:  # then this is the last round
                members, folds = self.planned(rung, able, whole)
            planned = {"members": [c.name for c in members], "folds": folds, "rung": asdict(rung), "trials": None}
            self.notes["rungs"].append(planned)
            self.note()
        at = self.notes["rungs"][k]
        if at["trials"] is None:
            chosen = [c for c in members if c.name in at["members"]]
            until = rounds.now() + max(self.left(SEARCH_SHARE), 0)
            units = self.units(k, Rung(**at["rung"]), chosen, at["folds"], until)
            done = self.run(run_unit, units, f"round {k + 1} of {len(rounds.RUNGS)}, {len(chosen)} candidates")
            at["trials"] = trials = trials_of(k, units, done)
            self.pace.learn(trials)
            self.note()
            for key in {key for unit in units for _, job, _ in unit.learners for key in job.images}:
                self.cache.images(key).unlink(missing_ok=True)
        return at["trials"]

    def longest(self, rung: Rung, members: Sequence[Candidate], seconds: float) -> Rung:
        """The round with as long trainings as the time holds for all candidates on all folds, at least its own.

        A generator that is cut short may look worse than one that needs less. The first round, before which no
        generator was timed, stays as it is.
        """
        for share in (1.0, 0.5) if all(map(self.pace.timed, members)) else ():
            longer = replace(rung, generator=max(share, rung.generator), learner=max(share, rung.learner))
            if self.cost(longer, members, rung.most) <= seconds:
                return longer
        return rung

    def planned(self, rung: Rung, members: list[Candidate], seconds: float) -> tuple[list[Candidate], int]:
        """As many candidates, then as many inner folds as the time holds; the last candidates are left out first.

        None where the time does not hold two, or the only one.
        """
        least = min(len(members), 2)
        while members and len(members) >= least:
            for folds in range(rung.most, rung.least - 1, -1):
                if self.cost(rung, members, folds) <= seconds:
                    return members, folds
            members = members[:-1]
        return [], 0

    def cost(self, rung: Rung, members: Sequence[Candidate], folds: int) -> float:
        """Seconds of a round; images that several candidates use are made once."""
        updates = self.updates(rung)
        makers = {
            (*(made_by(r) for _, r in c.arm.recipes), c.steps): self.pace.maker(c, rung.generator) for c in members
        }
        learners = sum(self.pace.learner(c, updates) for c in members) + self.pace.update * updates
        each = [*makers.values(), learners / (len(members) + 1)]
        return max(CAUTION * folds * (sum(makers.values()) + learners) / self.workers, max(each))

    def updates(self, rung: Rung) -> int:
        """The learner's updates in a round."""
        return max(round(rung.learner * self.notes["found"]["chosen"]), 1)

    def units(self, k: int, rung: Rung, members: Sequence[Candidate], folds: int, until: float) -> list[Unit]:
        """The work of a round, fold by fold, so that what is cut off at its end are whole folds; long units first."""
        first = sum(before.most for before in rounds.RUNGS[:k])
        found = []
        for i, inner in enumerate(self.inner(first, folds), first):
            control = self.control(i, self.updates(rung), inner)
            rules = Unit(i, (), (("rules", control, self.pace.update * control.steps),), until)
            groups: dict[Any, Unit] = {}
            for c in members:
                unit = self.unit(rung, c, i, inner, until)
                key = unit.learners[0][1].images or c.name
                same = groups.get(key)
                groups[key] = unit if same is None else replace(same, learners=same.learners + unit.learners)
            found += [rules, *sorted(groups.values(), key=lambda unit: -unit.seconds)]
        return found

    def unit(self, rung: Rung, c: Candidate, i: int, inner: Fold, until: float) -> Unit:
        """One candidate on one inner fold. Images of a conditional system serve every label policy."""
        steps = None if c.steps is None else max(round(rung.generator * c.steps), 1)
        makers = [GeneratorJob(name, recipe, self.tune.shots, 1 + i, steps, inner) for name, recipe in c.arm.recipes]
        keys = tuple(self.cache.key("generator", maker.describe()) for maker in makers)
        rules, updates = self.notes["found"]["rules"], self.updates(rung)
        job = LearnerJob(c.arm, self.tune.shots, 1 + i, updates, rules, keys, inner)
        seconds = self.pace.maker(c, rung.generator) / max(len(makers), 1)
        return Unit(i, tuple((m, seconds) for m in makers), ((c.name, job, self.pace.learner(c, updates)),), until)

    # --- the confirmation ---

    def confirmation_cost(self, c: Candidate, repeats: int, arms: int) -> float:
        """Seconds of a study of so many repeats: images of all repeats, a look at the first, then every training."""
        updates = self.notes["found"]["chosen"]
        look = QUALITY_UPDATES * self.notes["update"] if c.arm.recipes else 0.0
        makers = math.ceil(repeats / self.workers) * self.pace.maker(c) + look
        return makers + math.ceil(repeats * arms / self.workers) * self.pace.learner(c, updates)

    def fits(self, c: Candidate) -> bool:
        """Whether a candidate could still be confirmed in the time that is kept for it."""
        kept = min((END_SHARE - SEARCH_SHARE) * 60 * self.tune.minutes, self.left())
        return CAUTION * self.confirmation_cost(c, LEAST_REPEATS, 2) <= kept

    def confirm(self, winner: Candidate) -> Mapping[str, Any]:
        """The results of an ordinary study of the winner and the rules on the test fold, in as many repeats as fit."""
        plan = self.notes.setdefault("confirmation", {"without": self.left_out(winner), "repeats": LEAST_REPEATS})
        self.note()
        begun, results = rounds.now(), self.confirmed(winner, plan)
        for repeats in (r for r in REPEATS if r > plan["repeats"]):
            foreseen = self.confirmation_cost(winner, self.workers, 2) / self.workers  # a resumed study took no time
            each = max((rounds.now() - begun) / plan["repeats"], foreseen)
            if CAUTION * each * (repeats - plan["repeats"]) > self.left():
                break
            plan["repeats"] = repeats
            self.note()
            results = self.confirmed(winner, plan)
        return results

    def left_out(self, winner: Candidate) -> list[str]:
        """Controls that the time does not allow; all of them stay where five repeats fit."""
        fewer = FEWER_BESIDE_COPIES if fills_up(winner.arm) else FEWER
        for names in fewer:
            arms = len(with_controls([winner.arm], names))
            if CAUTION * self.confirmation_cost(winner, REPEATS[1], arms) <= self.left():
                return list(names)
        return list(fewer[-1])

    def confirmed(self, winner: Candidate, plan: Mapping[str, Any]) -> Mapping[str, Any]:
        """One run of the study; what it has finished already is kept."""
        study = self.tune.study(
            arms=[winner.arm],
            seed=derive(self.tune.seed, "confirmation") % 2**31,
            repeats=plan["repeats"],
            leave_out=plan["without"],
            generator_steps=winner.steps,
            found=self.notes["found"],
        )
        told = self.told(f"confirming {winner.arm.name} in {plan['repeats']} repeats")
        return study.run(self.data, self.folder / "confirmation", resume=True, log=told).results

    # --- the result ---

    def finish(self, winner: Candidate, ranking: list[dict], confirmed: Mapping[str, Any]) -> Tuned:
        """Write down what was found."""
        tried = sorted({t["candidate"] for rung in self.notes["rungs"] for t in rung["trials"]})
        verdict = next(v for v in confirmed["verdicts"] if (v["arm"], v["against"]) == (winner.arm.name, "rules"))
        found = self.notes["found"]
        stored = {**as_plain(winner), "length": found["chosen"], "rules": found["rules"], "shots": self.tune.shots}
        write_json(self.folder / "winner.json", stored)
        self.notes |= {
            "minutes": self.tune.minutes,
            "seconds": rounds.now() - self.begun,
            "tried": tried,
            "ranking": ranking,
            "winner": stored,
            "verdict": verdict,
            "sentence": sentence(winner, ranking, len(tried), verdict, confirmed),
            "advice": confirmed["summary"]["advice"] if verdict["verdict"] == "helps" else "",
            "again": again(self.folder, winner, self.tune, found["chosen"]),
        }
        self.note()
        return Tuned(self.folder, self.notes)


def sentence(
    winner: Candidate, ranking: Sequence[Mapping], tried: int, verdict: Mapping, confirmed: Mapping[str, Any]
) -> str:
    """What came out, in words: the search, the confirmation, and what to do."""
    gain = signed(ranking[0]["difference"])
    said = (
        f"Of {tried} recipes tried on parts of the training fold, {winner.name} did best ({gain} points against the "
        f"rules there). On the test fold, with fresh draws and seeds: {verdict['sentence']}"
    )
    if verdict["verdict"] != "helps":
        return said + " No recipe has shown that it helps on this set, so keep the rules."
    if any(p["verdict"] == "helps" for p in confirmed.get("placebos", ())):
        return said + " Its placebo helps too, so the gain does not come from what its images show."
    rival = copies_beside(winner.arm, with_controls([winner.arm], ()))
    copies = against(winner.arm.name, rival, confirmed["verdicts"])
    if copies and copies["verdict"] in NO_BETTER:
        return f"{said} It is no better than copies of real images ({rival}), which cost nothing to make: use these."
    if winner.arm.recipes and not confirmed.get("placebos"):
        said += " No placebo was compared, so what brings the gain is open."
    if rival and not copies:
        said += f" Copies of real images ({rival}) were not compared, and they may do as well."
    said = " ".join([f"{said} Use {winner.name}.", *beside_copies(copies)])
    return " ".join([said, *warnings_on_copies(winner.arm, confirmed["generators"])])


def again(folder: Path, winner: Candidate, tune: Tune, length: int) -> str:
    """A command that studies the winner again."""
    kind = tune.task if isinstance(tune.task, str) and tune.task != "classification" else None
    given = {"task": kind, "shots": tune.shots, "generator-steps": winner.steps, "length": length}
    said = "".join(f" --{name} {value}" for name, value in given.items() if value is not None)
    return f"ganaug study DATA --arm {shlex.quote(f'@{folder.as_posix()}/winner.json')}{said} -o again"
