# SPDX-License-Identifier: Apache-2.0
"""The command line in this process, and what it must look like when it refuses."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from ganaug.cli.main import app


@pytest.fixture
def ganaug_cli(tmp_path, monkeypatch):
    """Runs a command in an empty folder: `ganaug_cli("fit", "dcgan", ...)`."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def refused(ganaug_cli, tmp_path):
    """Runs a command that must end in exit code 2 with one sentence, and write nothing; returns the sentence."""

    def run(*words):
        before = sorted(tmp_path.rglob("*"))
        result = ganaug_cli(*words)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1, result.stderr
        assert "Traceback" not in result.stderr
        assert sorted(tmp_path.rglob("*")) == before
        return result.stderr

    return run
