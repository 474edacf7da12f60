# SPDX-License-Identifier: Apache-2.0
"""Images as what is optimised: a whole batch at once, each image by itself, inside bounds of its pixels.

`lbfgs` suits a loss that is the same in every call, `adam` one with random directions. Both take a function of images
[N, C, H, W] that gives one loss an image [N], call it `evaluations` times, and work under `torch.no_grad()` too.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.optim import Adam

from ganaug.parts.schedules import falling
from ganaug.parts.textures.losses import resampled

Images = Float[Tensor, "n c h w"]
Bounds = Float[Tensor, "..."]  # broadcasts with the images
Loss = Callable[[Images], Float[Tensor, " n"]]
Rows = Float[Tensor, "n d"]
PerImage = Float[Tensor, " n"]

HISTORY = 20  # pairs that L-BFGS remembers (the authors' code: 20)
FIRST = 0.05  # root mean square change of a pixel in the first step
RATE = 0.08  # of Adam: about so much a pixel changes in a step, of a deviation of 1
DECREASE = 1e-4  # share of the promised decrease that a step must bring (Armijo)


def lbfgs(loss: Loss, start: Images, low: Bounds, high: Bounds, evaluations: int) -> Images:
    """L-BFGS in a box, N problems side by side: each has its own step lengths and its own history.

    In each evaluation every image either takes its step, or, where that does not bring enough, will try a shorter one
    next; so no image waits for another, and none depends on another. Pairs without positive curvature are left out.
    """
    shape, low, high = start.shape, *(bound.expand_as(start).flatten(1) for bound in (low, high))
    x = start.detach().flatten(1).clamp(low, high)
    value, slope = measured(loss, x, shape)
    memory: list[tuple[Rows, Rows, PerImage]] = []
    scale = FIRST * slope.shape[1] ** 0.5 / slope.norm(dim=1).clamp_min(1e-12)
    length = torch.ones_like(value)
    for _ in range(evaluations - 1):
        way = direction(slope, memory, scale, free(x, slope, low, high))
        trial = (x + length[:, None] * way).clamp(low, high)
        step = trial - x
        new_value, new_slope = measured(loss, trial, shape)
        promised = (slope * step).sum(1)
        taken = new_value <= value + DECREASE * promised  # not where it is NaN
        moved = torch.where(taken[:, None], step, 0.0)
        bent = torch.where(taken[:, None], new_slope - slope, 0.0)
        curvature, bend = (moved * bent).sum(1), bent.square().sum(1)
        sound = curvature > 1e-8 * bend
        memory = [*memory, (moved, bent, torch.where(sound, 1 / curvature, 0.0))][-HISTORY:]
        scale = torch.where(sound, curvature / bend, scale)
        length = torch.where(taken, 1.0, length * shorter(value, new_value, promised))
        x = torch.where(taken[:, None], trial, x)
        value, slope = torch.where(taken, new_value, value), torch.where(taken[:, None], new_slope, slope)
    return x.view(shape)


def measured(loss: Loss, x: Rows, shape: torch.Size) -> tuple[PerImage, Rows]:
    """Loss and gradient of each image; nothing but the images gets a gradient."""
    with torch.enable_grad():
        images = x.detach().view(shape).requires_grad_(True)
        values = loss(images)
        (slope,) = torch.autograd.grad(values.sum(), images)
    return values.detach(), slope.flatten(1)


def free(x: Rows, slope: Rows, low: Rows, high: Rows) -> Bool[Tensor, "n d"]:
    """The pixels that are not held at a bound by their gradient."""
    return ~((x <= low) & (slope > 0) | (x >= high) & (slope < 0))


def direction(slope: Rows, memory: list, scale: PerImage, moving: Bool[Tensor, "n d"]) -> Rows:
    """The two-loop recursion (Nocedal and Wright, algorithm 7.4) on the pixels that may move, for each row."""
    q, shares = slope * moving, []
    for moved, bent, inverse in reversed(memory):
        share = inverse * (moved * q).sum(1)
        shares.append(share)
        q = q - share[:, None] * bent
    q = q * scale[:, None]
    for (moved, bent, inverse), share in zip(memory, reversed(shares), strict=True):
        q = q + (share - inverse * (bent * q).sum(1))[:, None] * moved
    way = -q * moving
    downhill = (way * slope).sum(1) < 0
    return torch.where(downhill[:, None], way, -scale[:, None] * slope * moving)


def shorter(value: PerImage, new: PerImage, promised: PerImage) -> PerImage:
    """By what a step shrinks: to the minimum of the parabola through both losses, between a tenth and a half."""
    share = -promised / (2 * (new - value - promised))
    return share.nan_to_num(0.1, 0.1, 0.1).clamp(0.1, 0.5)


def adam(loss: Loss, start: Images, low: Bounds, high: Bounds, evaluations: int) -> Images:
    """Adam on the pixels, which are put back into their bounds after each step; the rate falls in the second half."""
    x = start.detach().clamp(low, high)
    optimiser = Adam([x])
    for t in range(evaluations):
        falling(t / evaluations, RATE, optimiser)
        x.grad = measured(loss, x.flatten(1), x.shape)[1].view(x.shape)
        optimiser.step()
        x.clamp_(low, high)
    return x


def histogram_matched(images: Images, wanted: Float[Tensor, "n c h2 w2"]) -> Images:
    """Each channel of each image with exactly the values of the wanted one's, in the order of its own."""
    flat = images.flatten(2)
    values = resampled(wanted.flatten(2).sort(2).values, flat.shape[2])
    return torch.empty_like(flat).scatter_(2, flat.argsort(dim=2, stable=True), values).view(images.shape)
