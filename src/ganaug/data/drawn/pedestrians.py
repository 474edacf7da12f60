# SPDX-License-Identifier: Apache-2.0
"""Drawn pedestrians: clothes, build and a logo make the identity; pose, view, place, light and background vary.

A jointed figure in three dimensions with x to its own left, y down and z ahead, in units of the body height. Nobody
in these images exists.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from ganaug.data.drawn.roster import Drawing, Kind, Look, colour_numbers, drawn_set, shape_numbers
from ganaug.data.drawn.shapes import Canvas, box, capsule, ellipse, polygon
from ganaug.data.drawn.sightings import Sighting, backdrop, between, developed, facing, rgb, turned
from ganaug.data.image_set import ImageSet

PARTS = ("head", "hair", "torso", "arms", "legs", "shoes", "logo")  # mask ids 1..7; colours come in this order
HEAD, HAIR, TORSO, ARMS, LEGS, SHOES, LOGO = range(1, 8)
KEYPOINTS = (
    *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
    *("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
)  # OpenPose's order of COCO-18
POSES = np.array(
    [  # degrees, right then left: leg ahead, knee, arm ahead, elbow, arm off the body
        [2, -2, 2, 2, 0, 0, 8, 8, 8, 8],  # stand
        [26, -22, 6, 16, -28, 26, 12, 28, 6, 6],  # right leg ahead
        [4, 14, 4, 42, -6, 8, 12, 16, 7, 7],  # left leg passes
        [-22, 26, 16, 6, 26, -28, 28, 12, 6, 6],  # left leg ahead
        [14, 4, 42, 4, 8, -6, 16, 12, 7, 7],  # right leg passes
        [2, -4, 2, 2, 42, -4, 105, 8, 14, 9],  # right hand at the chest
        [-4, 2, 2, 2, -4, 150, 8, 25, 9, 20],  # left hand up
        [3, -3, 2, 2, 4, 4, 14, 14, 27, 27],  # arms off the body
    ],
    dtype=float,
)
LOOSE = np.array([5, 5, 4, 4, 6, 6, 6, 6, 3, 3], dtype=float)  # degrees that a pose varies by
BUILD = {  # ranges, in body heights unless said; the first is kept apart between look-alikes
    "logo_y": (0.24, 0.45),
    "logo_x": (-0.06, 0.06),
    "tall": (0.92, 1.04),  # factor on all
    "stout": (0.85, 1.3),  # factor on limbs and depth
    "shoulders": (0.09, 0.125),
    "hips": (0.49, 0.55),
    "hair": (0.0, 0.15),
}
SIDES = np.array([-1.0, 1.0])  # right, left
FACE = np.array(
    [
        [0, 0.095, 0.038],
        [0, 0.17, 0],
        [-0.02, 0.078, 0.036],
        [0.02, 0.078, 0.036],
        [-0.045, 0.085, 0],
        [0.045, 0.085, 0],
    ]
)  # nose, neck, eyes, ears
SKULL_CENTRE = np.array([0, 0.08, 0])
ANKLE, TOES, SHOULDER = 0.955, np.array([0, 0.014, 0.062]), 0.195
UPPER_ARM, FOREARM = 0.155, 0.14
NECK, TOE, SKULL = 1, 18, 20  # points: 18 keypoints, right and left toes, centre of the skull
MIRROR = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16, 19, 18, 20]
BEHIND = (  # from, to, radius, part, whose colour, shade; in painter's order with the far side in the right one's place
    (8, 9, 0.058, LEGS, LEGS, 0.84),
    (9, 10, 0.04, LEGS, LEGS, 0.84),
    (10, TOE, 0.034, SHOES, SHOES, 0.9),
    (11, 12, 0.058, LEGS, LEGS, 1.0),
    (12, 13, 0.04, LEGS, LEGS, 1.0),
    (13, TOE + 1, 0.034, SHOES, SHOES, 1.0),
    (8, 11, 0.062, LEGS, LEGS, 1.0),
    (2, 3, 0.036, ARMS, TORSO, 0.8),
    (3, 4, 0.03, ARMS, ARMS, 0.84),
    (4, 4, 0.028, ARMS, HEAD, 0.9),
)
BEFORE = (
    (5, 6, 0.036, ARMS, TORSO, 0.86),
    (6, 7, 0.03, ARMS, ARMS, 0.92),
    (7, 7, 0.028, ARMS, HEAD, 1.0),
)
TRUNK = np.array(  # outline: shares of the shoulders' and the hips' breadth, share of the way from neck to hips
    [[-0.4, 0, -0.02], [0.4, 0, -0.02], [1, 0, 0.1], [0, 1, 1.06], [0, -1, 1.06], [-1, 0, 0.1]]
)


def pedestrians(
    identities: int = 76,
    images: int = 12,
    *,
    size: tuple[int, int] = (64, 32),
    cameras: int = 4,
    look_alikes: bool = False,
    seed: int = 0,
) -> ImageSet:
    """A re-identification set of drawn pedestrians, `images` of each identity, RGB uint8 of `size` (height, width).

    Columns: identity; camera; fold (60 of 76 identities train, the rest test); query (one image of each test identity
    and camera); mask (0 background, then 1.. in the order of PARTS); keypoints float32 [N, 18, 2], x and y in pixels
    in the order of KEYPOINTS, hidden joints where they are; attributes: part colours 0..1 before light, row of POSES,
    row of VIEWS. With `look_alikes` identities 2k and 2k + 1 share all colours and differ in build and in the place
    of the logo. Row i depends on the arguments and i only. Raises InputError for sizes below 16 and for too few
    identities, images or cameras.
    """
    kind = Kind(looks, render, len(POSES), PARTS, "pedestrians")
    return drawn_set(kind, identities, images, size=size, cameras=cameras, look_alikes=look_alikes, seed=seed)


def looks(identity: Int[ndarray, " b"], *, look_alikes: bool = False, seed: int = 0) -> Look:
    """Clothes and build of some identities of the set with this seed."""
    u = colour_numbers(identity, 16, look_alikes, seed)
    skin = rgb(between(0.04, 0.08, u[:, 0]), between(0.3, 0.6, u[:, 1]), between(0.4, 0.95, u[:, 2]))
    hair = rgb(between(0.03, 0.12, u[:, 3]), between(0.2, 0.75, u[:, 4]), between(0.08, 0.7, u[:, 5] ** 2))
    upper, lower = cloth(u[:, 6:9]), cloth(u[:, 9:12])
    arms = np.where(u[:, 12:13] < 0.5, skin, upper)  # short sleeves or long ones
    shoes = rgb(u[:, 13], 0.4 * u[:, 14], between(0.1, 0.9, u[:, 14]))
    strong, contrast = np.full(len(u), 0.85), np.where(u[:, 8] > 0.6, 0.2, 0.98)
    logo = rgb(u[:, 6] + between(0.35, 0.65, u[:, 15]), strong, contrast)
    colours = np.stack([skin, hair, upper, arms, lower, shoes, logo], 1)
    return Look(colours, shape_numbers(identity, BUILD, look_alikes, seed))


def cloth(u: Float[ndarray, "b 3"]) -> Float[ndarray, "b 3"]:
    """Colours of clothes: any hue, from greyish to strong, from dark to light."""
    return rgb(u[:, 0], between(0.15, 0.9, u[:, 1]), between(0.25, 0.9, u[:, 2]))


def render(who: Look, how: Sighting, size: tuple[int, int]) -> Drawing:
    """Identities as seen in sightings, row by row: A in B's pose and place is A's look with B's sighting."""
    canvas = Canvas(len(how.pose), size)
    backdrop(canvas, how)
    unit = 0.86 * min(size[0], 2 * size[1]) * how.scale * who.shape["tall"]
    body = turned(skeleton(who, how), how)
    points = (body[..., :2] - (0, 0.5)) * unit[:, None, None] + (how.centre * size[::-1] - 0.5)[:, None]
    swapped = body[:, 2, 2] > body[:, 5, 2]  # the right side is the near one
    ordered = np.where(swapped[:, None, None], points[:, MIRROR], points)
    strokes(canvas, BEHIND, ordered, unit, who)
    long_hair(canvas, ordered, unit, who, how, 1.0)
    trunk(canvas, ordered, unit, who, how)
    long_hair(canvas, ordered, unit, who, how, np.clip(0.5 - facing(how)[0], 0, 1))
    head(canvas, ordered, unit, who, how)
    strokes(canvas, BEFORE, ordered, unit, who)
    return Drawing(developed(canvas, how), canvas.mask, points[:, : len(KEYPOINTS)].astype(np.float32))


