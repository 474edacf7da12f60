# SPDX-License-Identifier: Apache-2.0
"""Adaptive discriminator augmentation: a differentiable pipe that acts with probability p, and what steers p.

Karras, Aittala, Hellsten, Laine, Lehtinen, Aila, "Training Generative Adversarial Networks with Limited Data",
NeurIPS 2020, arXiv 2006.06676, section 3 and appendix B. Below p of about 0.8 the generator can still tell what the
clean images are; above, it learns the augmented ones, so p is clamped.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

Images = Float[Tensor, "b c h w"]
Matrix = Float[Tensor, "b n n"]


class ADA(nn.Module):
    """Calling it augments images with probability `p`; `update` moves p by how sure the critic is of real images.

    Every `every` calls of `update`, p moves by batch * every / images towards or away from 0, by the sign of
    r_t - target, where r_t in [-1, 1] is the mean sign of the critic's logits of augmented real images since the last
    move. p stays in [0, p_max]. Needs logits whose zero means undecided: a Wasserstein critic's has no such zero.
    """

    p: Tensor
    signs: Tensor
    seen: Tensor
    calls: Tensor

    def __init__(self, *, target: float = 0.6, every: int = 4, images: float = 500_000, p_max: float = 0.8):
        super().__init__()
        self.target, self.every, self.images, self.p_max = target, every, images, p_max
        for name in ("p", "signs", "seen", "calls"):
            self.register_buffer(name, torch.zeros(()))

    def forward(self, images: Images) -> Images:
        return augment_with(images, self.p.to(images.dtype))

    @torch.no_grad()
    def update(self, real_logits: Float[Tensor, "b ..."]) -> None:
        """Take note of the critic's logits of one batch of augmented real images."""
        self.signs += real_logits.float().sign().mean() * len(real_logits)
        self.seen += len(real_logits)
        self.calls += 1
        due = (self.calls % self.every == 0).to(self.p.dtype)
        move = torch.sign(self.signs / self.seen - self.target) * self.seen / self.images
        self.p.add_(due * move).clamp_(0, self.p_max)
        self.signs *= 1 - due
        self.seen *= 1 - due


def augment_with(images: Images, p: float | Tensor) -> Images:
    """Geometry, then colour, each operation with probability p an image; an untouched image keeps its bits."""
    matrix, fired = geometry(images, p)
    images = torch.where(fired.view(-1, 1, 1, 1), warp(images, matrix), images)
    return recolour(images, p)


def fires(images: Images, p: float | Tensor) -> Bool[Tensor, " b"]:
    """For each image, whether an operation of probability p acts on it."""
    return torch.rand(len(images), device=images.device) < p


# --- geometry: one affine map ------------------------------------------------------------------------------------


def geometry(images: Images, p: float | Tensor) -> tuple[Matrix, Bool[Tensor, " b"]]:
    """Maps [b, 3, 3] from output to input pixels, measured from the centre, and which images move at all.

    Flip, quarter turn, whole-pixel shift, scale, rotation, stretch, rotation, shift, in this order. The two
    rotations fire with 1 - sqrt(1 - p) each, so that one of them does with p.
    """
    n, (h, w) = len(images), images.shape[-2:]
    uniform = [torch.rand(n, device=images.device) for _ in range(8)]
    normal = [torch.randn(n, device=images.device) for _ in range(4)]
    half = 1 - (1 - torch.as_tensor(p)).sqrt()
    flip = torch.where(uniform[0] < 0.5, 1.0, -1.0)
    turn = (uniform[1] * 4).floor() * (math.pi / 2)
    near = [((u - 0.5) * 2 * 0.125 * side).round() for u, side in zip(uniform[2:4], (w, h), strict=True)]
    far = [0.125 * g * side for g, side in zip(normal[2:], (w, h), strict=True)]
    size, stretch = 2 ** (0.2 * normal[0]), 2 ** (0.2 * normal[1])
    before, after = ((u - 0.5) * 2 * math.pi for u in uniform[4:6])
    maps = (
        (scaling(flip, torch.ones_like(flip)), p),
        (rotation(turn), p),
        (shift(*near), p),
        (scaling(size, size), p),
        (rotation(before), half),
        (scaling(stretch, 1 / stretch), p),
        (rotation(after), half),
        (shift(*far), p),
    )
    total, fired = torch.eye(3, device=images.device).expand(n, 3, 3), torch.zeros_like(flip, dtype=torch.bool)
    for matrix, probability in maps:
        chosen = fires(images, probability)
        total = torch.where(chosen.view(-1, 1, 1), total @ matrix, total)
        fired = fired | chosen
    return total, fired


