# SPDX-License-Identifier: Apache-2.0
"""The walls of the house: import contracts that can break, and calls that no system file may make."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "ganaug"
SYSTEM_FILES = sorted((PACKAGE / "systems").rglob("*.py"))

BANNED_CALLS = {"print", "open", "eval", "exec", "manual_seed"}
BANNED_ATTRIBUTES = {"open", "manual_seed", "manual_seed_all"}  # but .eval() is how a network stops learning
BANNED_MODULES = {"pickle", "random"}
NUMPY_WITHOUT_GLOBAL_STATE = {"Generator", "SeedSequence", "default_rng"}


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an attribute chain; an empty string where the chain does not start at a plain name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def banned_call(call: ast.Call) -> bool:
    """A call of a builtin or method that reads files, prints, runs text or seeds the process."""
    if isinstance(call.func, ast.Name):
        return call.func.id in BANNED_CALLS
    if isinstance(call.func, ast.Attribute):
        return call.func.attr in BANNED_ATTRIBUTES or dotted(call.func) == "torch.load"
    return False


def banned_import(node: ast.Import | ast.ImportFrom) -> bool:
    """An import of pickle or random, or of a function that is banned by its full name."""
    names = {alias.name for alias in node.names}
    if isinstance(node, ast.Import):
        return bool(BANNED_MODULES & {name.split(".")[0] for name in names})
    module = node.module or ""
    return (
        module.split(".")[0] in BANNED_MODULES
        or (module == "torch" and bool(names & {"load", "manual_seed"}))
        or (module == "numpy.random" and bool(names - NUMPY_WITHOUT_GLOBAL_STATE))
    )


def global_numpy(node: ast.Attribute) -> bool:
    """`np.random.x` where x draws from, or seeds, numpy's global generator."""
    return dotted(node.value) in {"np.random", "numpy.random"} and node.attr not in NUMPY_WITHOUT_GLOBAL_STATE


def violations(source: str) -> Iterator[str]:
    """`line: code` of everything in the source that the house forbids to a system."""
    checks = ((ast.Call, banned_call), ((ast.Import, ast.ImportFrom), banned_import))
    for node in ast.walk(ast.parse(source)):
        found = any(isinstance(node, kind) and check(node) for kind, check in checks)
        if found or (isinstance(node, ast.Attribute) and global_numpy(node)):
            yield f"{node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", SYSTEM_FILES, ids=lambda path: path.stem)
def test_system_makes_no_banned_call(path):
    assert not list(violations(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "line",
    [
        "torch.load('a.pt')",
        "from torch import load",
        "import pickle",
        "from pickle import loads",
        "import random",
        "eval('1')",
        "exec('1')",
        "print(loss)",
        "torch.manual_seed(0)",
        "torch.cuda.manual_seed_all(0)",
        "np.random.rand(3)",
        "numpy.random.seed(0)",
        "state = np.random.RandomState",
        "from numpy.random import rand",
        "open('a.png')",
        "Image.open('a.png')",
    ],
)
def test_the_search_finds(line):
    assert list(violations(f"def step(self):\n    {line}\n"))


@pytest.mark.parametrize(
    "line",
    [
        "self.net.eval()",
        "self.load(state)",
        "np.random.default_rng(0)",
        "torch.randn(3)",
        "self.numpy_rng().random()",
    ],
)
def test_the_search_lets_pass(line):
    assert not list(violations(line))


def test_no_layer_calls_back_up_to_the_public_names():
    """They are for users and the command line; from below, only the version is worth asking for."""
    for path in sorted(PACKAGE.glob("*/**/*.py")):
        if path.relative_to(PACKAGE).parts[0] == "cli":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = {alias.name for alias in getattr(node, "names", ()) if isinstance(alias, ast.alias)}
            if isinstance(node, ast.ImportFrom) and node.module == "ganaug":
                assert names <= {"__version__", *LAYERS}, f"{path}, line {node.lineno}"
            assert not (isinstance(node, ast.Import) and "ganaug" in names), f"{path}, line {node.lineno}"


def test_only_simulation_draws_scenes():
    """Procedural renderers are a data source for simulators; any other system gets its images from a fold."""
    for path in SYSTEM_FILES:
        if path.parent.name != "simulation":
            assert "ganaug.data.drawn" not in path.read_text(encoding="utf-8"), path


def test_listing_the_catalogue_imports_neither_torch_nor_sklearn():
    code = (
        "import sys, ganaug; assert ganaug.catalogue();"
        "assert not {'torch', 'sklearn'} & set(sys.modules), 'the catalogue must be read, not imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


LAYERS = ("data", "parts", "core", "systems", "tasks", "metrics", "audit", "study", "report", "cli")
MAY_IMPORT = {
    "data": (),
    "parts": ("data",),
    "core": ("data", "parts"),
    "systems": ("core", "parts", "data"),
    "tasks": ("data", "parts", "core", "metrics"),
    "metrics": ("data", "parts"),
    "audit": ("data", "parts"),
    "study": ("core", "data", "parts", "tasks", "metrics", "audit"),
    "report": (),
    "cli": LAYERS,
}
FURTHER = {  # module -> what it imports, and may not
    "ganaug.systems.low_data.copycat": "ganaug.systems.low_data.acgan",
    "ganaug.systems.style.copycat": "ganaug.systems.low_data.acgan",
    "ganaug.systems.style.reader": "pathlib",
    "ganaug.study.by_name": "ganaug.systems.low_data.acgan",
    "ganaug.report.heavy": "torch",
}


def planted_imports() -> dict[str, str]:
    """One module for every ordered pair of layers, and the further violations."""
    pairs = {f"ganaug.{a}.uses_{b}": f"ganaug.{b}" for a in LAYERS for b in LAYERS if a != b}
    return pairs | FURTHER


def allowed(module: str) -> bool:
    """Whether the design's table lets this planted module import what it imports."""
    _, layer, name = module.split(".", 2)
    return module not in FURTHER and name.removeprefix("uses_") in MAY_IMPORT[layer]


def plant(folder: Path) -> None:
    """A skeleton of the package, with the project's own contracts, that holds the planted modules."""
    shutil.copy(ROOT / "pyproject.toml", folder)
    packages = ["ganaug", "ganaug.systems.low_data", "ganaug.systems.style", *(f"ganaug.{x}" for x in LAYERS)]
    files = {f"{name}.__init__": "" for name in packages} | {"ganaug.systems.low_data.acgan": ""}
    files |= {module: f"import {imported}\n" for module, imported in planted_imports().items()}
    for name, text in files.items():
        path = folder.joinpath("src", *name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_the_contracts_forbid_exactly_what_the_table_forbids(tmp_path):
    plant(tmp_path)
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    refused = set(re.findall(r"(ganaug\.\S+) -> \S+ \(l\.1\)", result.stdout))
    assert refused == {module for module in planted_imports() if not allowed(module)}, result.stderr
    assert " KEPT" not in result.stdout, "a contract that nothing planted here breaks is not tested"
