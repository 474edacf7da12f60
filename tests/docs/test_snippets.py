# SPDX-License-Identifier: Apache-2.0
"""Every bash and python block of README and docs runs, page by page, in a folder of its own.

The blocks of a page share that folder and run in order, so a page reads as one session. In bash blocks only
`ganaug` commands run; set-up commands are skipped by name, and any other command fails. A block that only
illustrates is marked `text`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
DOCS = sorted(path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "evidence")  # records
PAGES = [ROOT / "README.md", *DOCS]
SKIPPED = ("make", "pip install", "git clone", "cd")
LANGUAGES = {"bash", "python", "text", "json", "toml"}
FENCE = re.compile(r"^```(?P<language>.*)\n(?P<text>(?:(?!```).*\n)*)```$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block and the line of the page where its text starts."""

    line: int
    language: str
    text: str


def blocks(page: str) -> list[Block]:
    """All fenced blocks of a page."""
    return [
        Block(page.count("\n", 0, match.start("text")) + 1, match["language"], match["text"])
        for match in FENCE.finditer(page)
    ]


def commands(block: Block) -> Iterator[Block]:
    """The commands of a bash block one by one; a backslash continues a line, a comment is dropped."""
    text, start = "", block.line
    for number, line in enumerate(block.text.splitlines(), block.line):
        start = start if text else number
        text += line.removesuffix("\\")
        if line.endswith("\\"):
            continue
        if shlex.split(text, comments=True):
            yield Block(start, "bash", text.strip())
        text = ""


def argv(command: str) -> list[str]:
    """The program and arguments of one bash line; empty when it is skipped."""
    words = shlex.split(command, comments=True)
    if words[0] == "ganaug":
        return [sys.executable, "-m", "ganaug.cli.main", *words[1:]]
    skipped = any(words[: len(start.split())] == start.split() for start in SKIPPED)
    assert skipped, f"not a ganaug command, and not skipped: {command}"
    return []


def steps(page: str) -> Iterator[tuple[int, list[str]]]:
    """Line and program of everything that a page tells its reader to run."""
    for block in blocks(page):
        if block.language == "python":
            yield block.line, [sys.executable, "-c", block.text]
        elif block.language == "bash":
            yield from ((command.line, argv(command.text)) for command in commands(block))


def run_page(name: str, page: str, folder: Path) -> None:
    """Runs a page; an AssertionError names the page and the line of the first block that fails."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "PYTHONIOENCODING": "utf-8"}
    for line, program in steps(page):
        if program:
            done = subprocess.run(
                program, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8"
            )
            said = (done.stdout + done.stderr)[-3000:]
            assert done.returncode == 0, f"{name}, line {line}: exit code {done.returncode}\n{said}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_page_runs(path, tmp_path):
    run_page(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"), tmp_path)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_block_names_a_known_language(path):
    """A misspelt language would hide a block from the test above."""
    page = path.read_text(encoding="utf-8")
    assert {block.language for block in blocks(page)} <= LANGUAGES
    assert len(re.findall("^ *```", page, re.MULTILINE)) == 2 * len(blocks(page))


def test_local_links_lead_somewhere():
    for path in PAGES:
        for target in re.findall(r"\]\(([^)#:\s]+)[^):]*\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_a_failing_block_is_named_by_page_and_line(tmp_path):
    page = "# Page\n\n```python\nopen('a', 'w').close()\n```\n\n```python\nassert not open('a')\n```\n"
    with pytest.raises(AssertionError, match=r"page\.md, line 8: exit code 1"):
        run_page("page.md", page, tmp_path)


def test_bash_blocks_are_read_command_by_command():
    page = "```bash\n# first\nmake demo\nganaug study digits \\\n  --shots 10  # few\n```\n"
    found = list(steps(page))
    assert found == [
        (3, []),
        (4, [sys.executable, "-m", "ganaug.cli.main", "study", "digits", "--shots", "10"]),
    ]


def test_other_programs_are_refused():
    with pytest.raises(AssertionError, match="not a ganaug command"):
        list(steps("```bash\nrm -rf out\n```\n"))
