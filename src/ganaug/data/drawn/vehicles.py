# SPDX-License-Identifier: Apache-2.0
"""Drawn vehicles: paint, rims, body shape and a sticker make the identity; pose, view, place and light vary.

A body and a cabin of flat faces in three dimensions with x to the car's own left, y down from the ground line and z
ahead, in units of about the car length, seen from a little above. Of two opposite faces only the near one is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from ganaug.data.drawn.roster import Drawing, Kind, Look, colour_numbers, drawn_set, shape_numbers
from ganaug.data.drawn.shapes import Canvas, Patch, ellipse, polygon
from ganaug.data.drawn.sightings import Sighting, backdrop, between, developed, facing, rgb, turned
from ganaug.data.image_set import ImageSet

PARTS = ("body", "roof", "windows", "tyres", "rims", "lights", "sticker")  # mask ids 1..7; colours in this order
BODY, ROOF, WINDOWS, TYRES, RIMS, LIGHTS, STICKER = range(1, 8)
KEYPOINTS = tuple(
    f"{end}_{side}_{what}"
    for what in ("wheel", "light", "bonnet", "roof")
    for end in ("front", "rear")
    for side in ("right", "left")
)
POSES = np.radians([-27.0, -9.0, 9.0, 27.0])  # how far the car is turned off its view
ELEVATION = np.radians(14.0)
FORM = {  # ranges in car lengths; the first is kept apart between look-alikes
    "sticker": (-0.27, 0.27),  # along the side; across the ends it follows
    "long": (0.44, 0.5),  # half sides
    "wide": (0.19, 0.22),
    "deck": (0.21, 0.27),  # heights above the ground
    "roof": (0.36, 0.46),
    "cabin_rear": (-0.37, -0.2),  # places along the car, at deck height
    "cabin_front": (0.12, 0.26),
    "slant": (0.03, 0.12),
}
FLOOR, WHEEL, AXLE = -0.07, 0.085, 0.3  # clearance, radius of the wheels, place of the axles from the middle
CHAMFER, LAMP, ROOF_SHARE, PANE = 0.06, 0.095, 0.82, 0.78
STICKER_CORNERS = ((0.02, -0.055), (0.02, 0.055), (0.105, 0.055), (0.105, -0.055))  # below the deck, along
TOP, SIDE, END = 1.06, 0.96, 0.88  # how bright a face is
FRONT_LIGHT, REAR_LIGHT, GLASS, RUBBER = (0.98, 0.95, 0.75), (0.75, 0.06, 0.08), (0.16, 0.2, 0.26), (0.07, 0.07, 0.08)
SIDES = (-1.0, 1.0)  # right, left

Form = Mapping[str, ndarray]
Point = tuple[ndarray | float, ndarray | float, ndarray | float]  # x, y, z of a batch
Span = tuple[ndarray, ndarray]
Face = tuple[int, float, list[Point]]  # part, brightness, corners


def vehicles(
    identities: int = 76,
    images: int = 12,
    *,
    size: tuple[int, int] = (64, 64),
    cameras: int = 4,
    look_alikes: bool = False,
    seed: int = 0,
) -> ImageSet:
    """A re-identification set of drawn vehicles, `images` of each identity, RGB uint8 of `size` (height, width).

    Columns as in `pedestrians`: identity; camera; fold; query; mask (0 background, then 1.. in the order of PARTS);
    keypoints float32 [N, 16, 2], x and y in pixels in the order of KEYPOINTS, hidden points where they are;
    attributes: part colours 0..1 before light (the lights' are the front ones), row of POSES, row of VIEWS. With
    `look_alikes` identities 2k and 2k + 1 share all colours and differ in body shape and in the place of the sticker.
    Row i depends on the arguments and i only. Raises InputError for sizes below 16 and for too few identities, images
    or cameras.
    """
    kind = Kind(looks, render, len(POSES), PARTS, "vehicles")
    return drawn_set(kind, identities, images, size=size, cameras=cameras, look_alikes=look_alikes, seed=seed)


def looks(identity: Int[ndarray, " b"], *, look_alikes: bool = False, seed: int = 0) -> Look:
    """Paint and form of some identities of the set with this seed."""
    u = colour_numbers(identity, 10, look_alikes, seed)
    body = rgb(u[:, 0], between(0.1, 0.95, u[:, 1]), between(0.25, 0.92, u[:, 2]))
    other = rgb(u[:, 3], between(0.1, 0.8, u[:, 4]), between(0.15, 0.92, u[:, 5]))
    roof = np.where(u[:, 6:7] < 0.5, other, body)  # two colours or one
    rims = rgb(u[:, 7], between(0.0, 0.8, u[:, 8] ** 2), between(0.5, 0.95, u[:, 8]))
    strong, contrast = np.full(len(u), 0.85), np.where(u[:, 2] > 0.6, 0.2, 0.98)
    sticker = rgb(u[:, 0] + between(0.35, 0.65, u[:, 9]), strong, contrast)
    glass, rubber, lamp = (np.broadcast_to(c, body.shape) for c in (GLASS, RUBBER, FRONT_LIGHT))
    colours = np.stack([body, roof, glass, rubber, rims, lamp, sticker], 1)
    return Look(colours, shape_numbers(identity, FORM, look_alikes, seed))


def render(who: Look, how: Sighting, size: tuple[int, int]) -> Drawing:
    """Identities as seen in sightings, row by row: A in B's pose and place is A's look with B's sighting."""
    canvas, view = Canvas(len(how.pose), size), Camera(who.shape, how, size)
    backdrop(canvas, how)
    canvas.paint(view.face(*footprint(who.shape)), np.full((len(how.pose), 3), 0.12), part=0)
    wheels(canvas, view, who, -view.side)
    for part, shade, corners in (*body(who.shape, view), *cabin(who.shape, view)):
        canvas.paint(view.face(*corners), np.minimum(shade * who.colours[:, part - 1], 1), part)
    lamps(canvas, view, who.shape)
    wheels(canvas, view, who, view.side)
    rims(canvas, view, who)
    return Drawing(developed(canvas, how), canvas.mask, view(*landmarks(who.shape)).astype(np.float32))


class Camera:
    """From car lengths to pixels, and which of two opposite faces is near.

    `side` is +1 where the left side shows and -1 where the right one does, `end` +1 for the front and -1 for the rear.
    """

    def __init__(self, form: Form, how: Sighting, size: tuple[int, int]):
        self.how, self.size, self.turn = how, size, POSES[how.pose]
        self.ahead, self.aside = facing(how, self.turn)
        self.side, self.end = np.where(self.aside < 0, 1.0, -1.0), np.where(self.ahead > 0, 1.0, -1.0)
        breadth = 2 * (form["long"] * np.abs(self.aside) + form["wide"] * np.abs(self.ahead))
        self.unit = 0.82 * min(size) * how.scale / np.sqrt(breadth)  # half way to a box around the car
        self.middle = form["roof"] / 2

    def __call__(self, *points: Point) -> Float[ndarray, "b n 2"]:
        """Points (x, y, z) of numbers or [b] as pixels."""
        count = len(self.unit)
        place = np.stack([np.stack([np.broadcast_to(c, count) for c in point], -1) for point in points], 1)
        seen = turned(place, self.how, self.turn, elevation=ELEVATION)[..., :2]
        seen[..., 1] += self.middle[:, None]
        return seen * self.unit[:, None, None] + (self.how.centre * self.size[::-1] - 0.5)[:, None]

    def face(self, *corners: Point) -> Patch:
        """A flat convex face."""
        return polygon(self(*corners), self.size)


def footprint(form: Form) -> list[Point]:
    """The shadow on the ground."""
    wide, long = form["wide"] + 0.01, form["long"]
    return [(-wide, 0, -long), (wide, 0, -long), (wide, 0, long), (-wide, 0, long)]


def body(form: Form, view: Camera) -> list[Face]:
    """Near side, deck, slope and near end, and the sticker on side and end."""
    wide, long, deck, end = form["wide"], form["long"], -form["deck"], view.end * form["long"]
    brow, inner, x = deck + CHAMFER, long - CHAMFER, view.side * wide
    side = [(x, FLOOR, -long), (x, FLOOR, long), (x, brow, long), (x, deck, inner), (x, deck, -inner), (x, brow, -long)]
    edge = view.end * inner
    return [
        (BODY, SIDE, side),
        (BODY, TOP, [(-wide, deck, -inner), (wide, deck, -inner), (wide, deck, inner), (-wide, deck, inner)]),
        (BODY, TOP, [(-wide, brow, end), (wide, brow, end), (wide, deck, edge), (-wide, deck, edge)]),
        (BODY, END, [(-wide, FLOOR, end), (wide, FLOOR, end), (wide, brow, end), (-wide, brow, end)]),
        (STICKER, 1.0, [(x, deck + y, form["sticker"] + z) for y, z in STICKER_CORNERS]),
        (STICKER, 1.0, [(wide * 2.2 * form["sticker"] + z, FLOOR - 0.12 + y, end) for y, z in STICKER_CORNERS]),
    ]


def cabin(form: Form, view: Camera) -> list[Face]:
    """Near side and end with their windows, and the roof."""
    (rear, rear_top), (front, front_top) = cabin_ends(form)
    base, top, wide, narrow = -form["deck"], -form["roof"], form["wide"], ROOF_SHARE * form["wide"]
    x, x_top = view.side * wide, view.side * narrow
    z, z_top = np.where(view.end > 0, (front, front_top), (rear, rear_top))
    side = [(x, base, rear), (x, base, front), (x_top, top, front_top), (x_top, top, rear_top)]
    end = [(-wide, base, z), (wide, base, z), (narrow, top, z_top), (-narrow, top, z_top)]
    roof = [(-narrow, top, rear_top), (narrow, top, rear_top), (narrow, top, front_top), (-narrow, top, front_top)]
    walls = [(BODY, SIDE, side), (WINDOWS, 1.0, inset(side)), (BODY, END, end), (WINDOWS, 1.0, inset(end))]
    return [*walls, (ROOF, TOP, roof)]


def cabin_ends(form: Form) -> tuple[Span, Span]:
    """Places along the car of the cabin's rear and front, each at deck and at roof height."""
    rear, front, slant = form["cabin_rear"], form["cabin_front"], form["slant"]
    return (rear, rear + slant), (front, front - 1.6 * slant)


def inset(corners: list[Point]) -> list[Point]:
    """The same face, smaller: a window within its frame."""
    middle = [sum(axis) / len(corners) for axis in zip(*corners, strict=True)]
    return [tuple(m + PANE * (c - m) for c, m in zip(corner, middle, strict=True)) for corner in corners]


def lamps(canvas: Canvas, view: Camera, form: Form) -> None:
    """White ones at the front, red ones at the rear, on the near end."""
    colour = np.where(view.end[:, None] > 0, FRONT_LIGHT, REAR_LIGHT)
    radii = np.stack([0.045 * np.abs(view.ahead), np.full(len(colour), 0.03)], 1) * view.unit[:, None]
    for side in SIDES:
        place = view((side * 0.74 * form["wide"], LAMP - form["deck"], view.end * form["long"]))[:, 0]
        canvas.paint(ellipse(place, radii, canvas.size), colour, LIGHTS)


def wheels(canvas: Canvas, view: Camera, who: Look, side: ndarray) -> None:
    """Both tyres of a side, seen from the front as broad as they are."""
    breadth = np.hypot(WHEEL * view.aside, 0.03 * view.ahead)
    discs(canvas, view, who, side, np.stack([breadth, np.full(len(side), WHEEL)], 1), TYRES)


def rims(canvas: Canvas, view: Camera, who: Look) -> None:
    """Both rims of the near side."""
    radii = 0.6 * WHEEL * np.stack([np.abs(view.aside), np.ones(len(view.side))], 1)
    discs(canvas, view, who, view.side, radii, RIMS)


def discs(canvas: Canvas, view: Camera, who: Look, side: ndarray, radii: ndarray, part: int) -> None:
    """Ellipses at the wheels of a side, the far end first."""
    for end in (-view.end, view.end):
        place = view((side * (who.shape["wide"] - 0.02), -WHEEL, end * AXLE))[:, 0]
        canvas.paint(ellipse(place, radii * view.unit[:, None], canvas.size), who.colours[:, part - 1], part)


def landmarks(form: Form) -> list[Point]:
    """KEYPOINTS in car lengths."""
    wide, long, deck = form["wide"], form["long"], form["deck"]
    rear, front = (place[1] for place in cabin_ends(form))
    rows = (  # height, half breadth, front, rear
        (WHEEL, wide - 0.02, AXLE, -AXLE),
        (deck - LAMP, 0.74 * wide, long, -long),
        (deck, wide, long - CHAMFER, CHAMFER - long),
        (form["roof"], ROOF_SHARE * wide, front, rear),
    )
    return [(side * x, -y, z) for y, x, *ends in rows for z in ends for side in SIDES]
