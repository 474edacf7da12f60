# SPDX-License-Identifier: Apache-2.0
"""Do generated images help when data is scarce? Studies on real sets, cell by cell (a set, so many images a class).

    python benchmarks/evidence.py DATA OUT [--quick] [--only SET:SHOTS] [--workers 2] [--minutes M]
    python benchmarks/evidence.py table OUT

DATA holds the sets under their names; digits is embedded. Each cell is one `ganaug.Study` in a folder of its own below
OUT, so nothing finished is computed twice: a run that was killed, or that stopped because its minutes were spent
(looked at whenever a job ends; jobs under way are dropped), goes on where it was, and a cell takes over what it shares
with an earlier one of fewer arms or repeats. A finished cell adds to OUT/evidence.jsonl one line a verdict, and one for
the cell and for each arm and generator; every line has command, fingerprint of the data, commits, seeds and machine.
`table` writes OUT/evidence.md from them. Without arguments the cells are listed.

Finished parts outlive a change of the code, so lines name all commits that a cell ran under; delete its folder to begin
anew. Set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from statistics import mean, stdev
from time import monotonic
from typing import Any

import numpy as np

import ganaug
from ganaug.data.atomic import atomic_file
from ganaug.study.advice import COPIES
from ganaug.study.arm_words import parts_of
from ganaug.study.statistics import paired_t

TASK: Any = "classification"
SYSTEMS = ("acgan", "bagan", "dada", "dagan", "dcgan", "deligan", "glico", "low_data_gan")
QUICK = ("trivialaugment", "smote", "rules+low_data_gan")
FULL = ("randaugment", "trivialaugment", "ricap", "smote", *SYSTEMS, *(f"rules+{id}" for id in SYSTEMS))
SHOTS = (5, 10, 20, 50)
QUICK_SHOTS = (5, 20)
SETS: dict[str, dict[str, Any]] = {  # size: the side in pixels that images are brought to
    "digits": {"quick": QUICK_SHOTS, "rare": "8"},
    "mnist": {"quick": QUICK_SHOTS, "rare": "8"},
    "cifar10": {"quick": QUICK_SHOTS, "rare": "cat"},
    "bccd_cells": {"quick": QUICK_SHOTS, "rare": "Platelets"},
    "rsscn7": {"rare": "Resident"},
    "omniglot_small1": {"size": 28, "shots": (5, 10)},
}
TEST_DRAWERS = 6  # of omniglot's 20, the last ones: a character is tested on hands that never trained
RARE, COMMON = 5, 80  # images of the class that was cut, and of each other one


@dataclass(frozen=True)
class Cell:
    """One study: a set, images a class, the arms beside none, rules, duplicate and placebos, repeats.

    With a `rare` class instead of images a class, that class is cut to RARE and every other one to COMMON images.
    """

    set: str
    shots: int | None
    arms: Sequence[str]
    repeats: int
    rare: str = ""

    @property
    def name(self) -> str:
        return f"{self.set}-minority" if self.rare else f"{self.set}:{self.shots}"

    def plan(self, asked: argparse.Namespace) -> dict[str, Any]:
        """Plain values that decide what the cell finds; a cell with a line of the same plan is finished."""
        own = {"arms": list(self.arms), "repeats": self.repeats, "seed": asked.seed}
        own |= {"rare": self.rare} if self.rare else {}
        return own | {"length": asked.length, "generator_steps": asked.generator_steps}


def cells(quick: bool = False) -> list[Cell]:
    """The cells of a part, those of few images first."""
    arms, repeats = (QUICK, 3) if quick else (FULL, 5)
    wanted = {name: facts.get("quick", ()) if quick else facts.get("shots", SHOTS) for name, facts in SETS.items()}
    grid = [Cell(name, n, arms, repeats) for n in SHOTS for name in SETS if n in wanted[name]]
    return grid if quick else [*grid, *(minority(name) for name, facts in SETS.items() if "rare" in facts)]


def minority(name: str) -> Cell:
    """A set with a rare class; `duplicate`, judged as an arm, is random oversampling.

    Each way to fill up the class also on top of the rules: there rules+duplicate is the control.
    """
    ways = ("duplicate", "smote", "bagan", "low_data_gan")
    return Cell(name, None, (*ways, *(f"rules+{way}" for way in ways)), 10, SETS[name]["rare"])


def cut(cell: Cell, data: ganaug.ImageSet) -> dict[str, int] | None:
    """Training images of every class, where one is rare."""
    return {name: RARE if name == cell.rare else COMMON for name in data.classes} if cell.rare else None


def loaded(name: str, root: Path) -> ganaug.ImageSet:
    """A set by its name; InputError where it isn't there."""
    if name == "omniglot_small1":
        return by_drawer(root / name / "all.npz")
    return ganaug.load(name if name == "digits" else root / name, size=SETS[name].get("size"))


