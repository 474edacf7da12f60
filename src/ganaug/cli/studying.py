# SPDX-License-Identifier: Apache-2.0
"""Commands that measure: demo, study, evaluate."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import ganaug
from ganaug.cli import options, progress, show
from ganaug.cli.options import Data, Fit, Fitting, Json, Out, Seed, Size, Texts, Tiles

if TYPE_CHECKING:
    from ganaug import ImageSet, Study

ADAPTING = ("rules", "colour_match", "cyclegan")
# About two minutes on two cores.
DEMO = {"arms": ["smote", "rules+low_data_gan"], "shots": [5], "repeats": 5, "workers": 2}


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the report goes.")] = Path(
        "ganaug-demo"
    ),
    open: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """The main job on embedded digits, in about two minutes: a study, its verdicts and a report."""
    report = judge(ganaug.Study(**DEMO, seed=seed, command=command()), ganaug.load("digits"), out, True, json)
    if open:
        typer.launch(report.resolve().as_uri())


def study(
    data: Data,
    out: Out,
    arm: Annotated[
        Texts,
        typer.Option(metavar="A", help="Ids joined by +, or folder:PATH; repeatable. Default: what suits."),
    ] = None,
    shots: Annotated[
        list[int] | None, typer.Option(metavar="N", help="Training images a class; repeatable. Default: all.")
    ] = None,
    unit: Annotated[str, typer.Option(help="What --shots counts: images a class, or in total.")] = "class",
    repeats: Annotated[int, typer.Option(help="Paired repeats; below 5 expect 'inconclusive'.")] = 5,
    task: Annotated[
        str, typer.Option(help="What is trained downstream: classification, segmentation, reid, few_shot.")
    ] = "classification",
    margin: Annotated[float, typer.Option(help="The least difference that matters: 0.01 is one point.")] = 0.01,
    length: Annotated[
        int | None, typer.Option(metavar="N", help="Downstream updates. Default: until the baseline is saturated.")
    ] = None,
    generator_steps: Annotated[
        int | None, typer.Option("--generator-steps", "--steps", metavar="N", help="Training steps of each generator.")
    ] = None,
    cut: Annotated[
        Texts, typer.Option(metavar="CLASS=N", help="Leave N training images of a class; repeatable.")
    ] = None,
    without: Annotated[
        Texts,
        typer.Option(metavar="CONTROL", help="Leave out a control: none, rules, duplicate, placebo; repeatable."),
    ] = None,
    export_folds: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write each repeat's training fold, for another tool.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Runs at a time.")] = 1,
    backend: Annotated[str, typer.Option(help="joblib backend: loky, ray, dask.")] = "loky",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a stopped study.")] = False,
    size: Size = None,
    fit: Fitting = Fit.resize,
    tiles: Tiles = None,
    unlabelled: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="More images, without labels; 'rest' takes the training images that --shots or --cut leave out.",
            rich_help_panel=options.DATA,
        ),
    ] = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Does it help? The same classifier with and without each arm, on equal terms, and a verdict for each."""
    asked = ganaug.Study(
        arms=arm or None,
        task=task,
        shots=shots or None,
        unit=unit,
        repeats=repeats,
        seed=seed,
        margin=margin,
        steps=length,
        generator_steps=generator_steps,
        cut=options.counts("--cut", cut) or None,
        offer_rest=unlabelled == "rest",
        leave_out=without or [],
        workers=workers,
        backend=backend,
        command=command(),
    )
    given = options.loaded(data, size, fit, None if unlabelled == "rest" else unlabelled, tiles)
    if export_folds is not None and not (resume and export_folds.exists()):
        asked.export_folds(given, export_folds)
    judge(asked, given, out, resume, json)


def adapt(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Images with labels: rendered, or of another kind.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Images of the kind that matters.")],
    out: Out,
    labels_from: Annotated[str, typer.Option(metavar="WHICH", help="Whose labels may train: source.")] = "source",
    arm: Annotated[Texts, typer.Option(metavar="A", help="Ids joined by +; repeatable.")] = None,
    task: Annotated[str, typer.Option(help="segmentation or classification.")] = "segmentation",
    repeats: Annotated[int, typer.Option(help="Paired repeats.")] = 3,
    margin: Annotated[float, typer.Option(help="The least difference that matters: 0.01 is one point.")] = 0.01,
    length: Annotated[int | None, typer.Option(metavar="N", help="Downstream updates.")] = None,
    generator_steps: Annotated[
        int | None, typer.Option("--generator-steps", "--steps", metavar="N", help="Training steps of each translator.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Runs at a time.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a stopped run.")] = False,
    size: Size = None,
    fit: Fitting = Fit.resize,
    tiles: Tiles = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Labels from SOURCE for TARGET: trained on the source, on its translations, and (if TARGET has labels) on TARGET.

    TARGET's labels score, and train nothing but the oracle, which shows what would be possible.
    """
    asked = ganaug.Study(
        arms=arm or list(ADAPTING),
        task=task,
        repeats=repeats,
        seed=seed,
        margin=margin,
        steps=length,
        generator_steps=generator_steps,
        labels_from=labels_from,
        workers=workers,
        command=command(),
    )
    both = [options.loaded(data, size, fit, None, tiles) for data in (source, target)]
    judge(asked, ganaug.two_domains(*both), out, resume, json)


def evaluate(
    real: Annotated[str, typer.Argument(metavar="REAL", help="The real images: anything that DATA may be.")],
    synthetic: Annotated[str, typer.Argument(metavar="SYNTHETIC", help="The generated images.")],
    size: Size = None,
    fit: Fitting = Fit.resize,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Realism, diversity, usefulness and copies of generated images, measured against real ones."""
    both = [options.loaded(images, size, fit) for images in (real, synthetic)]
    with progress.studying() as log:
        found = ganaug.evaluate(*both, seed=seed, log=log)
    show.emit(found) if json else show.scores(found)


def command() -> str:
    """The command line, as the report shows it."""
    return shlex.join(["ganaug", *sys.argv[1:]])


def judge(asked: Study, data: ImageSet, out: Path, resume: bool, json: bool) -> Path:
    """Run a study, write its report and say what came out; returns the report's path."""
    with progress.studying() as log:
        results = asked.run(data, out, resume=resume, log=log).results
    report = ganaug.write_report(out)
    if json:
        parts = {name: results.get(name) for name in ("summary", "verdicts")}
        show.emit({**parts, "results": str(out / "results.json"), "report": str(report)})
    else:
        show.verdicts(results, report)
    return report
