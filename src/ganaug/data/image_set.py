# SPDX-License-Identifier: Apache-2.0
"""ImageSet: an immutable table of images with everything that is known about each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from ganaug.data.batch import UNKNOWN, Batch
from ganaug.data.errors import InputError
from ganaug.data.names import are_labels, numbers_as_names
from ganaug.data.pixels import ArrayPixels, Pixels
from ganaug.data.scaling import Scaling
from ganaug.data.spec import Spec

COLUMNS = (
    *("label", "soft_label", "mask", "valid", "instances", "boxes", "keypoints", "depth", "attributes"),
    *("identity", "camera", "query", "domain", "group", "fold", "index", "parents", "origin"),
)
NOT_A_FIELD = ("index", "fold", "query", "origin", "parents", "group")
FOLDS = ("train", "val", "test")


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageSet:
    """An immutable table of images; every column has one entry a row, all optional but `image` and `index`.

    `views` are co-registered companions with the same rows and their own Spec (paired B, low resolution, earlier
    date); `others` are further sets with their own rows (domain B, styles, an unlabelled pool). Label -1 and
    mask 255 mean unknown. `fold` holds 0 train, 1 val, 2 test where the source states it; `group` what must not
    straddle folds (patient, tile, parent image). `classes` names the labels, `mask_classes` the values of masks.
    `index` is a row's lasting id, `parents` the ids it was made from, `origin` a JSON text on how it was made.
    """

    image: Pixels
    label: np.ndarray | None = None  # int64 [N]
    soft_label: np.ndarray | None = None  # float32 [N, K]
    mask: np.ndarray | None = None  # uint8 [N, H, W]
    valid: np.ndarray | None = None
    instances: np.ndarray | None = None
    boxes: np.ndarray | None = None  # float32 [N, n, 4]: x0, y0, x1, y1 in pixels, the image's edges at 0; NaN: missing
    keypoints: np.ndarray | None = None  # float32 [N, n, 2]: x, y in pixels, the centre of the first pixel at 0
    depth: np.ndarray | None = None
    attributes: np.ndarray | None = None
    identity: np.ndarray | None = None
    camera: np.ndarray | None = None
    query: np.ndarray | None = None  # bool [N]: this test image asks; False: it is searched (retrieval)
    domain: np.ndarray | None = None
    group: np.ndarray | None = None
    fold: np.ndarray | None = None
    index: np.ndarray | None = None
    parents: np.ndarray | None = None
    origin: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    mask_classes: tuple[str, ...] = ()
    attribute_names: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()
    scaling: Scaling | None = None
    name: str = ""
    views: Mapping[str, ImageSet] = field(default_factory=dict)
    others: Mapping[str, ImageSet] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.image, np.ndarray):
            object.__setattr__(self, "image", ArrayPixels(self.image))
        if self.index is None:
            object.__setattr__(self, "index", np.arange(len(self.image), dtype=np.int64))
        if self.scaling is None:
            object.__setattr__(self, "scaling", Scaling.of(some_ends(self.image)))
        for name, column in self.columns():
            if len(column) != len(self):
                raise InputError(f"column '{name}' has {len(column)} entries for {len(self)} images: give one a row.")

    @classmethod
    def of(
        cls,
        images: np.ndarray,
        labels: Sequence[int] | np.ndarray | None = None,
        classes: Sequence[str] | None = None,
        **columns: Any,
    ) -> ImageSet:
        """A set from arrays: images [N, H, W] or [N, H, W, C] of uint8, uint16 or float32, labels [N] of 0..K-1.

        Label -1 means unknown. Names of classes and of mask classes default to the numbers. Raises InputError when
        shapes or dtypes do not fit, for NaN and infinite pixels, and for labels or masks that are no such numbers.
        """
        images = finite(np.asarray(images), "images")
        if images.dtype not in (np.uint8, np.uint16, np.float32):
            raise InputError(f"images must be uint8, uint16 or float, found {images.dtype}: convert them first.")
        if labels is not None:
            columns["label"] = whole(np.asarray(labels))
            top = int(columns["label"].max(initial=-1))
            known = classes if classes is not None else numbers_as_names(top, len(images), "labels")
            classes = tuple(map(str, known))
            if top >= len(classes):
                raise InputError(f"label {top} has no name: {len(classes)} classes were given.")
        if columns.get("mask") is not None:
            columns |= masks_of(np.asarray(columns["mask"]), images.shape[1:3], columns.get("mask_classes", ()))
        return cls(image=ArrayPixels(images), classes=tuple(classes or ()), **columns)

    # --- what it holds -------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.image)

    def __repr__(self) -> str:
        height, width, channels = self.image.shape
        size = "mixed sizes" if height is None else f"{height}x{width}"
        what = f"{len(self)} images, {size}x{channels}, {len(self.classes)} classes"
        return f"{type(self).__name__}({self.name or 'unnamed'}: {what})"

    def columns(self) -> list[tuple[str, np.ndarray]]:
        """Name and array of every filled column."""
        return [(name, getattr(self, name)) for name in COLUMNS if getattr(self, name) is not None]

    @property
    def spec(self) -> Spec:
        """What a network must know before it exists."""
        height, width, channels = self.image.shape
        return Spec(
            channels=channels,
            height=height,
            width=width,
            classes=self.classes,
            mask_classes=self.mask_classes,
            attributes=self.attribute_names,
            bands=self.bands,
            scaling=self.scaling or Scaling(),
            rows=len(self),
            identities=0 if self.identity is None else len(np.unique(self.identity[self.identity >= 0])),
            fields=frozenset(name for name, _ in self.columns() if name not in NOT_A_FIELD),
            views={name: view.spec for name, view in self.views.items()},
            others={name: other.spec for name, other in self.others.items()},
        )

    @property
    def groups(self) -> np.ndarray:
        """What must stay in one fold, int64 [N]: the group column, or every row by itself."""
        return self.group if self.group is not None else np.arange(len(self))

    def counts(self) -> dict[str, int]:
        """Images a class, unknown labels left out; {} without labels."""
        if self.label is None:
            return {}
        found = np.bincount(self.label[self.label >= 0], minlength=len(self.classes))
        return {name: int(n) for name, n in zip(self.classes, found, strict=False)}

    def fingerprint(self) -> str:
        """A hash of pixels, labels and class names: equal for equal content, wherever it lies.

        `origin` tells how an image came about, not what it is, and is left out.
        """
        digest = hashlib.sha256(self.image.fingerprint().encode())
        for name, column in self.columns():
            if name != "origin":
                digest.update(name.encode() + np.ascontiguousarray(column).tobytes())
        digest.update("|".join(self.classes + self.mask_classes).encode(errors="surrogatepass"))
        for name, other in (*self.views.items(), *self.others.items()):
            digest.update(f"{name}{other.fingerprint()}".encode())
        return digest.hexdigest()[:16]

    # --- parts of it ---------------------------------------------------------------------------------------------

    def but(self, **changes: Any) -> ImageSet:
        """A copy with some columns changed."""
        return replace(self, **changes)

    def rows(self, rows: Any) -> np.ndarray:
        """Row positions as int64 [n] from integers, a slice, a boolean mask or a tensor; IndexError outside."""
        if isinstance(rows, slice):
            return np.arange(len(self))[rows]
        chosen = np.asarray(rows)
        chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
        if chosen.size and (chosen.min() < 0 or chosen.max() >= len(self)):
            raise IndexError(f"rows must lie in 0..{len(self) - 1}, found {chosen.min()}..{chosen.max()}")
        return chosen

    def select(self, rows: Any) -> ImageSet:
        """Some rows as a set of their own; lasting ids stay, `others` too."""
        chosen = self.rows(rows)
        new: dict[str, Any] = {name: column[chosen] for name, column in self.columns()}
        new["views"] = {name: view.select(chosen) for name, view in self.views.items()}
        return self.but(image=self.image.select(chosen), **new)

    def in_fold(self, *names: str) -> np.ndarray:
        """Rows [n] that the source put into the named folds ("train", "val", "test")."""
        if self.fold is None:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(np.isin(self.fold, [FOLDS.index(name) for name in names]))

    def images(self, rows: Any = slice(None)) -> torch.Tensor:
        """The images of some rows, float32 [n, C, H, W] in [-1, 1]."""
        assert self.scaling is not None
        pixels = self.scaling.to_float(np.asarray(self.image[self.rows(rows)]))
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))

    def batch(self, rows: Any = slice(None)) -> Batch:
        """Rows as tensors with all their columns; the image as in `images`."""
        chosen = self.rows(rows)
        tensors: dict[str, Any] = {"image": self.images(chosen)}
        for name, column in self.columns():
            if name not in ("fold", "query", "origin"):
                tensors[name] = as_tensor(column[chosen])
        tensors["row"] = torch.from_numpy(chosen)
        return Batch(**tensors, views={name: view.batch(chosen) for name, view in self.views.items()})

    @staticmethod
    def cat(sets: Sequence[ImageSet]) -> ImageSet:
        """Sets of one image size, one after the other, in memory; only columns that all have are kept.

        Raises InputError for sets of different dtypes or scalings: one number would mean two brightnesses.
        """
        first = sets[0]
        kinds = [f"{s.image.dtype}, {s.scaling}" for s in sets]
        if len(set(kinds)) > 1:
            other = next(kind for kind in kinds if kind != kinds[0])
            raise InputError(
                f"sets to be joined must have one dtype and scaling, found {kinds[0]} and {other}: "
                "give all the same, by data.but(scaling=...)."
            )
        names = [n for n, _ in first.columns() if all(getattr(s, n) is not None for s in sets)]
        columns: dict[str, Any] = {n: np.concatenate([getattr(s, n) for s in sets]) for n in names}
        pixels = np.concatenate([s.image[np.arange(len(s))] for s in sets])
        cleared = {n: None for n, _ in first.columns() if n not in names}
        return first.but(image=ArrayPixels(pixels), views={}, **columns, **cleared)

    @classmethod
    def from_batches(cls, batches: Iterable[Batch], spec: Spec, **columns: Any) -> ImageSet:
        """Generated batches as a set with the dtype, scaling and names of `spec`, with the views that it knows.

        Each is turned into what the set stores before the next is made. Raises InputError where there is none.
        """
        parts = [stored(batch, spec) for batch in batches]
        if not parts:
            raise InputError("no images were asked for: give a number above 0.")
        return replace(of_parts(parts, spec), **columns)


def stored(batch: Batch, spec: Spec) -> dict[str, Any]:
    """What a set keeps of a batch: pixels in the dtype of `spec`, columns, and the same of the views it knows."""
    assert batch.image is not None
    pixels = spec.scaling.to_pixels(batch.image.detach().cpu().float().numpy().transpose(0, 2, 3, 1))
    kept: dict[str, Any] = {"image": pixels}
    for name, tensor in batch.tensors():
        if name in COLUMNS:
            column = tensor.detach().cpu().numpy()
            kept[name] = column.astype(np.uint8) if name == "mask" else column
    return kept | {"views": {k: stored(view, spec.views[k]) for k, view in batch.views.items() if k in spec.views}}


def of_parts(parts: Sequence[Mapping[str, Any]], spec: Spec) -> ImageSet:
    """What is kept of some batches as one set; only columns and views that all have."""
    names, known = (set.intersection(*map(set, each)) for each in (parts, [part["views"] for part in parts]))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in names - {"views"}}
    views = {name: of_parts([part["views"][name] for part in parts], spec.views[name]) for name in known}
    told = {"classes": spec.classes, "attribute_names": spec.attributes, "bands": spec.bands}
    return ImageSet(scaling=spec.scaling, views=views, mask_classes=spec.mask_classes, **told, **columns)


def masks_of(masks: np.ndarray, size: tuple[int, ...], names: Sequence[str]) -> dict[str, Any]:
    """Masks and the names of their values, which default to the numbers.

    InputError for another size than the images', other numbers than 0 to 255, and a value without a name.
    """
    masks = masks.astype(np.uint8) if masks.dtype == bool else masks
    refuse_masks(masks, size)
    top = int(masks[masks != UNKNOWN].max(initial=0))
    if names and top >= len(names):
        raise InputError(f"mask value {top} has no name: {len(names)} mask classes were given.")
    return {"mask": masks, "mask_classes": tuple(names) or tuple(map(str, range(top + 1)))}


def refuse_masks(masks: np.ndarray, size: tuple[int, ...]) -> None:
    """InputError for masks of another size than the images', or with other numbers than 0 to 255."""
    if masks.ndim != 3 or masks.shape[1:] != size:
        raise InputError(f"masks must be [N, {size[0]}, {size[1]}] as the images are, found {list(masks.shape)}.")
    if masks.size and not (masks.dtype.kind in "iu" and 0 <= masks.min() <= masks.max() <= UNKNOWN):
        raise InputError(
            f"masks must hold whole numbers from 0 to {UNKNOWN} (which means unknown), found {masks.dtype} from "
            f"{masks.min()} to {masks.max()}: number the classes."
        )


