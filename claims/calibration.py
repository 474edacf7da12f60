# SPDX-License-Identifier: Apache-2.0
"""Are the verdicts of a study right as often as they say? Thousands of studies with instant learners.

* Studies without effect: four arms and the baseline are the same noisy learner (bagging and random feature dropping)
  with different seeds, so the truth is zero by construction. Any "helps" or "harms" is wrong.
* Studies with effect: perfect generators that add 1, 2 and 5 points as far as the population allows them, the last
  of them with permuted labels (placebo), ridge regression instead of nearest mean, and nearest mean on the
  informative features only. Their true effects come from separate, larger runs: over fresh populations in the
  re-split regime; on the same folds in the fixed regime, because there the claim is about these folds.

Split plan and verdicts are the library's own. Run `python claims/calibration.py --studies 1000 --out FILE.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
from pathlib import Path

import numpy as np
from instant_learners import (
    Arms,
    Setting,
    fixed_cells,
    generator,
    informative,
    noisy,
    plain,
    resplit_cells,
    ridge,
)
from numpy import ndarray
from scipy.special import stdtrit

from ganaug.study.verdict import Comparison, Verdict, verdicts

REPEATS, MARGIN, CHUNK = (5, 10), 0.01, 100
WANTED = (0.01, 0.02, 0.05)
GENERATED = (0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256)  # images a class, tried for the wanted effects
FOLDS, CELLS, TRUTH = range(3)  # independent random streams

SETTINGS = (
    Setting("fixed, easy", "fixed test fold", 4, 12, 3.0, 400, 5, test=300, studies_per_fold=20),
    Setting("fixed, hard", "fixed test fold", 3, 16, 2.0, 300, 10, test=300, studies_per_fold=20),
    Setting("fixed, 60 test images", "fixed test fold", 3, 8, 2.0, 300, 10, test=60, studies_per_fold=20),
    Setting("re-split, easy, 5 a class", "re-split", 4, 12, 3.0, 200, 5),
    Setting("re-split, hard, 10 a class", "re-split", 3, 16, 2.0, 120, 10),
    Setting("re-split, all rows", "re-split", 4, 32, 2.5, 120, None),
    Setting("re-split, groups of 4", "re-split", 3, 16, 2.5, 180, None, group=4),
)

LIMITS = (
    Setting("fixed, easy, 20 test images", "fixed test fold", 4, 12, 2.5, 200, 33, test=20, studies_per_fold=20),
    Setting("re-split, easy, all rows", "re-split", 4, 12, 2.5, 200, None),
)


def cells_of(s: Setting, seed: int, studies: int, arms: Arms) -> dict[str, ndarray]:
    """Correct or not, [studies, R, U], of each arm."""
    parts = []
    for i in range(0, studies, CHUNK):
        rng = np.random.default_rng([seed, i, CELLS])
        if s.regime == "re-split":
            parts.append(resplit_cells(s, rng, CHUNK, max(REPEATS), arms))
            continue
        repeats = s.studies_per_fold * max(REPEATS)
        folds = np.random.default_rng([seed, i, FOLDS])
        made = fixed_cells(s, folds, rng, CHUNK // s.studies_per_fold, repeats, arms)
        parts.append({a: c.reshape(CHUNK, max(REPEATS), -1) for a, c in made.items()})
    return {a: np.concatenate([p[a] for p in parts])[:studies] for a in arms}


def truths_of(s: Setting, seed: int, studies: int, arms: Arms) -> dict[str, ndarray]:
    """True effect of each arm against the first in each study of `cells_of` with the same seed."""
    if s.regime == "re-split":
        effects = population_effects(s, seed, max(10, studies // 25), arms)
        return {a: np.full(studies, e) for a, e in effects.items()}
    parts = []
    for i in range(0, studies, CHUNK):
        rng, sums = np.random.default_rng([seed, i, TRUTH]), dict.fromkeys(arms, 0.0)
        for _ in range(rounds := max(2, studies // 125)):
            folds = np.random.default_rng([seed, i, FOLDS])
            made = fixed_cells(s, folds, rng, CHUNK // s.studies_per_fold, 500, arms)
            sums = {a: sums[a] + made[a].mean((1, 2)) / rounds for a in arms}
        parts.append({a: np.repeat(v - sums[next(iter(arms))], s.studies_per_fold) for a, v in sums.items()})
    return {a: np.concatenate([p[a] for p in parts])[:studies] for a in arms}


def population_effects(s: Setting, seed: int, chunks: int, arms: Arms) -> dict[str, float]:
    """True mean effect of each arm against the first over fresh data and splits."""
    sums = dict.fromkeys(arms, 0.0)
    for i in range(chunks):
        rng = np.random.default_rng([seed, i, TRUTH])
        re_split = s.regime == "re-split"
        cells = resplit_cells(s, rng, CHUNK, 3, arms) if re_split else fixed_cells(s, rng, rng, CHUNK, 3, arms)
        sums = {a: sums[a] + float(np.nanmean(c)) / chunks for a, c in cells.items()}
    return {a: v - sums[next(iter(arms))] for a, v in sums.items()}


def effect_arms(s: Setting, seed: int) -> Arms:
    """The arms with an effect, against nearest mean on the real images alone."""
    tried: Arms = {"none": plain} | {f"{g}": generator(g) for g in GENERATED}
    effects = np.maximum.accumulate(list(population_effects(s, seed, 20, tried).values())[1:])
    images = {w: float(np.exp(np.interp(w, effects, np.log(GENERATED)))) for w in WANTED if w < effects[-1]}
    wanted = {f"+{100 * w:g}": generator(g) for w, g in images.items()}
    placebo = generator(max(images.values()), permuted=True)
    return {"none": plain, "ridge": ridge, "informative": informative} | wanted | {"placebo": placebo}


def judge(s: Setting, cells: dict[str, ndarray], repeats: int) -> list[list[Verdict]]:
    """The verdicts of every study from its first `repeats` repeats, each arm against the first."""
    (base, right), *others = ((a, c[:, :repeats]) for a, c in cells.items())
    groups = np.arange(right.shape[2]) // s.group
    studies = []
    for i in range(len(right)):
        units = {a: c[i] - right[i] for a, c in others}
        rows = [Comparison(a, base, s.shots, np.nanmean(u, 1), u, groups) for a, u in units.items()]
        studies.append(verdicts(rows, margin=MARGIN, regime=s.regime))
    return studies


def covered(studies: list[list[Verdict]], truths: dict[str, ndarray]) -> dict[str, float]:
    """Share of intervals that hold the truth, by arm."""
    hits: dict[str, list[bool]] = {}
    for i, study in enumerate(studies):
        for v in study:
            hits.setdefault(v.arm, []).append(v.low - 1e-9 <= truths[v.arm][i] <= v.high + 1e-9)
    return {a: float(np.mean(h)) for a, h in hits.items()}


def other_t(cells: dict[str, ndarray], truths: dict[str, ndarray], repeats: int, ratio: float) -> dict[str, float]:
    """Coverage by arm of the corrected resampled t (ratio 0: the plain t) on the same studies, for comparison."""
    base, *others = cells
    means = {a: np.nanmean(c[:, :repeats], 2) for a, c in cells.items()}
    hits = {}
    for a in others:
        d = means[a] - means[base]
        half = stdtrit(repeats - 1, 0.975) * np.sqrt((1 / repeats + ratio) * d.var(1, ddof=1))
        hits[a] = float(np.mean(np.abs(d.mean(1) - truths[a]) <= half + 1e-9))
    return hits


def rate(studies: list[list[Verdict]], arm: str, word: str) -> float:
    """Share of studies that give this arm this verdict."""
    return float(np.mean([v.verdict == word for study in studies for v in study if v.arm == arm]))


def calibrate(s: Setting, studies: int, seed: int) -> list[dict]:
    """One row of measurements for each number of repeats."""
    null = cells_of(s, seed, studies, {"none": noisy} | {f"seed {i}": noisy for i in range(1, 5)})
    zero = {a: np.zeros(studies) for a in null}
    arms = effect_arms(s, seed + 1)
    effect, truths = cells_of(s, seed + 2, studies, arms), truths_of(s, seed + 2, studies, arms)
    return [row_of(s, repeats, null, zero, effect, truths) for repeats in REPEATS]


def row_of(s: Setting, repeats: int, null: dict, zero: dict, effect: dict, truths: dict) -> dict:
    """What went right and wrong with this number of repeats; shares of studies."""
    none, some = judge(s, null, repeats), judge(s, effect, repeats)
    mean = {a: float(t.mean()) for a, t in truths.items()}
    big = {a: m for a, m in mean.items() if abs(m) >= MARGIN}
    row = {
        "setting": s.name,
        "repeats": repeats,
        "studies": len(none),
        "wrong": float(np.mean([any(v.verdict in ("helps", "harms") for v in study) for study in none])),
        "null": covered(none, zero),
        "effect": covered(some, truths),
        "truth": {a: m for a, m in mean.items() if a != "none"},
        "power": {a: rate(some, a, "helps") for a in truths if a.startswith("+")},
        "placebo": {w: rate(some, "placebo", w) for w in ("helps", "harms")},
        "wrong sign": max(rate(some, a, "harms" if m > 0 else "helps") for a, m in big.items()),
        "wrong equivalence": max(rate(some, a, "no material difference") for a in big),
    }
    for name, ratio in (("plain t", 0.0), ("corrected t", 0.5)) if s.regime == "re-split" else ():
        row[name] = {"null": other_t(null, zero, repeats, ratio), "effect": other_t(effect, truths, repeats, ratio)}
    return row


def limits(s: Setting, studies: int, seed: int) -> list[list[str]]:
    """Coverage where differences are far from normal: hardly any difference, and a learner that collapses at times."""
    arms: Arms = {"none": plain, "hardly different": generator(2), "collapses at times": noisy}
    cells, truths = cells_of(s, seed, studies, arms), truths_of(s, seed, studies, arms)
    lines = []
    for repeats in REPEATS:
        hits = covered(judge(s, cells, repeats), truths)
        lines.append([s.name, str(repeats), *(f"{100 * truths[a].mean():+.2f}, {percent(hits[a])}" for a in hits)])
    return lines


def met(row: dict) -> bool:
    """The acceptance criterion: wrong verdicts and placebos at most 5 % plus sampling error, coverage 93 to 97 %."""
    limit = 0.05 + 1.96 * np.sqrt(0.05 * 0.95 / row["studies"])
    coverage = [np.mean(list(row[kind].values())) for kind in ("null", "effect")]
    few = row["wrong"] <= limit and row["placebo"]["helps"] <= limit
    return bool(few and all(0.93 <= c <= 0.97 for c in coverage))


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def spread(values: dict[str, float]) -> str:
    """Mean, least and greatest."""
    v = list(values.values())
    return f"{percent(float(np.mean(v)))} ({percent(min(v))} to {percent(max(v))})"


def table(head: str, rows: list[list[str]]) -> str:
    cells = [[c.strip() for c in head.split("|")], ["---"] * len(head.split("|")), *rows]
    return "\n".join("| " + " | ".join(r) + " |" for r in cells) + "\n"


def main_table(rows: list[dict]) -> str:
    head = (
        "setting | repeats | studies | wrong verdicts % | coverage, no effect % | coverage, effect % | "
        "power at 1 / 2 / 5 points % | placebo helps % | criterion"
    )
    lines = []
    for r in rows:
        power = " / ".join(percent(r["power"][a]) if a in r["power"] else "-" for a in ("+1", "+2", "+5"))
        counts = [r["setting"], str(r["repeats"]), str(r["studies"])]
        shares = [percent(r["wrong"]), spread(r["null"]), spread(r["effect"]), power, percent(r["placebo"]["helps"])]
        lines.append([*counts, *shares, "met" if met(r) else "MISSED"])
    return table(head, lines)


def arm_table(rows: list[dict]) -> str:
    lines = []
    for r in rows:
        arms = "; ".join(f"{a}: {100 * t:+.2f}, {percent(r['effect'][a])}" for a, t in r["truth"].items())
        lines.append([r["setting"], str(r["repeats"]), arms, percent(r["wrong sign"]), percent(r["wrong equivalence"])])
    return table(
        "setting | repeats | arm: true effect in points, coverage % | wrong sign % | wrong equivalence %", lines
    )


def other_table(rows: list[dict]) -> str:
    lines = []
    for r in (r for r in rows if "plain t" in r):
        cells = [spread(r[name][kind]) for name in ("plain t", "corrected t") for kind in ("null", "effect")]
        lines.append([r["setting"], str(r["repeats"]), *cells])
    return table(
        "setting | repeats | plain t, no effect % | plain t, effect % | "
        "corrected resampled t, no effect % | corrected resampled t, effect %",
        lines,
    )


def report(rows: list[dict], beyond: list[list[str]], seed: int, seconds: float) -> str:
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    command = f"python claims/calibration.py --studies {rows[0]['studies']} --seed {seed}"
    return f"""# Calibration of the verdicts