def by_drawer(path: Path) -> ganaug.ImageSet:
    """Omniglot with a fixed test fold of unseen drawers; what one drawer drew stays together."""
    data = ganaug.load(path, size=SETS["omniglot_small1"]["size"])
    with np.load(path) as file:
        drawer = file["drawer"].astype(np.int64)
    test = drawer > drawer.max() - TEST_DRAWERS
    return data.but(group=drawer, fold=np.where(test, 2, 0).astype(np.int8), name="omniglot_small1")


# --- running ----------------------------------------------------------------------------------------------------


class OutOfTime(Exception):
    """The minutes are spent; what is finished is stored."""


def run(asked: argparse.Namespace) -> None:
    """Run the cells that were asked for and have no lines yet, until the minutes are spent."""
    deadline = monotonic() + 60 * asked.minutes if asked.minutes is not None else float("inf")
    warnings.filterwarnings("ignore", message=".*tasks which were still being processed by the workers.*")
    for cell in chosen(asked):
        plan, lines = cell.plan(asked), read(asked.out / "evidence.jsonl")
        if any(line["kind"] == "cell" and line["cell"] == cell.name and line["plan"] == plan for line in lines):
            say(f"{cell.name}: finished before")
            continue
        try:
            if monotonic() >= deadline:
                raise OutOfTime
            found = study(cell, asked, log=watch(cell.name, deadline))
        except OutOfTime:
            say(f"{cell.name}: the minutes are spent; the same command goes on here")
            return
        except ganaug.InputError as error:
            say(f"{cell.name}: not run: {error}")
            continue
        write(asked.out / "evidence.jsonl", [*lines, *lines_of(cell, plan, found, commits_of(asked.out, cell))])
        say(f"{cell.name}: {found['summary']['headline']}")


def chosen(asked: argparse.Namespace) -> list[Cell]:
    """The cells of the part, or those named by --only, with the arms and repeats of the command line."""
    known = {cell.name: cell for cell in [*cells(), *(cells(quick=True) if asked.quick else [])]}
    for name in asked.only:
        if name not in known:
            sys.exit(f"there is no cell '{name}': there are {', '.join(known)}")
    wanted = [known[name] for name in asked.only] or cells(asked.quick)
    changes = {"arms": tuple(asked.arm), "repeats": asked.repeats}
    return [replace(cell, **{name: value for name, value in changes.items() if value}) for cell in wanted]


def study(cell: Cell, asked: argparse.Namespace, log: Callable[[int, int, str, float], None]) -> dict:
    """The results of one cell, going on where its folder stands."""
    options = {"--quick": asked.quick, "--only": cell.name, "--repeats": asked.repeats, "--seed": asked.seed}
    options |= {"--length": asked.length, "--generator-steps": asked.generator_steps}
    words = ["python benchmarks/evidence.py DATA OUT", *(f"--arm {arm}" for arm in asked.arm)]
    words += [name if value is True else f"{name} {value}" for name, value in options.items() if value]
    data = loaded(cell.set, asked.data)
    write(asked.out / "runs.jsonl", [*read(asked.out / "runs.jsonl"), {"cell": cell.name, **now()}])
    asks = ganaug.Study(
        arms=cell.arms, task=TASK, shots=cell.shots, repeats=cell.repeats, seed=asked.seed, cut=cut(cell, data),
        steps=asked.length, generator_steps=asked.generator_steps, workers=asked.workers, command=" ".join(words),
    )  # fmt: skip
    return dict(asks.run(data, folder_of(asked.out, cell), resume=True, log=log).results)


def watch(name: str, deadline: float) -> Callable[[int, int, str, float], None]:
    """A log that says how far a study is, and stops it when the time is over and jobs are left."""

    def log(done: int, total: int, what: str, left: float) -> None:
        say(f"{name}: {what}, {done} of {total}, about {left / 60:.0f} minutes left")
        if done < total and monotonic() >= deadline:
            raise OutOfTime

    return log


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def folder_of(out: Path, cell: Cell) -> Path:
    return out / cell.name.replace(":", "-")


def now() -> dict[str, str]:
    """Commit and time; "+" marks sources that differ from the commit."""
    root = Path(__file__).parent
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, text=True)
    changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "../src"], cwd=root, capture_output=True)
    commit = (head.stdout.strip() or "unknown") + ("+" if changed.returncode == 1 else "")
    return {"commit": commit, "started": datetime.now(timezone.utc).isoformat(timespec="seconds")}