def skeleton(who: Look, how: Sighting) -> Float[ndarray, "b 21 3"]:
    """Keypoints, toes and skull in body heights, the lower foot on the ground."""
    angles = np.radians(POSES[how.pose] + how.jitter * LOOSE).reshape(-1, 5, 2)
    leg, knee, arm, elbow, off = angles.transpose(1, 0, 2)
    shin = (ANKLE - who.shape["hips"])[:, None] / 2
    hips = pair(0.055 * who.shape["stout"], who.shape["hips"])
    legs = limb(hips, leg, -knee, np.radians(3) + 0 * off, shin, shin)
    shoulders = pair(who.shape["shoulders"], np.full(len(leg), SHOULDER))
    arms = limb(shoulders, arm, elbow, off, UPPER_ARM, FOREARM)
    face, skull = (np.broadcast_to(p, (len(leg), *p.shape)) for p in (FACE, SKULL_CENTRE[None]))
    limbs = arms.reshape(-1, 6, 3), legs.reshape(-1, 6, 3)
    points = np.concatenate([face[:, :2], *limbs, face[:, 2:], legs[:, :, 2] + TOES, skull], 1)
    points[..., 1] += ANKLE - legs[:, :, 2, 1].max(1)[:, None]
    return points


def pair(apart: Float[ndarray, " b"], down: Float[ndarray, " b"]) -> Float[ndarray, "b 2 3"]:
    """A right and a left point at equal height."""
    x = apart[:, None] * SIDES
    return np.stack([x, np.broadcast_to(down[:, None], x.shape), 0 * x], -1)


