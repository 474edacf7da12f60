# SPDX-License-Identifier: Apache-2.0
"""The command `ganaug`: one function a subcommand, and every failure told in one sentence.

Exit codes: 0 success, 1 a run that cannot go on, 2 a user's mistake, 130 Ctrl-C.
"""

from __future__ import annotations

import errno
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import ganaug
from ganaug.cli import fitting, looking, studying, tuning
from ganaug.data.errors import Stopped

COMMANDS = (  # name, function, example
    ("demo", studying.demo, "ganaug demo --open"),
    ("list", looking.list_entries, "ganaug list --task classification"),
    ("show", looking.show, "ganaug show dcgan"),
    ("inspect", looking.inspect, "ganaug inspect photos --size 64"),
    ("fit", fitting.fit, "ganaug fit acgan photos --steps 2000 -o run"),
    ("sample", fitting.sample, "ganaug sample run --per-class 100 -o more"),
    ("augment", fitting.augment, "ganaug augment cutout photos -o more"),
    ("study", studying.study, "ganaug study photos --arm cutout --arm rules+acgan --shots 10 -o out"),
    ("adapt", studying.adapt, "ganaug adapt rendered photos -o out"),
    ("tune", tuning.tune, "ganaug tune photos --shots 10 --minutes 45 -o out"),
    ("evaluate", studying.evaluate, "ganaug evaluate photos more --json"),
)
GO_ON = {
    "fit": "; go on with --resume",
    "study": "; go on with --resume",
    "adapt": "; go on with --resume",
    "tune": "; go on with --resume",
    "demo": "; the same command goes on",
}


class Commands(TyperGroup):
    """The commands, with their failures as sentences."""

    def invoke(self, ctx: Any) -> Any:
        with warnings.catch_warnings():
            warnings.showwarning = tell_warning
            try:
                return super().invoke(ctx)
            except (typer.Exit, typer.Abort):
                raise
            except KeyboardInterrupt:
                typer.echo("stopped" + GO_ON.get(ctx.invoked_subcommand, ""), err=True)
                raise typer.Exit(130) from None
            except (ganaug.InputError, OSError, MemoryError, RuntimeError) as error:
                raise typer.Exit(told(error)) from None


def told(error: Exception) -> int:
    """Say what went wrong and return the exit code; what is no known failure is raised again."""
    if isinstance(error, ganaug.InputError):
        return say(str(error), 2)
    if isinstance(error, OSError) and error.strerror and error.errno != errno.EPIPE:
        return say(f"{error.filename or 'the system'}: {error.strerror}.", 2)
    if isinstance(error, Stopped):
        return say(str(error), 1)
    if isinstance(error, MemoryError) or "allocate memory" in str(error) or "out of memory" in str(error):
        return say("memory ran out: take a smaller --size, a smaller batch_size or fewer --workers.", 1)
    raise error


def say(sentence: str, code: int) -> int:
    """One line on standard error."""
    typer.echo(f"{typer.style('error:', fg='red')} {sentence}", err=True)
    return code


def tell_warning(message: Any, category: type[Warning], *_: Any) -> None:
    """A warning as one line, without the place in the source."""
    if issubclass(category, UserWarning):
        typer.echo(f"{typer.style('warning:', fg='yellow')} {message}", err=True)


def version(wanted: bool) -> None:
    """Print the version and leave."""
    if wanted:
        typer.echo(f"ganaug {ganaug.__version__}")
        raise typer.Exit


app = typer.Typer(cls=Commands, no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.callback(epilog="Start with: ganaug demo")
def ganaug_command(
    shown: Annotated[bool, typer.Option("--version", callback=version, is_eager=True, help="The version.")] = False,
) -> None:
    """Generate more training images and prove, on held-out real data, whether they help."""


for name, function, example in COMMANDS:
    app.command(name, epilog=f"Example: {example}")(function)


def run() -> None:
    """The console entry point."""
    for stream in (sys.stdout, sys.stderr):  # a console without a sign must not end a run
        stream.reconfigure(errors="replace")
    app(prog_name="ganaug")


if __name__ == "__main__":
    run()
