# SPDX-License-Identifier: Apache-2.0
"""A memory of generated images for a critic, so that it does not forget what the generator used to do."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ImagePool(nn.Module):
    """Images [B, C, H, W] -> images [B, C, H, W], about a share `p` of them older ones, all without a graph.

    Until `size` images are stored each image is stored and given back. From then on, each image by itself, with
    probability `p` a random stored image is given back and replaced by the new one, else the new one is given back
    and not stored (Shrivastava et al. 2017, arXiv 1612.07828, section 2.3, as in CycleGAN's released code, arXiv
    1703.10593). A pool of size 0 gives back what it gets. For critics only: a generator is judged on fresh images.

    The store is there from the start, so that it is part of a state: 4 size C H W bytes.
    """

    images: Tensor
    count: Tensor

    def __init__(self, size: int, channels: int, height: int, width: int, p: float = 0.5):
        super().__init__()
        self.p = p
        self.register_buffer("images", torch.zeros(size, channels, height, width))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64, device="cpu"))  # asked at every image

    @torch.no_grad()
    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        if not len(self.images):
            return images.detach()
        return torch.stack([self.exchanged(image) for image in images.detach()])

    def exchanged(self, image: Float[Tensor, "c h w"]) -> Float[Tensor, "c h w"]:
        """The image itself, or an older one whose place it takes."""
        if self.count < len(self.images):
            self.images[int(self.count)] = image
            self.count += 1
            return image
        if torch.rand((), device="cpu") >= self.p:
            return image
        place = int(torch.randint(len(self.images), (), device="cpu"))
        older = self.images[place].to(image.dtype, copy=True)
        self.images[place] = image
        return older