Command: `{command}`, commit {commit.stdout.strip() or "unknown"},
{machine}, Python {platform.python_version()}, numpy {np.__version__}, {seconds:.0f} s.

Coverage: share of 95 % intervals that hold the truth, mean over arms (least to greatest arm). Power and placebo:
share of studies in which that arm "helps", after Holm over all arms of the study. A dash: this population does not
allow that effect.

{main_table(rows)}
## By arm

Wrong sign: the most frequent "helps" for a harmful or "harms" for a helpful arm. Wrong equivalence: the most
frequent "no material difference" for an arm whose true effect is at least the margin of {100 * MARGIN:g} point.

{arm_table(rows)}
## Other tests on the same re-split studies

{other_table(rows)}
## Beyond the limits

Differences that are far from normal: true effect in points, coverage %.

{table("setting | repeats | hardly different | collapses at times", beyond)}"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Calibrate the verdicts of a study.")
    parser.add_argument("--studies", type=int, default=1000, help="simulated studies a setting")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the tables as Markdown")
    parser.add_argument("--json", type=Path, help="write the measurements as JSON")
    args = parser.parse_args()
    start, rows = time.time(), []
    for i, setting in enumerate(SETTINGS):
        rows += calibrate(setting, args.studies, 1000 * args.seed + 10 * i)
    beyond = [line for i, s in enumerate(LIMITS) for line in limits(s, args.studies, 1000 * args.seed + 500 + i)]
    text = report(rows, beyond, args.seed, time.time() - start)
    print(text)
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
