# SPDX-License-Identifier: Apache-2.0
"""Exit codes, sentences on failure, help with examples, completion, and a start without heavy imports."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import ganaug
from ganaug.cli.main import COMMANDS, app
from ganaug.core.loop import Diverged
from ganaug.data.errors import FoldError

NO_TORCH = """
import sys
from typer.testing import CliRunner
from ganaug.cli.main import app
done = CliRunner().invoke(app, sys.argv[1:])
assert done.exit_code == 0 and done.output, done.output
heavy = {"torch", "torchvision", "sklearn", "scipy", "numpy", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
"""


def failing(monkeypatch, error):
    """Let `ganaug.restore` raise."""

    def restore(_):
        raise error

    monkeypatch.setitem(vars(ganaug), "restore", restore)
    return CliRunner().invoke(app, ["sample", "run", "-n", "3", "-o", "out"])


@pytest.mark.parametrize(
    "words",
    [["list"], ["list", "--json"], ["show", "dcgan"], ["--help"], ["study", "--help"], ["--version"]],
    ids=" ".join,
)
def test_looking_imports_neither_torch_nor_sklearn(words):
    subprocess.run([sys.executable, "-c", NO_TORCH, *words], check=True)


@pytest.mark.parametrize(("name", "example"), [(name, example) for name, _, example in COMMANDS])
def test_help_has_a_sentence_and_an_example(name, example, ganaug_cli):
    result = ganaug_cli(name, "--help")
    assert result.exit_code == 0
    assert f"Example: {example}" in " ".join(result.stdout.split())
    assert re.search(r"^ [A-Z].*", result.stdout, re.MULTILINE)


def test_every_command_offers_json_and_examples_parse(ganaug_cli):
    """The example's options exist: with --help after them, only unknown options would end in exit code 2."""
    for name, _, example in COMMANDS:
        assert "--json" in ganaug_cli(name, "--help").stdout
        result = ganaug_cli(*example.split()[1:], "--help")
        assert result.exit_code == 0, result.output


def test_unknown_option_and_command_end_in_2(ganaug_cli):
    assert ganaug_cli("list", "--nonsense").exit_code == 2
    assert ganaug_cli("nonsense").exit_code == 2


def test_input_error_is_one_sentence(refused):
    assert "there is no system 'dcgn'; the nearest are dcgan" in refused("show", "dcgn")


@pytest.mark.parametrize("kind", [Diverged, FoldError])
def test_a_run_that_cannot_go_on_ends_in_1(kind, monkeypatch):
    result = failing(monkeypatch, kind("it cannot go on."))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "error: it cannot go on.\n")


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")])
def test_too_little_memory_ends_in_1_and_says_what_to_do(error, monkeypatch):
    result = failing(monkeypatch, error)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "memory ran out: take a smaller --size" in result.stderr


def test_a_full_disk_ends_in_2_and_names_the_file(monkeypatch):
    result = failing(monkeypatch, OSError(errno.ENOSPC, "No space left on device", "more/a.png"))
    assert (result.exit_code, result.stderr) == (2, "error: more/a.png: No space left on device.\n")


def test_a_bug_is_not_hidden(monkeypatch):
    bug = RuntimeError("shapes differ")
    assert failing(monkeypatch, bug).exception is bug


def test_warnings_are_one_line_each(ganaug_cli, monkeypatch):
    def inspect(_):
        import warnings

        warnings.warn("few images", stacklevel=1)
        return {}

    monkeypatch.setitem(vars(ganaug), "inspect", inspect)
    result = ganaug_cli("inspect", "digits", "--json")
    assert result.stderr == "warning: few images\n"
    assert json.loads(result.stdout) == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sample", "run", "-n", "3", "-o", "out"], "stopped\n"),
        (["fit", "dcgan", "digits", "-o", "out"], "stopped; go on with --resume\n"),
        (["study", "digits", "-o", "out"], "stopped; go on with --resume\n"),
        (["demo"], "stopped; the same command goes on\n"),
    ],
)
def test_ctrl_c_ends_in_130_and_says_how_to_go_on(words, said, ganaug_cli, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    for name in ("restore", "load", "Study"):
        monkeypatch.setitem(vars(ganaug), name, interrupted)
    result = ganaug_cli(*words)
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", said)


def test_ctrl_c_in_a_real_fit_saves_what_resumes(tmp_path):
    words = ["fit", "dcgan", "digits", "--preset", "tiny", "--steps", "1000000", "-o", "run"]
    fit = [sys.executable, "-m", "ganaug.cli.main", *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    running = subprocess.Popen(fit, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    assert running.stderr.readline().startswith("fitting dcgan: ")  # the loop is running
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert (running.returncode, said) == (130, "stopped; go on with --resume\n")
    assert (tmp_path / "run" / "state.safetensors").is_file()


def test_the_shell_completes_ids():
    environment = os.environ | {"_GANAUG_COMPLETE": "complete_bash", "COMP_WORDS": "ganaug show dcg", "COMP_CWORD": "2"}
    start = "from ganaug.cli.main import run; run()"
    done = subprocess.run([sys.executable, "-c", start], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["dcgan"]
