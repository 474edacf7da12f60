# SPDX-License-Identifier: Apache-2.0
"""The generated pages: one for each id, with what its card says, and an index that leads to all."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import ganaug

BUILD = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "build.py"))


def test_every_id_has_a_page_that_the_index_links_to(tmp_path):
    (tmp_path / "gone.md").write_text("of an id that was removed")
    written = {path.name for path in BUILD["build"](tmp_path)}
    assert written == {f"{id}.md" for id in ganaug.catalogue()} | {"index.md"}
    assert {path.name for path in tmp_path.iterdir()} == written
    index = (tmp_path / "index.md").read_text(encoding="utf-8")
    assert all(f"[`{id}`]({id}.md)" in index for id in ganaug.catalogue())


def test_page_says_what_the_source_says(tmp_path):
    path = tmp_path / "style" / "swap.py"
    path.parent.mkdir()
    path.write_text('"""Swaps styles."""\nclass Swap:\n    """Colours of one, shapes of the other."""\n')
    card = {
        "title": "Swap",
        "kind": "system",
        "can": ("sample",),
        "shows": "It swaps.",
        "arxiv": "1234.56789",
    }
    entry = SimpleNamespace(
        id="swap",
        kind="system",
        card=card,
        module="m",
        name="Swap",
        path=path,
        presets={"tiny": {"width": 4}},
    )
    page = BUILD["page"](entry)
    for text in (
        "# Swap",
        "Swaps styles.",
        "Colours of one",
        "It swaps.",
        "arxiv.org/abs/1234.56789",
        "`width=4`",
    ):
        assert text in page
    assert "ganaug sample RUN" in page and "ganaug augment" not in page


def test_readme_lists_the_systems_of_the_catalogue():
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert BUILD["readme_table"]() in readme, "run `make docs`"