def commits_of(out: Path, cell: Cell) -> list[str]:
    """The commits that a cell ran under, in order."""
    return list(dict.fromkeys(line["commit"] for line in read(out / "runs.jsonl") if line["cell"] == cell.name))


def read(path: Path) -> list[dict]:
    """The lines of a file; none where it does not exist."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def write(path: Path, lines: Iterable[dict]) -> None:
    """All lines, or the old file: a kill leaves no half line."""
    with atomic_file(path) as part:
        part.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


# --- what a finished cell adds ----------------------------------------------------------------------------------


def lines_of(cell: Cell, plan: dict, found: dict, commits: list[str]) -> list[dict]:
    """One line for the cell, a verdict, a placebo, an arm and a generator, each with where it comes from."""
    m = found["manifest"]
    data = {name: m["data"][name] for name in ("name", "fingerprint", "train_rows", "test_rows")}
    where = {"command": m["command"], "data": data, "commits": commits, "seeds": m["seeds"]}
    where |= {"machine": m["machine"], "versions": m["versions"], "created": m["created"]}
    first = {"cell": cell.name, "set": cell.set, "shots": cell.shots}
    seconds = sum(row["seconds"] for row in (*found["cells"], *found["generators"]))
    about = {"plan": plan, "repeats": m["repeats"], "seconds": seconds, "saturation": found["saturation"]["sentence"]}
    rows = [{"kind": "cell", **about}]
    rows += [{"kind": "verdict", **verdict} for verdict in found["verdicts"]]
    rows += [{"kind": "placebo", **verdict} for verdict in found["placebos"]]
    rows += [{"kind": "arm", **arm_facts(arm, found, cell.rare)} for arm in found["arms"]]
    rows += [{"kind": "generator", **facts} for facts in generator_facts(found)]
    return [{**row, **first, **where} for row in rows]


def arm_facts(arm: dict, found: dict, rare: str) -> dict:
    """Scores and cost of an arm, one a repeat, and the recall of the rare class."""
    own = sorted((c for c in found["cells"] if c["arm"] == arm["arm"]), key=lambda c: c["repeat"])
    facts = {"arm": arm["arm"], "arm_kind": arm["kind"], "baseline": arm["baseline"], "repeats": len(own)}
    facts |= {"scores": [c["score"] for c in own], "seconds": mean(c["seconds"] for c in own)}
    facts |= {"updates": own[0]["updates"], "not_ok": sum(c["status"] != "ok" for c in own)}
    return facts | ({"rare": rare, "recall": [c["per_class"].get(rare, 0.0) for c in own]} if rare else {})


def generator_facts(found: dict) -> list[dict]:
    """Cost and audit of every generated set: copies over all repeats, planted copies and quality of the first."""
    names = dict.fromkeys(m["arm"] for m in found["generators"])
    return [one_generator(name, [m for m in found["generators"] if m["arm"] == name]) for name in names]


def one_generator(name: str, made: Sequence[dict]) -> dict:
    copies = [m["copies"] for m in made if m.get("copies")]
    facts: dict[str, Any] = {"arm": name, "repeats": len(made), "seconds": mean(m["seconds"] for m in made)}
    facts |= {"generated": mean(m["generated"] for m in made), "not_ok": sum(m["status"] != "ok" for m in made)}
    facts["copies"] = mean(c["share"] for c in copies) if copies else None
    facts["looked_at"] = sum(c["n"] for c in copies)
    tried = next((c for c in copies if c.get("planted")), {})
    facts |= {"planted": tried.get("planted"), "false_alarms": tried.get("false_alarms")}
    return facts | {"quality": next((m["quality"] for m in made if m.get("quality")), None)}


# --- the tables -------------------------------------------------------------------------------------------------


def tables(out: Path) -> str:
    """Everything that OUT holds, as Markdown."""
    lines = latest(read(out / "evidence.jsonl"))
    parts = [run_or_not(lines, out), how_often(lines), verdicts(lines), costs(lines), audit(lines), recalls(lines)]
    return "\n\n".join(part for part in parts if part) + "\n"


def latest(lines: Sequence[dict]) -> list[dict]:
    """One line for each thing: that of most repeats, of these the last; cells in the order of the grid."""
    best: dict[tuple, dict] = {}
    for line in lines:
        key = tuple(line.get(name) for name in ("cell", "kind", "arm", "against"))
        if key not in best or line["repeats"] >= best[key]["repeats"]:
            best[key] = line
    order = {cell.name: i for i, cell in enumerate(sorted(cells(), key=lambda cell: list(SETS).index(cell.set)))}
    return sorted(best.values(), key=lambda line: order.get(line["cell"], len(order)))


def run_or_not(lines: Sequence[dict], out: Path) -> str:
    """Every combination, whether it was run, and how."""
    done = {line["cell"]: line for line in lines if line["kind"] == "cell"}
    rows = []
    for cell in sorted(cells(), key=lambda cell: list(SETS).index(cell.set)):
        line = done.get(cell.name)
        state = "run" if line else "begun" if folder_of(out, cell).is_dir() else "not run"
        rows.append([cell.name, state, *(how_run(line, cell) if line else [""] * 5)])
    grid = [cell for cell in cells() if not cell.rare]
    count = sum(cell.name in done for cell in grid)
    head = ["cell", "state", "part", "repeats", "core minutes", "commits", "length of training"]
    told = f"{count} of {len(grid)} combinations of set and size were run."
    return f"## What was run\n\n{told}\n\n{table(head, rows)}"


def how_run(line: dict, cell: Cell) -> list[str]:
    """Part, repeats, time, commits and saturation of a cell that was run."""
    arms, plan = set(line["plan"]["arms"]), line["plan"]
    part = "full" if arms >= set(cell.arms) else "quick" if arms >= set(QUICK) else ", ".join(plan["arms"])
    own = [f"{name.replace('_', ' ')} {plan[name]}" for name in ("length", "generator_steps", "seed") if plan[name]]
    minutes = f"{line['seconds'] / 60:.0f}"
    return ["; ".join([part, *own]), str(line["repeats"]), minutes, ", ".join(line["commits"]), line["saturation"]]


def how_often(lines: Sequence[dict]) -> str:
    """For each comparison, over all combinations that were run: intervals above and below zero, and verdicts."""
    rows, found = [], [v for v in lines if v["kind"] == "verdict" and v["shots"] is not None]
    for arm, against in dict.fromkeys((v["arm"], v["against"]) for v in found):
        own = [v for v in found if (v["arm"], v["against"]) == (arm, against)]
        above, below = (sum(v[end] is not None and sign * v[end] > 0 for v in own) for end, sign in ENDS)
        said = [sum(v["verdict"] == word for v in own) for word in WORDS]
        rows.append([arm, against, len(own), above, below, *said, points(mean(v["effect"] for v in own))])
    head = ["arm", "against", "run", "interval above 0", "below 0", *WORDS, "mean effect"]
    return f"## How often it helps\n\n{table(head, rows)}" if rows else ""


ENDS = (("low", 1), ("high", -1))
WORDS = ("helps", "harms", "no material difference", "inconclusive")


def verdicts(lines: Sequence[dict]) -> str:
    """Every verdict, with a warning where the arm's images copy training images; placebos after them."""
    shares = {(g["cell"], g["arm"]): g for g in lines if g["kind"] == "generator"}
    rows = []
    for v in (line for kind in ("verdict", "placebo") for line in lines if line["kind"] == kind):
        copies = [g for part in ids_in(v["arm"]) if (g := shares.get((v["cell"], part)))]
        warning = "; ".join(copied(g) for g in copies if warned(g))
        spread = "" if v["low"] is None else f"{points(v['low'])} to {points(v['high'])}"
        effect = [v["verdict"], points(v["effect"]), spread, f"{v['p']:.2g}", v["repeats"]]
        rows.append([v["cell"], v["arm"], v["against"], *effect, v["repeats_needed"] or "", v["failed"] or "", warning])
    head = ["cell", "arm", "against", "verdict", "effect", "95 % interval", "p", "repeats", "would decide", "failed"]
    return f"## Verdicts\n\n{table([*head, 'warning'], rows)}" if rows else ""