def limb(
    root: Float[ndarray, "b 2 3"],
    ahead: Float[ndarray, "b 2"],
    bend: Float[ndarray, "b 2"],
    off: Float[ndarray, "b 2"],
    upper: ndarray | float,
    lower: ndarray | float,
) -> Float[ndarray, "b 2 3 3"]:
    """Root, middle joint and end of both limbs of a kind, from angles in radians and lengths."""
    joints = [root]
    for angle, length in ((ahead, upper), (ahead + bend, lower)):
        down = np.cos(off) * np.cos(angle), np.cos(off) * np.sin(angle)
        way = np.stack([SIDES * np.sin(off), *down], -1)
        joints.append(joints[-1] + way * np.broadcast_to(length, angle.shape)[..., None])
    return np.stack(joints, 2)


def strokes(canvas: Canvas, table: tuple, points: ndarray, unit: ndarray, who: Look) -> None:
    """Limbs of a table in its order."""
    for start, end, radius, part, whose, shade in table:
        thick = radius * unit * who.shape["stout"]
        patch = capsule(points[:, start], points[:, end], thick, canvas.size)
        canvas.paint(patch, shade * who.colours[:, whose - 1], part)


def trunk(canvas: Canvas, points: ndarray, unit: ndarray, who: Look, how: Sighting) -> None:
    """The torso as broad as its view makes it, and the logo on it."""
    ahead, aside = facing(how)
    depth = 0.07 * who.shape["stout"]
    breadths = [np.hypot(wide * ahead, depth * aside) for wide in (who.shape["shoulders"] + 0.02, 1.12 * depth)]
    breadth = np.stack(breadths, 1) * unit[:, None]
    x, neck = points[:, NECK].T
    length = (points[:, 8, 1] + points[:, 11, 1]) / 2 - neck
    across = TRUNK[:, 0] * breadth[:, :1] + TRUNK[:, 1] * breadth[:, 1:]
    outline = np.stack([x[:, None] + across, neck[:, None] + TRUNK[:, 2] * length[:, None]], -1)
    canvas.paint(polygon(outline, canvas.size), who.colours[:, TORSO - 1], TORSO)
    # printed behind the arm, so that a hanging arm does not hide it from the side
    logo = np.stack([who.shape["logo_x"] * ahead - 0.72 * depth * aside, who.shape["logo_y"] - FACE[1, 1]], 1)
    half = np.stack([0.024 + 0.018 * np.abs(ahead), np.full(len(x), 0.042)], 1)
    where = points[:, NECK] + logo * unit[:, None]
    canvas.paint(box(where, half * unit[:, None], canvas.size), who.colours[:, LOGO - 1], LOGO)


def long_hair(canvas: Canvas, points: ndarray, unit: ndarray, who: Look, how: Sighting, share: ndarray | float) -> None:
    """A share of the hair that hangs down: all of it behind the trunk, before it what is seen from the back."""
    skull = points[:, SKULL]
    end = skull + np.stack([-0.025 * facing(how)[1], who.shape["hair"] * share], 1) * unit[:, None]
    canvas.paint(capsule(skull, end, 0.052 * unit, canvas.size), who.colours[:, HAIR - 1], HAIR)


def head(canvas: Canvas, points: ndarray, unit: ndarray, who: Look, how: Sighting) -> None:
    """Neck, skull, and the hair on it: above the face, behind it from the side, all over from the back."""
    ahead, aside = facing(how)
    skin, hair = who.colours[:, HEAD - 1], who.colours[:, HAIR - 1]
    skull, scale = points[:, SKULL], unit[:, None]
    canvas.paint(capsule(points[:, NECK], skull, 0.028 * unit, canvas.size), skin, HEAD)
    canvas.paint(ellipse(skull, np.array([0.053, 0.073]) * scale, canvas.size), skin, HEAD)
    crown = skull + np.stack([-0.02 * aside, -0.026 - 0.02 * ahead], 1) * scale
    radii = np.stack([np.full(len(unit), 0.057), 0.058 - 0.017 * ahead], 1) * scale
    canvas.paint(ellipse(crown, radii, canvas.size), hair, HAIR)
