# SPDX-License-Identifier: Apache-2.0
"""How the parts of an arm are written: ids joined by `+`, each with parameters in brackets where it needs them.

rules+low_data_gan(width=32)          pipeline(ops='flip_h, rotate(15)')          torchvision(pipeline='@file.json')
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganaug.data.errors import InputError


def parts_of(arm: str) -> list[str]:
    """The parts of an arm; a `+` inside brackets or quotes joins nothing."""
    parts, depth, quote = [""], 0, ""
    for letter in arm:
        if quote or letter in "'\"":
            quote = letter if not quote else "" if letter == quote else quote
        depth += 0 if quote else (letter in "([{") - (letter in ")]}")
        if letter == "+" and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def id_of(part: str) -> str:
    """The id of a part; `folder:PATH` is a whole."""
    return part if part.startswith("folder:") else part.partition("(")[0].strip()


def parameters_of(part: str) -> dict[str, Any]:
    """The parameters of a part, plain values only; the text '@FILE' is the JSON in a file.

    Raises InputError for a part that can't be read.
    """
    if part == id_of(part):
        return {}
    try:
        call = ast.parse(part, mode="eval").body
        if not isinstance(call, ast.Call) or call.args or any(k.arg is None for k in call.keywords):
            raise ValueError
        found = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (SyntaxError, ValueError, TypeError):
        raise InputError(
            f"arm part '{part}' can't be read: write an id with name=value in brackets, such as cutout(length=8), and "
            "texts in quotes."
        ) from None
    return {name: stored(value) for name, value in found.items()}


def stored(value: Any) -> Any:
    """The JSON of the file that '@FILE' names, or the value itself."""
    if not (isinstance(value, str) and value.startswith("@")):
        return value
    file = Path(value[1:])
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}, which the arm names after an @, can't be read as JSON ({error}).") from None


def written(id: str, parameters: Mapping[str, Any]) -> str:
    """An id with parameters as a part of an arm; InputError for values that are no plain data."""
    if not parameters:
        return id
    text = f"{id}({', '.join(f'{name}={value!r}' for name, value in parameters.items())})"
    try:
        json.dumps(dict(parameters))
        parameters_of(text)
    except (TypeError, InputError):
        raise InputError(
            f"{id}: its parameters are no plain data, found {text}: give numbers, texts, lists and dicts."
        ) from None
    return text
