# SPDX-License-Identifier: Apache-2.0
"""Pipelines as text: "flip_h, rotate(15), noise(0.04, p=0.5)". Nothing of it is executed."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Sequence
from dataclasses import fields

from ganaug.data.errors import InputError
from ganaug.parts.pipeline import choices, colours, each, moves
from ganaug.parts.pipeline.operation import Operation


def named(module: object) -> dict[str, type[Operation]]:
    """The operations of a module by name."""
    found = (value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Operation))
    return {kind.name: kind for kind in found if kind.name}


OPERATIONS: dict[str, type[Operation]] = {k: v for m in (moves, colours, each, choices) for k, v in named(m).items()}


def operations(given: str | Sequence[str | Operation]) -> tuple[Operation, ...]:
    """The operations that a text, or a list of texts and operations, names.

    Raises InputError for an empty pipeline, an unknown name (naming the nearest), an unknown or repeated argument, and
    a value outside its limits.
    """
    if not isinstance(given, Sequence):
        raise InputError(f"a pipeline must be a text such as 'flip_h, rotate(15)', or a list of them, found {given!r}.")
    parts = [given] if isinstance(given, str) else list(given)
    found = [op for part in parts for op in ([part] if isinstance(part, Operation) else parsed(part))]
    if not found:
        raise InputError("the pipeline is empty: name at least one operation, such as flip_h or rotate(15).")
    return tuple(found)


def parsed(text: str) -> list[Operation]:
    """The operations of one text."""
    try:
        tree = ast.parse(f"[{text}]", mode="eval").body
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        tree = None
    if not isinstance(tree, ast.List):
        raise InputError(
            f"the pipeline '{text}' can't be read: write operations with commas between them, such as "
            "flip_h, rotate(15), noise(0.04, p=0.5)."
        )
    return [operation(node) for node in tree.elts]


def operation(node: ast.expr) -> Operation:
    """One operation: a name, or a name with numbers in brackets."""
    called = node.func if isinstance(node, ast.Call) else node
    if not isinstance(called, ast.Name):
        raise InputError(f"'{ast.unparse(node)}' is no operation: write a name, such as flip_h, or rotate(15).")
    if called.id not in OPERATIONS:
        near = difflib.get_close_matches(called.id, OPERATIONS, n=3, cutoff=0.5) or sorted(OPERATIONS)
        raise InputError(f"there is no operation '{called.id}': did you mean {', '.join(near)}?")
    kind = OPERATIONS[called.id]
    return kind(**(arguments(kind, node) if isinstance(node, ast.Call) else {}))


def arguments(kind: type[Operation], call: ast.Call) -> dict[str, object]:
    """The arguments of a call by name; positions count as in the operation's own list, where `p` comes last."""
    names = sorted((f.name for f in fields(kind)), key=lambda name: name == "p")
    known = ", ".join(names)
    pairs = [*zip(names, call.args, strict=False), *((k.arg, k.value) for k in call.keywords)]
    if len(call.args) > len(names) or any(name not in names for name, _ in pairs):
        raise InputError(f"{kind.name} takes {known}, found '{ast.unparse(call)}'.")
    if len({name for name, _ in pairs}) < len(pairs):
        raise InputError(f"{kind.name}: an argument is given twice in '{ast.unparse(call)}'.")
    try:
        return {str(name): ast.literal_eval(value) for name, value in pairs}
    except (ValueError, TypeError):
        raise InputError(f"{kind.name}: arguments must be plain numbers, found '{ast.unparse(call)}'.") from None
