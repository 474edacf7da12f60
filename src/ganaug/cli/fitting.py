# SPDX-License-Identifier: Apache-2.0
"""Commands that make images: fit, sample, augment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import ganaug
from ganaug.cli import options, progress, show
from ganaug.cli.options import Data, Fit, Fitting, Form, Format, Id, Json, Out, Seed, Size, Texts, Tiles, Unlabelled

if TYPE_CHECKING:
    from ganaug import Budget, ImageSet, System


def fit(
    id: Id,
    data: Data,
    out: Out,
    steps: Annotated[int | None, typer.Option(help="How many training steps.")] = None,
    minutes: Annotated[float | None, typer.Option(help="How long to train instead.")] = None,
    preset: Annotated[str, typer.Option(help="Named parameters: paper, small or tiny.")] = "small",
    set_: Annotated[Texts, typer.Option("--set", metavar="K=V", help="One parameter; repeatable.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a stopped run.")] = False,
    per_class_model: Annotated[
        bool, typer.Option("--per-class-model", help="One clone a class: gives labels to an unconditional system.")
    ] = False,
    size: Size = None,
    fit: Fitting = Fit.resize,
    tiles: Tiles = None,
    unlabelled: Unlabelled = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Train a system on the training fold of DATA; the run folder gets weights and previews."""
    asked = budget(steps, minutes)
    refuse_other_kinds(id)
    model = ganaug.make(id, preset=preset, **options.settings(set_))
    model = ganaug.PerClass(model) if per_class_model else model
    train = options.loaded(data, size, fit, unlabelled, tiles)
    with progress.training(f"fitting {id}") as log:
        model.fit(train, budget=asked, seed=seed, run=out, resume=resume, log=log)
    policy = model.words() if hasattr(model, "words") else []  # what a system that searches has found
    said = f"fitted {id} in {model.fitted_['steps']} steps; the run is in {out}"
    facts = {"system": id, "run": str(out), **model.fitted_, **({"policy": policy} if policy else {})}
    show.result(facts, "\n".join([said, *policy]), json)


def sample(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that `ganaug fit` made.")],
    out: Out,
    n: Annotated[int | None, typer.Option("-n", metavar="N", help="How many images.")] = None,
    per_class: Annotated[
        Texts,
        typer.Option("--per-class", metavar="N|CLASS=N", help="How many of each class, or of one; repeatable."),
    ] = None,
    like: Annotated[
        str | None, typer.Option("--like", metavar="DATA", help="One image for each row of another set.")
    ] = None,
    format: Form = Format.folder,
    size: Size = None,
    fit: Fitting = Fit.resize,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Make new images with a fitted system, and write them with a manifest."""
    wanted = options.per_class(per_class)
    if [n, wanted, like].count(None) != 2:
        raise ganaug.InputError("say how many images by one of -n N, --per-class N and --like DATA.")
    model = ganaug.restore(run)
    rows = options.loaded(like, size, fit) if like is not None else None
    write(model.sample(n, per_class=wanted, like=rows, seed=seed), out, format, json)


def augment(
    model: Annotated[
        str,
        typer.Argument(
            metavar="RUN|ID", help="A run folder, or the id of a transform.", autocompletion=options.matching_ids
        ),
    ],
    data: Data,
    out: Out,
    set_: Annotated[
        Texts, typer.Option("--set", metavar="K=V", help="One parameter of a transform; repeatable.")
    ] = None,
    format: Form = Format.folder,
    size: Size = None,
    fit: Fitting = Fit.resize,
    tiles: Tiles = None,
    unlabelled: Unlabelled = None,
    grid: Annotated[
        bool, typer.Option("--grid", help="Only a picture: six images combined with each other, in OUT/grid.png.")
    ] = False,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Make one variant of each training image of DATA; its test fold, where it has one, is left out."""
    given = options.loaded(data, size, fit, unlabelled, tiles)
    system = fitted(model, given, seed, options.settings(set_))
    if grid:
        return draw_grid(system, training_rows(given), out, seed, json)
    write(system.augment(training_rows(given), seed=seed), out, format, json)


def draw_grid(system: System, data: ImageSet, out: Path, seed: int, json: bool) -> None:
    """Six images of different identities, where these are known, combined with each other."""
    import numpy as np

    rows = np.random.default_rng(seed).permutation(len(data))
    if data.identity is not None:
        rows = rows[np.sort(np.unique(data.identity[rows], return_index=True)[1])]
    system.save_grid(data.select(rows[:6]), out / "grid.png")
    show.result({"grid": str(out / "grid.png")}, f"wrote {out / 'grid.png'}", json)


def budget(steps: int | None, minutes: float | None) -> Budget | None:
    """Steps or minutes as a Budget; None leaves it to the system."""
    if steps is not None and minutes is not None:
        raise ganaug.InputError("--steps and --minutes exclude each other: give one of them.")
    if minutes is not None:
        return ganaug.Budget(seconds=60 * minutes)
    return None if steps is None else ganaug.Budget(steps=steps)


def fitted(model: str, data: ImageSet, seed: int, settings: dict[str, Any]) -> System:
    """The system of a run folder, or a transform by id with its parameters, fitted without training."""
    folder = Path(model)
    if (folder / "run.json").is_file() or (folder.exists() and model not in ganaug.catalogue()):
        if settings:
            raise ganaug.InputError(f"{model} is a run, whose parameters were set by `ganaug fit`: leave out --set.")
        return ganaug.restore(folder)
    refuse_other_kinds(model)
    system = ganaug.make(model, preset="small", **settings)
    if system.default_steps():
        raise ganaug.InputError(f"{model} must be trained first: ganaug fit {model} DATA -o RUN, then augment RUN.")
    return system.fit(data, budget=0, seed=seed)


def refuse_other_kinds(id: str) -> None:
    """InputError for the id of a task, a metric or a recipe."""
    from ganaug.core.catalogue import entry

    kind = entry(id).kind
    if kind not in ("system", "transform"):
        raise ganaug.InputError(f"'{id}' is a {kind}: give the id of a system or a transform (ganaug list).")


def training_rows(data: ImageSet) -> ImageSet:
    """The training fold, so that what is written can be trained on; all rows where no fold is stated."""
    return data.select(data.in_fold("train")) if len(data.in_fold("val", "test")) else data


def write(images: ImageSet, out: Path, format: Format, json: bool) -> None:
    """Write generated images and say so."""
    ganaug.write(images, out, format=format.value)
    show.result(
        {"images": len(images), "classes": images.counts(), "format": format.value, "out": str(out)},
        f"wrote {len(images)} images to {out}",
        json,
    )
