# SPDX-License-Identifier: Apache-2.0
"""Feature maps whose statistics describe a texture: random filters that need no weights, and those of a VGG network.

Both turn images [B, C, H, W] in [-1, 1] into a list of maps [B, D, H', W'], from fine to coarse; any callable that does
so can stand in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug.data.errors import InputError

Images = Float[Tensor, "b c h w"]
Maps = list[Tensor]
Features = Callable[[Images], Maps]

BLUR = (0.05, 0.25, 0.4, 0.25, 0.05)  # Burt and Adelson 1983, a = 0.4
FILTER = 7
COARSEST = 8  # pixels of the shorter side of the coarsest octave
VGG_MEAN, VGG_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # torchvision's, of images in [0, 1]


class RandomPyramid(nn.Module):
    """The image itself, and on each octave of its pyramid the rectified responses of random 7x7 filters.

    One layer of random filters can stand for a trained network in texture synthesis (Ustyuzhaninov et al. 2016, arXiv
    1606.00021); octaves of a pyramid see large structure cheaply (Snelgrove 2017). All octaves but the coarsest are
    freed of what the next one holds: photographs have so little energy in fine detail that it would not count beside
    the coarse. The filters are drawn once, have the mean 0 and the length 1, and are part of the state.

    Images [B, C, H, W] -> [B, C, H, W], then [B, filters, H / 2^k, W / 2^k] for each octave k. With the border
    "circular" images that are made to fit the maps can be tiled; "reflect" suits given images, whose opposite borders
    do not fit each other. Raises InputError for other channels and for images that are too small for its octaves.
    """

    name = "random pyramid"
    filters: Tensor
    blur: Tensor

    def __init__(self, channels: int, *, octaves: int = 3, filters: int = 32):
        super().__init__()
        weight = torch.randn(filters, channels, FILTER, FILTER)
        weight = weight - weight.mean((1, 2, 3), keepdim=True)
        self.register_buffer("filters", weight / weight.flatten(1).norm(dim=1)[:, None, None, None])
        line = torch.tensor(BLUR)
        self.register_buffer("blur", torch.outer(line, line).expand(channels, 1, 5, 5).clone())
        self.octaves = octaves

    @property
    def least(self) -> int:
        """The shortest side in pixels that it can look at."""
        return 4 * 2 ** (self.octaves - 1)

    def forward(self, images: Images, border: str = "reflect") -> Maps:
        if min(images.shape[-2:]) < self.least or images.shape[1] != self.filters.shape[1]:
            found = f"{images.shape[1]} of {images.shape[-2]}x{images.shape[-1]}"
            raise InputError(
                f"images: {self.filters.shape[1]} channels and sides of {self.least} pixels or more are needed, "
                f"found {found}: resize them or convert their channels."
            )
        maps = [images]
        for _ in range(self.octaves - 1):
            low = F.conv2d(F.pad(images, [2] * 4, border), self.blur, groups=images.shape[1])
            maps.append(self.responses(images - low, border))
            images = low[..., ::2, ::2]
        return [*maps, self.responses(images, border)]

    def responses(self, images: Images, border: str) -> Float[Tensor, "b d h w"]:
        """The rectified responses of all filters, at every pixel."""
        return F.relu(F.conv2d(F.pad(images, [FILTER // 2] * 4, border), self.filters))


def octaves_of(size: tuple[int, int], most: int = 3) -> int:
    """How many octaves, at most `most`, keep `COARSEST` pixels of the shorter side; one for smaller images."""
    return max([1, *(k for k in range(2, most + 1) if min(size) >> (k - 1) >= COARSEST)])


class VGGMaps(nn.Module):
    """Maps of a VGG network with average pooling (Gatys et al. 2015, arXiv 1505.07376, section 2).

    `network` is one of torchvision's with its weights, `layers` names what is returned, in that order: "conv3_1" is the
    first convolution after the second pooling, rectified, and "pool2" the second pooling. Borders are reflected instead
    of zero, which would print a frame. Images of 1 or 3 channels in [-1, 1]. Raises InputError for other channels and
    for a layer that the network lacks.

        VGGMaps(torchvision.models.vgg19(weights="DEFAULT"))
    """

    name = "vgg"

    def __init__(
        self, network: nn.Module, layers: Sequence[str] = ("conv1_1", "pool1", "pool2", "pool3", "pool4")
    ) -> None:
        super().__init__()
        self.steps = nn.ModuleDict(named_steps(network.features))
        self.layers = tuple(layers)
        for name in layers:
            if name not in self.steps:
                raise InputError(
                    f"layers: this network has {', '.join(self.steps)}, found '{name}': name some of them."
                )
        self.requires_grad_(False)

    def forward(self, images: Images) -> Maps:
        if images.shape[1] not in (1, 3):
            raise InputError(f"images: VGG sees 1 or 3 channels, found {images.shape[1]}: leave out `features`.")
        mean, std = (images.new_tensor(x)[:, None, None] for x in (VGG_MEAN, VGG_STD))
        x, seen = ((images + 1) / 2 - mean) / std, {}
        for name, step in self.steps.items():
            x = F.avg_pool2d(x, 2) if name.startswith("pool") else F.relu(reflected(step, x))
            seen[name] = x
            if seen.keys() >= set(self.layers):
                break
        return [seen[name] for name in self.layers]


def named_steps(layers: nn.Module) -> dict[str, nn.Module]:
    """The convolutions and poolings of a VGG trunk by their names in the papers."""
    steps: dict[str, nn.Module] = {}
    block, number = 1, 1
    for layer in layers.children():
        if isinstance(layer, nn.Conv2d):
            steps[f"conv{block}_{number}"], number = layer, number + 1
        elif isinstance(layer, nn.MaxPool2d):
            steps[f"pool{block}"], block, number = nn.Identity(), block + 1, 1
    return steps


def reflected(layer: nn.Module, x: Tensor) -> Tensor:
    """A 3x3 convolution with reflected borders."""
    return F.conv2d(F.pad(x, [1] * 4, "reflect"), layer.weight, layer.bias)  # type: ignore[arg-type]


def name_of(features: Features | None) -> str:
    """What a state calls the features; the random pyramid's name for none."""
    return RandomPyramid.name if features is None else str(getattr(features, "name", type(features).__name__))


def refuse_other(id: str, features: Features | None, fitted_with: str) -> None:
    """InputError where a restored system lacks the features that it was fitted with: no file holds them."""
    if name_of(features) != fitted_with:
        raise InputError(
            f"{id} was fitted with the features '{fitted_with}', found '{name_of(features)}': "
            "give them by set_params(features=...)."
        )
