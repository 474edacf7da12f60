# SPDX-License-Identifier: Apache-2.0
"""The command that searches: tune."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

import ganaug
from ganaug.cli import options, progress, show
from ganaug.cli.options import Data, Fit, Fitting, Json, Seed, Size, Texts, Tiles, Unlabelled
from ganaug.cli.studying import command

SHOWN = 5  # candidates in the printed table


def tune(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="A new or empty folder.")] = Path(
        "ganaug-tune"
    ),
    minutes: Annotated[float, typer.Option(metavar="M", help="For everything, the confirmation included.")] = 45.0,
    arm: Annotated[
        Texts, typer.Option(metavar="A", help="Search among these only, as in study; repeatable. Default: what suits.")
    ] = None,
    shots: Annotated[int | None, typer.Option(metavar="N", help="Training images a class. Default: all.")] = None,
    task: Annotated[
        str, typer.Option(help="What is trained downstream: classification, segmentation, reid.")
    ] = "classification",
    margin: Annotated[float, typer.Option(help="The least difference that matters: 0.01 is one point.")] = 0.01,
    workers: Annotated[int | None, typer.Option(help="Runs at a time. Default: one a core.")] = None,
    backend: Annotated[str, typer.Option(help="joblib backend: loky, ray, dask.")] = "loky",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a stopped search; its time counts.")] = False,
    size: Size = None,
    fit: Fitting = Fit.resize,
    tiles: Tiles = None,
    unlabelled: Unlabelled = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Which recipe helps most here? A timed search inside the training fold, then a study of the winner."""
    asked = ganaug.Tune(
        minutes=minutes,
        arms=arm or None,
        task=task,
        shots=shots,
        seed=seed,
        margin=margin,
        workers=workers,
        backend=backend,
        command=command(),
    )
    given = options.loaded(data, size, fit, unlabelled, tiles)
    with progress.studying() as log:
        found = asked.run(given, out, resume=resume, log=log).results
    report = ganaug.write_report(out / "confirmation")
    if json:
        parts = {name: found.get(name) for name in ("sentence", "verdict", "winner", "ranking", "seconds", "again")}
        show.emit({**parts, "results": str(out / "tune.json"), "report": str(report)})
    else:
        say(found, report)


def say(found: Mapping[str, Any], report: Path) -> None:
    """The answer, the best of the last round, how to use it, and where the report is."""
    show.line(found["sentence"], style="bold")
    rows = [(r["candidate"], points(r["difference"]), points(r["error"]), str(r["folds"])) for r in found["ranking"]]
    show.table("last round, on parts of the training fold", ("recipe", "against rules", "error", "folds"), rows[:SHOWN])
    show.line(found["advice"])
    show.line(f"once more: {found['again']}")
    show.line(f"report: {report}")


def points(value: float | None) -> str:
    """A difference of scores in points."""
    return "" if value is None else f"{100 * value:.1f}"
