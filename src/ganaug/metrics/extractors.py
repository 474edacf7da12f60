# SPDX-License-Identifier: Apache-2.0
"""What turns images into the feature vectors that the metrics compare.

`NetworkFeatures` needs no download: it wraps any network with a `features` method, such as a classifier that was
trained on the real images. `InceptionFeatures` gives the features of published FID figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganaug.data.errors import InputError

INSTEAD = "or use NetworkFeatures with a classifier trained on the real images"


class NetworkFeatures:
    """Features of a network of one's own: calling it maps images [N, C, H, W] in [-1, 1] to [N, D], float32.

    `network.features(x)` must return [B, D]. It is called in batches, without gradients, in evaluation mode; the
    training mode of every submodule is put back. `name` is what a report calls the extractor.
    """

    def __init__(self, network: nn.Module, name: str) -> None:
        if not callable(getattr(network, "features", None)):
            raise InputError(f"network: expected a method features(x), found none in {type(network).__name__}.")
        if name == "inception":
            raise InputError("name: 'inception' is kept for InceptionFeatures; choose another name.")
        self.network, self.name = network, name

    def __call__(self, images: Float[Tensor, "n c h w"], batch: int = 256) -> Float[Tensor, "n d"]:
        where = next(self.network.parameters(), images)
        with evaluating(self.network):
            return _in_batches(lambda x: self.network.features(x.to(where.device)), images, batch)


class InceptionFeatures:
    """Features (2,048) of the Inception network of published FID figures, by torch-fidelity.

    Takes images of 1 or 3 channels in [-1, 1]; they are rounded to 256 levels and resized by the network's own
    filter. Raises `InputError` where the optional extra `metrics` or the weights are missing.
    """

    name = "inception"

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self.network = _inception().to(self.device)

    def __call__(self, images: Float[Tensor, "n c h w"], batch: int = 64) -> Float[Tensor, "n 2048"]:
        return self._output(images, batch, 0)

    def log_probs(self, images: Float[Tensor, "n c h w"], batch: int = 64) -> Float[Tensor, "n 1008"]:
        """Logarithms of the class probabilities, for the Inception Score of published figures."""
        return self._output(images, batch, 1).log_softmax(1)

    def _output(self, images: Tensor, batch: int, index: int) -> Tensor:
        if images.shape[1] not in (1, 3):
            found = f"found {images.shape[1]}; select three bands, {INSTEAD}"
            raise InputError(f"images: expected 1 or 3 channels for Inception features, {found}.")
        return _in_batches(lambda x: self.network(_as_bytes(x).to(self.device))[index], images, batch)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; afterwards each submodule is in the mode that it was in."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _inception() -> nn.Module:
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError as error:
        need = 'needs the optional extra: pip install "ganaug[metrics]"'
        raise InputError(f"InceptionFeatures {need}, {INSTEAD}.") from error
    try:
        return FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"])
    except (OSError, RuntimeError) as error:
        cache = f"{torch.hub.get_dir()}/checkpoints"
        how = f"allow the download once, copy the weights to {cache}"
        raise InputError(f"InceptionFeatures: could not get its weights ({error}); {how}, {INSTEAD}.") from error


def _in_batches(function: Callable[[Tensor], Tensor], images: Tensor, batch: int) -> Float[Tensor, "n d"]:
    """The function's outputs [B, D] for consecutive batches, as one float32 tensor on the CPU."""
    if images.ndim != 4 or not len(images):
        raise InputError(f"images: expected [N, C, H, W] with one image or more, found {tuple(images.shape)}.")
    with torch.no_grad():
        features = torch.cat([function(some).float().cpu() for some in images.split(batch)])
    if features.ndim != 2:
        raise InputError(f"network: expected features [B, D], found {tuple(features.shape)}; pool or flatten them.")
    return features


def _as_bytes(x: Tensor) -> Tensor:
    return ((x + 1) * 127.5).round().clamp(0, 255).byte().expand(-1, 3, -1, -1)
