# SPDX-License-Identifier: Apache-2.0
"""What a system's source file says about it, read without importing it."""

from __future__ import annotations

import ast
import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ganaug.core.catalogue import Entry


def parameters(entry: Entry) -> dict[str, str]:
    """Keyword parameters of the entry's class and their defaults, as they stand in the source."""
    for node in class_body(entry):
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            return {
                argument.arg: "required" if default is None else ast.unparse(default)
                for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            }
    return {}


def docstring(entry: Entry) -> str:
    """The docstring of the entry's module."""
    return inspect.cleandoc(ast.get_docstring(module(entry)) or "")


def class_body(entry: Entry) -> list[ast.stmt]:
    """The statements of the entry's class; none for an entry that is a module."""
    classes = (node for node in module(entry).body if isinstance(node, ast.ClassDef))
    return next((node.body for node in classes if node.name == entry.name), [])


def module(entry: Entry) -> ast.Module:
    """The parsed source file."""
    return ast.parse(entry.path.read_text(encoding="utf-8"))
