# SPDX-License-Identifier: Apache-2.0
"""Convolutional trunks, images -> feature maps: a small one of ours, torchvision's and timm's classifiers."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganaug.data.errors import InputError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of values 0..1


def trunk(
    backbone: str, channels: int, size: tuple[int, int], last_stride: int = 2, imagenet: bool = False
) -> tuple[nn.Module, int]:
    """(module, D): images [B, channels, H, W] in [-1, 1] -> maps [B, D, h, w], untrained.

    `backbone` is "small", a torchvision classifier's name, or a timm model's where timm is installed. `last_stride` 1
    keeps the last stage of "small" and of a ResNet at twice the size, as re-identification does (Luo et al. 2019,
    arXiv 1903.07071). With `imagenet` it is of the form that `imagenet_state` fits. Raises InputError for a name that
    none of them has, or that offers no feature maps, and where there are no weights for that form.
    """
    from torchvision import models

    known = backbone in models.list_models(module=models)
    if imagenet:
        refuse_without_weights(backbone, known, channels)
        return imagenet_trunk(backbone, last_stride, weights=None)
    if backbone == "small":
        return small_trunk(channels, size, last_stride)
    if known:
        return feature_maps(*torchvision_classifier(backbone, channels, size), backbone, last_stride)
    return timm_trunk(backbone, channels, size)


class ImageNetScale(nn.Module):
    """Images of [-1, 1] at the mean and deviation that pretrained networks expect."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None])

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        return ((x + 1) / 2 - self.mean) / self.std


def refuse_without_weights(backbone: str, known: bool, channels: int) -> None:
    """InputError where no pretrained weights fit."""
    if not known:
        raise InputError(f"there are no pretrained weights of '{backbone}': name a torchvision classifier as resnet50.")
    if channels != 3:
        raise InputError(f"pretrained weights are for 3 channels, found {channels}: set pretrained to false.")


def small_trunk(channels: int, size: tuple[int, int], last_stride: int = 2) -> tuple[nn.Module, int]:
    """Two 3x3 convolutions with batch norm a stage, max-pooling between stages.

    Widths 16, 32, 64, 128; three stages at 8 to 31 px, four from 32 px, five from 64 px (by the shorter side).
    """
    pools = 2 + (min(size) >= 32) + (min(size) >= 64)
    widths = [channels, *(16 * 2 ** min(i, 3) for i in range(pools + 1))]
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(widths)):
        if i and (i < pools or last_stride == 2):
            layers.append(nn.MaxPool2d(2))
        layers += block(a, b) + block(b, b)
    return nn.Sequential(*layers), widths[-1]


def block(a: int, b: int) -> list[nn.Module]:
    """Convolution, batch norm, ReLU."""
    return [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]


def feature_maps(net: nn.Module, width: int, name: str, last_stride: int) -> tuple[nn.Module, int]:
    """A torchvision classifier up to its last feature maps."""
    stages = getattr(net, "layer4", None)
    if stages is not None:
        if last_stride == 1:
            unstride(stages)
        names = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
        return nn.Sequential(*(getattr(net, name) for name in names)), width
    if isinstance(getattr(net, "features", None), nn.Module):
        return net.features, width
    raise InputError(f"the backbone '{name}' offers no feature maps: use small, a resnet or a network with `features`.")


def torchvision_classifier(name: str, channels: int, size: tuple[int, int]) -> tuple[nn.Module, int]:
    """(network, D): a torchvision classifier without weights and head, for any channel count: images -> [B, D].

    For images under 64 px a ResNet's first convolution becomes 3x3 of stride 1 and its max-pooling is left out, as
    is usual at CIFAR's size.
    """
    from torchvision import models

    net = models.get_model(name, weights=None)
    place, first = next((n, m) for n, m in net.named_modules() if isinstance(m, nn.Conv2d))
    if isinstance(net, models.ResNet) and min(size) < 64:
        replace(net, place, nn.Conv2d(channels, first.out_channels, 3, 1, 1, bias=False))
        net.maxpool = nn.Identity()
    elif channels != first.in_channels:
        replace(net, place, like(first, channels))
    return headless(net)


def imagenet_trunk(name: str, last_stride: int, weights: str | None) -> tuple[nn.Module, int]:
    """A torchvision classifier as it is, up to its last feature maps, behind the scaling that its weights expect."""
    from torchvision import models

    maps, width = feature_maps(*headless(models.get_model(name, weights=weights)), name, last_stride)
    return nn.Sequential(ImageNetScale(), maps), width


def imagenet_state(name: str) -> dict[str, Tensor]:
    """The best ImageNet weights that torchvision has of this classifier, for a `trunk(..., imagenet=True)`.

    From torch's cache or the network. Raises InputError where they can't be had.
    """
    try:
        return imagenet_trunk(name, 2, weights="DEFAULT")[0].state_dict()
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"the ImageNet weights of '{name}' can't be had ({error}): connect to the network once, put them into "
            "torch's cache of checkpoints, or set pretrained to false."
        ) from None


def headless(net: nn.Module) -> tuple[nn.Module, int]:
    """(network, D): the network without its last linear layer, and what that layer read."""
    place, head = [(n, m) for n, m in net.named_modules() if isinstance(m, nn.Linear)][-1]
    replace(net, place, nn.Identity())
    return net, head.in_features


def timm_trunk(name: str, channels: int, size: tuple[int, int]) -> tuple[nn.Module, int]:
    """A timm model without pooling and head; what it says of its width is not always that of its maps."""
    unknown = InputError(
        f"there is no backbone '{name}': use small, a torchvision classifier such as resnet18, or, with "
        "pip install 'ganaug[hub]', a timm model with feature maps."
    )
    try:
        import timm
    except ImportError:
        raise unknown from None
    if not timm.is_model(name):
        raise unknown
    net = timm.create_model(name, pretrained=False, in_chans=channels, num_classes=0, global_pool="")
    return net, width_of_maps(net, name, channels, size)


def width_of_maps(net: nn.Module, name: str, channels: int, size: tuple[int, int]) -> int:
    """Channels of what a network makes of images of this size; InputError unless it makes maps of them."""
    try:
        with torch.no_grad():
            made = net.eval()(torch.zeros(1, channels, *size))
    except (AssertionError, RuntimeError) as error:
        raise InputError(f"the backbone '{name}' takes no images of {size[0]}x{size[1]} pixels: {error}.") from None
    if made.ndim != 4:
        raise InputError(f"the backbone '{name}' makes no feature maps: name a convolutional network.")
    net.train()
    return int(made.shape[1])


def unstride(stage: nn.Module) -> None:
    """Stride 1 in every convolution of a stage, shortcuts included."""
    for part in stage.modules():
        if isinstance(part, nn.Conv2d):
            part.stride = (1, 1)


def like(conv: nn.Conv2d, channels: int) -> nn.Conv2d:
    """The same convolution for another number of input channels."""
    size, stride, padding = conv.kernel_size, conv.stride, conv.padding
    return nn.Conv2d(channels, conv.out_channels, size, stride, padding, bias=conv.bias is not None)  # type: ignore[arg-type]


def replace(module: nn.Module, path: str, new: nn.Module) -> None:
    """Put another module at a dotted path."""
    *parents, last = path.split(".")
    for name in parents:
        module = getattr(module, name)
    setattr(module, last, new)
