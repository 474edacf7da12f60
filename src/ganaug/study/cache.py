# SPDX-License-Identifier: Apache-2.0
"""Finished cells, by a hash of everything that decides their content: a killed study goes on where it was."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganaug.data.atomic import atomic_file


@dataclass(frozen=True)
class Cache:
    """The cells of one study folder; `base` is what all cells share (data, learner, seed, precision)."""

    folder: Path
    base: str

    def key(self, kind: str, content: Any) -> str:
        """A name for a cell: equal content, equal name."""
        text = json.dumps([self.base, kind, content], sort_keys=True, default=str)
        return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"

    def get(self, key: str) -> Any:
        """The stored content, or None; a damaged file counts as not stored."""
        path = self.folder / "cells" / f"{key}.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def put(self, key: str, content: Any) -> None:
        """Store a cell's content, atomically."""
        path = self.folder / "cells" / f"{key}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as part:
            part.write_text(json.dumps(content), encoding="utf-8")

    def forget_failed(self) -> None:
        """Drop the cells that failed: what was missing then, such as memory, may be there now."""
        for path in (self.folder / "cells").glob("*.json"):
            content = self.get(path.stem)
            if isinstance(content, dict) and content.get("status") == "failed":
                path.unlink()

    def images(self, key: str) -> Path:
        """Where a generator cell keeps its images."""
        return self.folder / "cells" / f"{key}.npz"

    @staticmethod
    def slug(name: str) -> str:
        """A name that is safe as a file name."""
        return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.") or "arm"


def told(learner: Any) -> str:
    """A learner with its parameters; a function among them by its name, not by where it lies in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(learner))