def ids_in(arm: str) -> list[str]:
    """The parts of an arm's name; that of a found recipe ends with how its images are used, in brackets."""
    return parts_of(arm.removeprefix("placebo:").split(" (")[0])


def warned(g: dict) -> bool:
    """Whether more images copy training images than the audit's false alarms explain."""
    return g["copies"] is not None and g["copies"] > max(COPIES, g["false_alarms"] or 0.0)


def copied(g: dict) -> str:
    return f"{100 * g['copies']:.0f} % of {g['arm']}'s images copy training images"


def costs(lines: Sequence[dict]) -> str:
    """Seconds of one run of every arm: its generators and its classifier."""
    made = {(g["cell"], g["arm"]): g["seconds"] for g in lines if g["kind"] == "generator"}
    rows = []
    for a in (line for line in lines if line["kind"] == "arm"):
        own = [made.get((a["cell"], part), 0.0) for part in ids_in(a["arm"])]
        spent = [f"{sum(own):.1f}" if any(own) else "", f"{a['seconds']:.1f}"]
        rows.append([a["cell"], a["arm"], spread_of(a["scores"]), *spent, a["updates"], a["not_ok"] or ""])
    head = ["cell", "arm", "score", "generator, s", "classifier, s", "updates", "counted as baseline"]
    return f"## Scores and costs\n\n{table(head, rows)}" if rows else ""


