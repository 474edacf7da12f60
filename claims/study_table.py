# SPDX-License-Identifier: Apache-2.0
"""A finished study's `results.json` as the Markdown page that docs/evidence keeps.

python -m claims.study_table out --title "MNIST, 10 images a class" > docs/evidence/mnist.md
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from statistics import mean, stdev

ALSO = ("pixel_accuracy", "mAP_trapezoid", "rank_1", "rank_5", "mINP")  # scores beside the main one
MANY = 20  # classes


def points(value: float | None) -> str:
    """A share as points with one decimal and a sign."""
    return "" if value is None else f"{100 * value:+.1f}"


def spread(values: list[float]) -> str:
    """Mean and standard deviation in points."""
    return f"{100 * mean(values):.1f} ± {100 * stdev(values):.1f}" if len(values) > 1 else f"{100 * values[0]:.1f}"


def head(found: dict, title: str, commit: str) -> list[str]:
    """What was run, on what."""
    m, d = found["manifest"], found["manifest"]["data"]
    size = f"{d['height']}x{d['width']}x{d['channels']}"
    machine = f"{m['machine']['cpu']}, {m['machine']['cores']} cores, {m['machine']['system']}"
    versions = ", ".join(f"{k} {v}" for k, v in m["versions"].items())
    return [
        f"# {title}",
        "",
        f"Command: `{m['command']}`",
        "",
        f"Data `{d['name']}` (fingerprint {d['fingerprint']}): {d['train_rows']} training and {d['test_rows']} test "
        f"images, {size}, {len(d['classes'])} classes; {m['regime']}. Training images of the first repeat: "
        f"{told(d['counts'])}.",
        "",
        f"Commit {commit}; {machine}, Python {m['machine']['python']}, {versions}; {m['workers']} workers, "
        f"{m['seconds'] / 60:.0f} minutes. Seeds of the repeats: {', '.join(map(str, m['seeds']))}.",
        "",
        found["saturation"]["sentence"],
    ]


def told(counts: dict[str, int]) -> str:
    """Images of every class, or of many classes the range."""
    if len(counts) > MANY:
        least, most = min(counts.values()), max(counts.values())
        return f"{least} a class" if least == most else f"{least} to {most} a class"
    return ", ".join(f"{name} {n}" for name, n in counts.items())


def saturation_table(found: dict) -> list[str]:
    """The saturation curve."""
    rows = [
        f"| {p['arm']} | {p['strength']} | {p['steps']} | {spread(p['scores'])} |" for p in found["saturation"]["curve"]
    ]
    return ["", "| baseline | strength | updates | validation score |", "|---|---|---|---|", *rows]


def scores_table(found: dict) -> list[str]:
    """Mean score of every arm."""
    classes = found["manifest"]["data"]["classes"]
    some = classes if len(classes) <= 5 else []
    also = [name for name in ALSO if name in found["cells"][0]["scores"]]
    score, of_class = (
        found["manifest"].get(name, word) for name, word in (("score", "score"), ("class_score", "recall"))
    )
    lines = [
        "",
        f"| arm | shots | {score} | status |"
        + "".join(f" {n.replace('_', ' ')} |" for n in also)
        + "".join(f" {of_class} {c} |" for c in some),
    ]
    lines.append("|---|---|---|---|" + "---|" * (len(also) + len(some)))
    for shots in found["manifest"]["shots"]:
        for arm in found["arms"]:
            cells = [c for c in found["cells"] if c["arm"] == arm["arm"] and c["shots"] == shots]
            bad = sum(c["status"] != "ok" for c in cells)
            recalls = "".join(f" {spread([c['scores'][name] for c in cells])} |" for name in also)
            recalls += "".join(f" {100 * mean(c['per_class'].get(k, 0.0) for c in cells):.1f} |" for k in some)
            status = f"{bad} of {len(cells)} counted as baseline" if bad else "ok"
            lines.append(
                f"| {arm['arm']} | {shots or 'all'} | {spread([c['score'] for c in cells])} | {status} |{recalls}"
            )
    return lines


def gap_table(found: dict) -> list[str]:
    """How far each arm goes from the source alone to the oracle, where there are two domains."""
    if not found.get("gaps"):
        return []
    lines = ["", "| arm | share of the gap closed, each repeat |", "|---|---|"]
    for arm in dict.fromkeys(gap["arm"] for gap in found["gaps"]):
        shares = [gap["recovered"] for gap in found["gaps"] if gap["arm"] == arm]
        lines.append(f"| {arm} | {', '.join('none' if s is None else f'{100 * s:.0f} %' for s in shares)} |")
    return lines


def verdict_table(found: dict) -> list[str]:
    """Every verdict, placebos last."""
    lines = ["", "| arm | against | shots | verdict | effect | 95 % interval | p | repeats that would decide |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    lines += [
        f"| {v['arm']} | {v['against']} | {v['shots'] or 'all'} | {v['verdict']} | {points(v['effect'])} | "
        f"{points(v['low'])} to {points(v['high'])} | {v['p']:.2g} | {v['repeats_needed'] or ''} |"
        for v in [*found["verdicts"], *found["placebos"]]
    ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--title", required=True)
    asked = parser.parse_args()
    found = json.loads((asked.folder / "results.json").read_text(encoding="utf-8"))
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    tables = [*scores_table(found), *gap_table(found), *verdict_table(found), *saturation_table(found)]
    print("\n".join([*head(found, asked.title, commit), *tables, "", found["summary"]["advice"]]))


if __name__ == "__main__":
    main()