def whole(labels: np.ndarray) -> np.ndarray:
    """Labels as int64; InputError where they are no whole numbers from -1."""
    if not are_labels(labels):
        found = str(labels.ravel()[:3].tolist())[:60]
        raise InputError(f"labels must be whole numbers from 0 (-1: unknown), found {found}: number the classes.")
    return labels.astype(np.int64)


def finite(images: np.ndarray, what: str) -> np.ndarray:
    """Images with floats as float32; InputError where one of these is NaN or infinite."""
    if images.dtype.kind != "f":
        return images
    with np.errstate(over="ignore"):
        images = images.astype(np.float32, copy=False)
    if not all(np.isfinite(image).all() for image in images):
        raise InputError(f"{what} hold values that are NaN, infinite or beyond float32: replace them before loading.")
    return images


def some_ends(pixels: Pixels, most: int = 500) -> np.ndarray:
    """The least and the largest value of each of at most `most` images, evenly spaced, one read at a time."""
    if len(pixels) == 0 or pixels.dtype == np.uint8:
        return np.zeros(0, pixels.dtype)
    rows = np.unique(np.linspace(0, len(pixels) - 1, min(most, len(pixels))).astype(int))
    images = (pixels.at(int(r)) for r in rows)
    return np.array([(image.min(), image.max()) for image in images if image.size], pixels.dtype)


def as_tensor(column: np.ndarray) -> torch.Tensor:
    """A column as a tensor: integers as int64, the rest as it is."""
    if column.dtype.kind in "iu":
        return torch.from_numpy(column.astype(np.int64))
    return torch.from_numpy(np.ascontiguousarray(column))