def audit(lines: Sequence[dict]) -> str:
    """Copies of training images in every generated set, and what the search finds of planted ones."""
    rows = []
    for g in (line for line in lines if line["kind"] == "generator"):
        planted = "" if not g["planted"] else ", ".join(f"{n} {percent(v)}" for n, v in g["planted"].items())
        told = [percent(g["copies"]), g["looked_at"], percent(g["false_alarms"]), planted]
        rows.append([g["cell"], g["arm"], f"{g['generated']:.0f}", *told, "copies" if warned(g) else ""])
    head = ["cell", "images of", "generated", "copies, %", "looked at", "false alarms, %", "planted copies found, %"]
    note = (
        f"Mean share over repeats. A warning is given above {100 * COPIES:g} % and above the false alarms. Duplicates "
        "are copies by design, and methods that draw between neighbouring images stay close to them."
    )
    return f"## Memorisation\n\n{note}\n\n{table([*head, 'warning'], rows)}" if rows else ""


def recalls(lines: Sequence[dict]) -> str:
    """Recall of the class that was cut: each arm, and its paired differences to the controls."""
    own = (line for line in lines if line["kind"] == "arm" and line.get("recall") and line["arm_kind"] != "placebo")
    arms = {(line["cell"], line["arm"]): line for line in own}
    rivals, rows = ("none", "duplicate", "rules", "rules+duplicate"), []
    for (cell, name), a in arms.items():
        against = [arms.get((cell, rival)) for rival in rivals]
        shown = [paired(a, other) if other and other is not a else "" for other in against]
        rows.append([cell, name, a["rare"], spread_of(a["recall"]), a["repeats"], *shown])
    head = ["cell", "arm", "class", "recall", "repeats", *(f"against {rival}" for rival in rivals)]
    return f"## Recall of the rare class\n\n{table(head, rows)}" if rows else ""


def paired(a: dict, b: dict) -> str:
    """Difference of two arms' recalls with its 95 % interval."""
    both = zip(a["recall"], b["recall"], strict=False)  # repeats are nested, and one of the runs may have more
    found = paired_t(np.array([own - other for own, other in both]))
    return f"{points(found.effect)} ({points(found.low)} to {points(found.high)})"


def spread_of(values: Sequence[float]) -> str:
    """Mean and standard deviation in points."""
    return f"{100 * mean(values):.1f}" + (f" ± {100 * stdev(values):.1f}" if len(values) > 1 else "")


def points(value: float) -> str:
    return f"{100 * value:+.1f}"


def percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (head, ["---"] * len(head), *rows))


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("data", type=Path, help="folder with the sets")
    options.add_argument("out", type=Path, help="folder of the studies and of evidence.jsonl")
    options.add_argument("--quick", action="store_true", help="sets at 32 px or less, 5 and 20 a class, 3 repeats")
    options.add_argument("--only", action="append", default=[], metavar="SET:SHOTS", help="this cell; repeatable")
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--minutes", type=float, help="stop after these; the next run goes on")
    options.add_argument("--repeats", type=int, help="instead of the part's 3 or 5")
    options.add_argument("--arm", action="append", default=[], help="instead of the part's arms; repeatable")
    options.add_argument("--seed", type=int, default=0, help="fresh repeats; needs another OUT")
    options.add_argument("--length", type=int, help="classifier updates, for a dry run")
    options.add_argument("--generator-steps", type=int, help="for a dry run")
    return options


def main(given: Sequence[str]) -> None:
    if not given:
        print("\n".join(cell.name for cell in cells()))
    elif given[0] == "table" and len(given) == 2:
        out = Path(given[1])
        with atomic_file(out / "evidence.md") as part:
            part.write_text(tables(out), encoding="utf-8")
        print(out / "evidence.md")
    else:
        run(parser().parse_args(given))


if __name__ == "__main__":
    main(sys.argv[1:])
