# SPDX-License-Identifier: Apache-2.0
"""What a network must know about the data before it exists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ganaug.data.scaling import Scaling


@dataclass(frozen=True)
class Spec:
    """Shape and meaning of an image set; height and width are None where sizes differ."""

    channels: int
    height: int | None
    width: int | None
    classes: tuple[str, ...] = ()
    mask_classes: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()
    scaling: Scaling = field(default_factory=Scaling)
    rows: int = 0
    identities: int = 0
    fields: frozenset[str] = frozenset()
    views: Mapping[str, Spec] = field(default_factory=dict)
    others: Mapping[str, Spec] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width); ValueError where sizes differ."""
        if self.height is None or self.width is None:
            raise ValueError("this set has images of mixed sizes")
        return self.height, self.width

    def but(self, **changes: Any) -> Spec:
        """A copy with some fields changed."""
        return replace(self, **changes)

    def looking_like(self, other: Spec) -> Spec:
        """The same rows with images as in `other`: its channels, bands and numbers."""
        return self.but(channels=other.channels, bands=other.bands, scaling=other.scaling)

    def to_json(self) -> dict:
        """Plain values only."""
        plain = {k: v for k, v in self.__dict__.items() if k not in ("views", "others", "scaling", "fields")}
        plain["scaling"], plain["fields"] = asdict(self.scaling), sorted(self.fields)
        plain["views"] = {k: v.to_json() for k, v in self.views.items()}
        plain["others"] = {k: v.to_json() for k, v in self.others.items()}
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Spec:
        """The inverse of `to_json`."""
        values = dict(plain)
        for name in ("classes", "mask_classes", "attributes", "bands"):
            values[name] = tuple(values.get(name, ()))
        values["scaling"], values["fields"] = Scaling(**values["scaling"]), frozenset(values["fields"])
        for name in ("views", "others"):
            values[name] = {k: cls.from_json(v) for k, v in values[name].items()}
        return cls(**values)
