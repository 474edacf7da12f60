# SPDX-License-Identifier: Apache-2.0
"""The colours of an image without their correlation, so that matched histograms bring no foreign tints."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

Images = Float[Tensor, "n c h w"]


class Palette:
    """For each of some images: its channels as others that are uncorrelated, and back.

    They are the principal axes of the image's own pixels, less their mean and divided by the largest deviation. Where
    the histogram of each is matched, pixels keep to the colours of the image (Heeger and Bergen 1995, section 3.5);
    matched in red, green and blue they get tints that it lacks.
    """

    def __init__(self, images: Images):
        pixels = images.flatten(2).double()
        mean = pixels.mean(2, keepdim=True)
        variance, axes = torch.linalg.eigh((pixels - mean) @ (pixels - mean).mT / pixels.shape[2])
        self.mean, self.axes = mean.float(), axes.float()
        self.size = (variance[:, -1].clamp_min(0) + 1e-8).sqrt().float()[:, None, None]

    def apart(self, images: Images) -> Images:
        """Uncorrelated channels with the mean 0, the last of them with the deviation 1."""
        return (self.axes.mT @ (images.flatten(2) - self.mean) / self.size).view(images.shape)

    def together(self, images: Images) -> Images:
        """The inverse of `apart`."""
        return (self.axes @ images.flatten(2) * self.size + self.mean).view(images.shape)
