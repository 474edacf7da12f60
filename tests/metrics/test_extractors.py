# SPDX-License-Identifier: Apache-2.0
"""Extractors: batches, modes and gradients of one's own network; refusals of the Inception network."""

from __future__ import annotations

import sys
import types
from urllib.error import URLError

import pytest
import torch
from torch import nn

from ganaug.data.errors import InputError
from ganaug.metrics.extractors import InceptionFeatures, NetworkFeatures

MODULE = "torch_fidelity.feature_extractor_inceptionv3"


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.drop = nn.BatchNorm2d(3), nn.Dropout(0.5)
        self.sizes = []

    def features(self, x):
        self.sizes.append(len(x))
        return self.drop(self.norm(x)).mean((2, 3))


def images(n=10, c=3):
    return torch.rand(n, c, 6, 9, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_network_features_are_those_of_evaluation_mode_whatever_the_batch():
    network = Network()
    network.drop.eval()  # one submodule is frozen on purpose, the rest is training
    extract = NetworkFeatures(network, "judge")
    features = extract(images(), batch=4)
    assert network.sizes == [4, 4, 2] and extract.name == "judge"
    assert features.shape == (10, 3) and not features.requires_grad
    torch.testing.assert_close(features, images().mean((2, 3)), rtol=1e-4, atol=1e-5)
    assert network.training and network.norm.training and not network.drop.training
    assert network.norm.num_batches_tracked == 0


def test_modes_come_back_after_a_failure():
    network = Network()
    with pytest.raises(RuntimeError):
        NetworkFeatures(network, "judge")(images(c=5))
    assert network.training and network.drop.training


def test_networks_and_features_that_do_not_fit_are_named():
    with pytest.raises(InputError, match=r"features\(x\)"):
        NetworkFeatures(nn.Identity(), "judge")
    with pytest.raises(InputError, match="kept for"):
        NetworkFeatures(Network(), "inception")
    maps = Network()
    maps.features = lambda x: x
    with pytest.raises(InputError, match="pool or flatten"):
        NetworkFeatures(maps, "judge")(images())


def test_missing_package_names_the_extra_and_the_alternative(monkeypatch):
    monkeypatch.setitem(sys.modules, MODULE, None)
    with pytest.raises(InputError, match=r"ganaug\[metrics\].*NetworkFeatures"):
        InceptionFeatures()


def stand_in(monkeypatch, make):
    monkeypatch.setitem(sys.modules, "torch_fidelity", types.ModuleType("torch_fidelity"))
    module = types.ModuleType(MODULE)
    module.FeatureExtractorInceptionV3 = make
    monkeypatch.setitem(sys.modules, MODULE, module)


def test_missing_weights_are_named(monkeypatch):
    def refuse(*_):
        raise URLError("no route to host")

    stand_in(monkeypatch, refuse)
    with pytest.raises(InputError, match=r"no route.*NetworkFeatures"):
        InceptionFeatures()


class Bytes(nn.Module):
    def __init__(self, name, outputs):
        super().__init__()
        assert outputs == ["2048", "logits_unbiased"]

    def forward(self, x):
        assert x.dtype == torch.uint8 and x.shape[1] == 3
        return x.float().amax((2, 3)), x.float().mean((2, 3))


def test_inception_gets_bytes_of_three_channels(monkeypatch):
    stand_in(monkeypatch, Bytes)
    extract = InceptionFeatures()
    grey = torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1, 1).expand(-1, -1, 4, 4)
    assert extract.name == "inception"
    assert extract(grey, batch=2).tolist() == [[0] * 3, [128] * 3, [255] * 3]
    torch.testing.assert_close(extract.log_probs(grey).exp().sum(1), torch.ones(3))
    with pytest.raises(InputError, match="1 or 3 channels"):
        extract(images(c=13))
