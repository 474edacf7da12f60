# SPDX-License-Identifier: Apache-2.0
"""Writes one Markdown page for each catalogue id, and an index, into build/docs/systems (never committed).

Everything on a page comes from the source file of the id: its card, presets and docstring. Only the catalogue
is imported, so the pages build without torch.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

import ganaug

OUT = Path(__file__).parents[1] / "build" / "docs" / "systems"
README = Path(__file__).parents[1] / "README.md"
START, END = "<!-- systems -->", "<!-- /systems -->"
FACTS = (  # card keyword, its heading on the page
    ("kind", "Kind"),
    ("task", "Task"),
    ("needs", "Needs the fields"),
    ("sets", "Needs the further sets"),
    ("may_use", "Uses, where given, the further sets"),
    ("can", "Can"),
    ("channels", "Channels"),
    ("min_rows", "Fewest images a class"),
    ("labels", "Label policy"),
    ("moves", "Keeps in step with the pixels"),
    ("cost", "Cost"),
    ("lists", "Named in list"),
)
USES = {  # what the card says the system can do, and the command that does it
    "sample": ("ganaug fit {id} DATA -o RUN", "ganaug sample RUN --per-class 100 -o OUT"),
    "model": ("ganaug fit {id} DATA -o RUN",),
    "augment": ("ganaug augment {model} DATA -o OUT",),
    "grid": ("ganaug augment {model} DATA --grid -o OUT",),
}


def words(value: Any) -> str:
    """A card's value as a reader wants it: tuples as a list in a sentence."""
    return ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def docstring(entry: Any) -> str:
    """The docstrings of the entry's module and class, with parameters as a list."""
    tree = ast.parse(entry.path.read_text(encoding="utf-8"))
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == entry.name)
    parts = (ast.get_docstring(tree), *map(ast.get_docstring, classes))
    text = "\n\n".join(inspect.cleandoc(part) for part in parts if part)
    return re.sub(r"^(\w+) : ", r"- `\1`: ", text, flags=re.MULTILINE)


def paper(card: Any) -> str:
    """One line that names the paper, its year and its arXiv page."""
    arxiv = f"[arXiv:{card['arxiv']}](https://arxiv.org/abs/{card['arxiv']})" if card.get("arxiv") else ""
    return ", ".join(str(part) for part in (card.get("paper"), card.get("year"), arxiv) if part)


def facts(card: Any) -> str:
    """The card as a table, without its empty rows."""
    rows = [f"| {heading} | {words(card[key])} |" for key, heading in FACTS if card.get(key)]
    return "\n".join(("| | |", "|---|---|", *rows))


def presets(entry: Any) -> str:
    """The named sets of parameters, one line each."""
    lines = [
        f"- `{name}`: {', '.join(f'`{key}={value!r}`' for key, value in values.items()) or 'the defaults'}"
        for name, values in entry.presets.items()
    ]
    return "\n".join(("## Presets", "", *lines)) if lines else ""


def uses(entry: Any) -> str:
    """The commands that use this id; a DATA is anything that `ganaug.load` takes."""
    able = [commands for ability, commands in USES.items() if ability in entry.card["can"]]
    lines = dict.fromkeys(line for commands in able for line in commands)
    tasks = entry.card.get("task", ("classification",))
    task = "" if "classification" in tasks else f" --task {tasks[0]}"
    lines |= dict.fromkeys((f"ganaug study DATA{task} --arm {{id}} -o OUT",)) if lines or entry.kind == "recipe" else {}
    model = entry.id if entry.kind == "transform" else "RUN"
    body = "\n".join(line.format(id=entry.id, model=model) for line in (*lines, "ganaug show {id}"))
    return f"## Use\n\n```text\n{body}\n```"


def page(entry: Any) -> str:
    """The whole page of one id."""
    card = entry.card
    deviations = "\n".join(f"- {line}" for line in card.get("deviations", ()))
    sections = (
        f"# {card.get('title') or entry.id}",
        f"`{entry.id}`. {paper(card)}",
        facts(card),
        docstring(entry),
        f"## Shows\n\n{card['shows']}" if card.get("shows") else "",
        f"## Deviations from the paper\n\n{deviations}" if deviations else "",
        uses(entry),
        presets(entry),
        f"Source: `{entry.module}`",
    )
    return "\n\n".join(section for section in sections if section) + "\n"


def index(entries: Iterable[Any]) -> str:
    """A table of all ids for each folder."""
    lines = ["# Catalogue"]
    for folder, group in groupby(sorted(entries, key=lambda e: (e.folder, e.id)), key=lambda e: e.folder):
        lines += [
            "",
            f"## {folder.replace('_', ' ')}",
            "",
            "| id | what | kind | year |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| [`{e.id}`]({e.id}.md) | {e.card.get('title', '')} | {e.kind} | {e.card.get('year') or ''} |"
            for e in group
        ]
    return "\n".join(lines) + "\n"


def build(out: Path = OUT) -> list[Path]:
    """Writes all pages and the index into `out`; pages of ids that no longer exist are removed."""
    out.mkdir(parents=True, exist_ok=True)
    entries = list(ganaug.catalogue().values())
    texts = {f"{entry.id}.md": page(entry) for entry in entries} | {"index.md": index(entries)}
    for stale in out.glob("*.md"):
        if stale.name not in texts:
            stale.unlink()
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
    return sorted(out / name for name in texts)


def readme_table() -> str:
    """The systems and transforms as README shows them."""
    rows = []
    for entry in sorted(ganaug.catalogue().values(), key=lambda e: (e.kind, e.folder, e.id)):
        if entry.kind in ("system", "transform", "recipe"):
            arxiv = entry.card.get("arxiv")
            year = entry.card.get("year") or ""
            source = f"[{year}](https://arxiv.org/abs/{arxiv})" if arxiv else str(year)
            rows.append(f"| `{entry.id}` | {entry.card['title']} | {entry.kind} | {source} |")
    return "\n".join(("| id | what | kind | paper |", "|---|---|---|---|", *rows))


def fill_readme(readme: Path = README) -> None:
    """Puts the table between README's markers."""
    before, rest = readme.read_text(encoding="utf-8").split(START)
    _, after = rest.split(END)
    readme.write_text(f"{before}{START}\n{readme_table()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    fill_readme()
    print(f"{len(build())} pages in {OUT}")
