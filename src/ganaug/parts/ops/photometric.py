# SPDX-License-Identifier: Apache-2.0
"""Changes of pixel values alone, with one parameter an image: nothing moves, so masks and boxes stay as they are.

Images are [-1, 1] with any number of channels; factors act on the same values mapped to [0, 1], where 0 is black,
as is usual (factor 1 changes nothing). Results are clipped to [-1, 1].
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as tv

Images = Float[Tensor, "b c h w"]
PerImage = Float[Tensor, " b"]
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def spread(value: PerImage) -> Float[Tensor, "b 1 1 1"]:
    """One value an image, ready to meet its pixels."""
    return value[:, None, None, None]


def brightness(image: Images, factor: PerImage) -> Images:
    """Distance from black times the factor."""
    gain = spread(factor)
    return (image * gain).add_(gain - 1).clamp_(-1, 1)


def contrast(image: Images, factor: PerImage) -> Images:
    """Distance from the mean grey times the factor; for other than 3 channels each band has its own mean."""
    gain = spread(factor)
    return (image * gain).add_(mean_grey(image) * (1 - gain)).clamp_(-1, 1)


def mean_grey(image: Images) -> Float[Tensor, "b c 1 1"]:
    """The mean luma of RGB images (one value an image), the mean of each band of others."""
    mean = image.mean((2, 3), keepdim=True)
    return luma(mean) if image.shape[1] == 3 else mean


def luma(image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
    """The grey value of RGB images."""
    weights = image.new_tensor(LUMA)
    return (image * weights[:, None, None]).sum(1, keepdim=True)


def saturation(image: Images, factor: PerImage) -> Images:
    """Distance from each pixel's own grey value times the factor; identity unless there are 3 channels."""
    if image.shape[1] != 3:
        return image
    gain = spread(factor)
    return (image * gain).add_(luma(image) * (1 - gain)).clamp_(-1, 1)


def sharpness(image: Images, factor: PerImage) -> Images:
    """Distance from a 3x3 blur times the factor (0 blurs, 2 sharpens); the outermost pixels stay."""
    channels, height, width = image.shape[1:]
    if min(height, width) < 3:
        return image
    kernel = image.new_tensor([[1.0, 1.0, 1.0], [1.0, 5.0, 1.0], [1.0, 1.0, 1.0]]) / 13
    inside = F.conv2d(image, kernel.expand(channels, 1, 3, 3), groups=channels)
    blurred = image.clone()
    blurred[..., 1:-1, 1:-1] = inside
    return torch.lerp(blurred, image, spread(factor)).clamp_(-1, 1)


def noise(image: Images, std: PerImage) -> Images:
    """Gaussian noise, independent a pixel and band; std as a share of the range (0.05: 13 of 255 grey levels)."""
    return torch.randn_like(image).mul_(spread(2 * std)).add_(image).clamp_(-1, 1)


# --- operations defined on grey levels --------------------------------------------------------------------------


def grey_levels(image: Images) -> Images:
    """Values of [-1, 1] as whole grey levels 0..255."""
    return ((image + 1) * 127.5).round_()


def posterize(image: Images, bits: PerImage) -> Images:
    """The highest `bits` bits of every grey level; 8 bits or more change nothing."""
    step = spread(2.0 ** (8 - bits))
    kept = (grey_levels(image) / step).floor_() * step
    return torch.where(spread(bits) >= 8, image, kept / 127.5 - 1)


def solarize(image: Images, threshold: PerImage) -> Images:
    """Values whose grey level is at or above the threshold (0..255) inverted."""
    return torch.where(grey_levels(image) >= spread(threshold), -image, image)


def autocontrast(image: Images) -> Images:
    """Each band of each image stretched to the whole range; a constant band stays as it is."""
    low, high = image.amin((2, 3), keepdim=True), image.amax((2, 3), keepdim=True)
    flat = high == low
    gain = 2 / (high - low).masked_fill(flat, 2.0)
    return torch.where(flat, image, ((image - low) * gain - 1).clamp_(-1, 1))


def equalize(image: Images) -> Images:
    """Each band's histogram of 256 grey levels flattened, by the rule that Pillow and torchvision share."""
    levels = tv.equalize(grey_levels(image).to(torch.uint8))
    return levels.to(image.dtype) / 127.5 - 1