def matrices(rows: list[list[Tensor | float]], like: Tensor) -> Matrix:
    """[b, n, n] from entries that are numbers or tensors [b]."""
    return torch.stack([torch.stack([torch.as_tensor(v).to(like).expand_as(like) for v in row], -1) for row in rows], 1)


def scaling(x: Tensor, y: Tensor) -> Matrix:
    """Image made x times as wide and y times as high."""
    return matrices([[1 / x, 0, 0], [0, 1 / y, 0], [0, 0, 1]], x)


def rotation(angle: Tensor) -> Matrix:
    """By `angle` in radians."""
    c, s = angle.cos(), angle.sin()
    return matrices([[c, s, 0], [-s, c, 0], [0, 0, 1]], angle)


def shift(x: Tensor, y: Tensor) -> Matrix:
    """By x pixels to the right and y down."""
    return matrices([[1, 0, -x], [0, 1, -y], [0, 0, 1]], x)


def warp(images: Images, matrix: Matrix) -> Images:
    """Resample once, bilinearly, reflecting at the borders; `matrix` maps output to input pixels from the centre."""
    h, w = images.shape[-2:]
    pixels = torch.tensor([w / 2, h / 2, 1.0], device=images.device)
    theta = (matrix * pixels / pixels[:, None])[:, :2]
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid.to(images.dtype), padding_mode="reflection", align_corners=False)


# --- colour ------------------------------------------------------------------------------------------------------


def recolour(images: Images, p: float | Tensor) -> Images:
    """Three channels: one 4 x 4 matrix. Any other number: brightness and contrast of each band by itself."""
    if images.shape[1] == 3:
        return recolour_rgb(images, p)
    shape, kwargs = (*images.shape[:2], 1, 1), {"device": images.device, "dtype": images.dtype}
    changes = [(1.0, 0.2 * torch.randn(shape, **kwargs)), (2 ** (0.5 * torch.randn(shape, **kwargs)), 0.0)]
    if images.shape[1] == 1:
        changes.append((torch.where(torch.rand(shape, **kwargs) < 0.5, -1.0, 1.0), 0.0))  # luma flip
    for factor, offset in changes:
        images = torch.where(fires(images, p).view(-1, 1, 1, 1), images * factor + offset, images)
    return images


def recolour_rgb(images: Images, p: float | Tensor) -> Images:
    """Brightness, contrast, luma flip, hue rotation, saturation as one matrix an image (appendix B, lines 17-26)."""
    n, device = len(images), images.device
    grey = torch.tensor([1.0, 1.0, 1.0, 0.0], device=device) / math.sqrt(3)
    luma, eye = torch.outer(grey, grey), torch.eye(4, device=device)
    uniform, normal = torch.rand(2, n, 1, 1, device=device), torch.randn(3, n, 1, 1, device=device)
    last, ones = eye[3], torch.diag(torch.tensor([1.0, 1.0, 1.0, 0.0], device=device))
    contrast = 2 ** (0.5 * normal[1])
    flip = (uniform[0] < 0.5).to(luma.dtype)
    saturation = 2 ** normal[2]
    maps = (
        eye + 0.2 * normal[0] * torch.outer(1 - last, last),
        contrast * ones + torch.outer(last, last),
        eye - 2 * flip * luma,
        hue((uniform[1] - 0.5) * 2 * math.pi, grey[:3], eye),
        luma + (eye - luma - torch.outer(last, last)) * saturation + torch.outer(last, last),
    )
    total, fired = eye.expand(n, 4, 4), torch.zeros(n, dtype=torch.bool, device=device)
    for matrix in maps:
        chosen = fires(images, p)
        total = torch.where(chosen.view(-1, 1, 1), matrix @ total, total)
        fired = fired | chosen
    total = total.to(images.dtype)
    changed = (total[:, :3, :3] @ images.flatten(2) + total[:, :3, 3:]).view_as(images)
    return torch.where(fired.view(-1, 1, 1, 1), changed, images)


def hue(angle: Float[Tensor, "b 1 1"], axis: Float[Tensor, 3], eye: Float[Tensor, "4 4"]) -> Matrix:
    """Rotation of colour space about the grey axis by `angle` (Rodrigues' formula), [b, 4, 4]."""
    x = float(axis[0])
    cross = torch.zeros_like(eye)
    cross[:3, :3] = torch.tensor([[0, -x, x], [x, 0, -x], [-x, x, 0]], device=eye.device)
    return eye + angle.sin() * cross + (1 - angle.cos()) * (cross @ cross)
