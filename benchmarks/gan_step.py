# SPDX-License-Identifier: Apache-2.0
"""Times one GAN training step, critic and generator, against PyTorch-StudioGAN on that project's own networks.

    python benchmarks/gan_step.py STUDIOGAN [--model dcgan biggan_small] [--rounds 7] [--clock cpu] [--parts]

STUDIOGAN is a checkout of https://github.com/POSTECH-CVLab/PyTorch-StudioGAN; nothing of it is kept here. Both sides
train its networks with its CIFAR10 settings (32 px, batch 64; biggan_small has 32 channels instead of 96): StudioGAN
as its trainer does (float32, contiguous, a new generator pass for each update, the critic frozen in the generator's),
ganaug by the unchanged `step` of `dcgan` and of `low_data_gan` in its own loop (one generator pass for both updates),
drawing of rows and moving average included, which the rival is spared. Each contender is a process of its own,
because the heap's behaviour belongs to a process; they take their steps in turn. One JSON line a contender:
milliseconds (median, least, most of the rounds) and the median of the ratios round by round. `--parts` adds ganaug
without one thing each. On a shared machine set OMP_NUM_THREADS=1 and take the processor's clock.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from statistics import median
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import Adam

from ganaug.core import device, loop, sampling
from ganaug.core.system import System
from ganaug.data.pixels import ArrayPixels
from ganaug.data.view import TrainView
from ganaug.parts.ema import EMA
from ganaug.parts.losses.lecam import LeCam
from ganaug.systems.low_data.dcgan import DCGAN
from ganaug.systems.low_data.low_data_gan import LowDataGAN
from metrics import circumstances

BATCH, CLASSES = 64, 10
LATENT = {"dcgan": 128, "biggan_small": 80}
CONTENDERS = ("studiogan", "ganaug float32", "ganaug")
PARTS = tuple(f"ganaug without {part}" for part in ("channels_last", "heap"))


# --- StudioGAN's networks ---------------------------------------------------------------------------------------


def studiogan_networks(checkout: Path, model: str) -> tuple[nn.Module, nn.Module]:
    """Generator and critic, built by the checkout's own classes from its own layers."""
    sys.path.insert(0, str(checkout / "src"))
    helpers = ModuleType("utils.misc")  # the real one imports plotting libraries; the networks use this name only
    helpers.dummy_context_mgr = nullcontext
    sys.modules["utils.misc"] = import_module("utils").misc = helpers
    ops = import_module("utils.ops")
    normal = model == "biggan_small"
    kinds = ("conv2d", "deconv2d", "linear", "embedding")
    spectral = ("snconv2d", "sndeconv2d", "snlinear", "sn_embedding")
    layers = {
        f"{side}_{kind}": getattr(ops, sn if normal else kind)
        for side in "gd"
        for kind, sn in zip(kinds, spectral, strict=True)
    }
    norms = {"g_bn": ops.ConditionalBatchNorm2d if normal else ops.batchnorm_2d, "d_bn": ops.batchnorm_2d}
    modules = SimpleNamespace(**layers, **norms, g_act_fn=nn.ReLU(inplace=True), d_act_fn=nn.ReLU(inplace=True))
    shared = {
        "img_size": 32,
        "apply_attn": normal,
        "num_classes": CLASSES,
        "mixed_precision": False,
        "MODULES": modules,
        "MODEL": SimpleNamespace(info_type="N/A", g_info_injection="N/A"),
    }
    networks = import_module("models.big_resnet" if normal else "models.deep_conv")
    gen = networks.Generator(
        z_dim=LATENT[model],
        g_shared_dim=128,
        g_conv_dim=32,
        attn_g_loc=[2],
        g_cond_mtd="cBN" if normal else "W/O",
        g_init="ortho",
        g_depth="N/A",
        **shared,
    )
    critic = networks.Discriminator(
        d_conv_dim=32,
        apply_d_sn=normal,
        attn_d_loc=[1],
        d_cond_mtd="PD" if normal else "W/O",
        aux_cls_type="W/O",
        d_embed_dim="N/A",
        normalize_d_embed=False,
        d_init="ortho",
        d_depth="N/A",
        **shared,
    )
    return gen, critic


# --- the two sides ----------------------------------------------------------------------------------------------


class Rival:
    """One critic and one generator update as StudioGAN's trainer takes them, on the CPU."""

    def __init__(self, gen: nn.Module, critic: nn.Module, model: str):
        self.gen, self.critic, self.model = gen, critic, model
        self.optimisers = [Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (gen, critic)]
        self.images = torch.rand(BATCH, 3, 32, 32) * 2 - 1
        self.labels = torch.randint(CLASSES, (BATCH,))

    def fakes(self) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.randint(CLASSES, (BATCH,))
        return self.gen(torch.randn(BATCH, LATENT[self.model]), labels), labels

    def step(self) -> None:
        self.gen.requires_grad_(False)
        self.critic.requires_grad_(True)
        self.optimisers[1].zero_grad()
        fake, labels = self.fakes()
        real = self.critic(self.images, self.labels)["adv_output"]
        made = self.critic(fake, labels)["adv_output"]
        if self.model == "dcgan":
            (F.softplus(-real).mean() + F.softplus(made).mean()).backward()
        else:
            (F.relu(1 - real).mean() + F.relu(1 + made).mean()).backward()
        self.optimisers[1].step()
        self.gen.requires_grad_(True)
        self.critic.requires_grad_(False)
        self.optimisers[0].zero_grad()
        fake, labels = self.fakes()
        made = self.critic(fake, labels)["adv_output"]
        (F.softplus(-made).mean() if self.model == "dcgan" else -made.mean()).backward()
        self.optimisers[0].step()


class Asked(nn.Module):
    """A network of StudioGAN's, called as ganaug calls networks."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        made = self.network(x, labels)
        return made if isinstance(made, torch.Tensor) else made["adv_output"]


def with_networks(gen: nn.Module, critic: nn.Module, model: str) -> System:
    """ganaug's system of the same algorithm, its `step` untouched, with these networks."""

    def build(self: Any, spec: Any) -> None:
        self.gen, self.critic = Asked(gen), Asked(critic).to(memory_format=torch.channels_last)
        self.average, self.anchors = EMA(self.gen), LeCam()
        self.opt_gen = Adam(self.gen.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.opt_critic = Adam(self.critic.parameters(), lr=2e-4, betas=(0.5, 0.999))

    params: dict[str, Any] = {"latent": LATENT[model], "batch_size": BATCH}
    kind: type[System] = DCGAN if model == "dcgan" else LowDataGAN
    if model != "dcgan":
        params["policy"] = ""  # the rival augments nothing
    return type(kind.__name__, (kind,), {"build": build, "__init__": kind.__init__})(**params)


def contiguous(modules: Iterable[nn.Module]) -> None:
    """Undo what the systems and the loop do for speed."""
    for module in modules:
        module.to(memory_format=torch.contiguous_format)


class Ours:
    """Steps of ganaug's loop."""

    def __init__(self, gen: nn.Module, critic: nn.Module, model: str, without: str):
        if without != "heap":
            device.keep_heap()
        if without == "channels_last":
            loop.channels_last = contiguous
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (500, 32, 32, 3), dtype=np.uint8)
        names = tuple(str(k) for k in range(CLASSES))
        view = TrainView(image=ArrayPixels(images), label=np.arange(500) % CLASSES, classes=names)
        self.system = with_networks(gen, critic, model)
        self.system.train, self.system.spec = view, view.spec
        self.system.recogniser_updates_ = 0
        self.system.conditions = sampling.condition_table(view, self.system.needs)
        self.at = loop.begin(self.system, loop.Budget(steps=10**6), seed=0)

    def step(self) -> None:
        loop.one_step(self.system, self.at)
        self.at.t += 1


# --- taking turns -----------------------------------------------------------------------------------------------


def work(checkout: Path, model: str, contender: str, clock: str) -> None:
    """A contender's process: a step, and its seconds on standard output, for each line on standard input."""
    torch.manual_seed(0)
    networks = studiogan_networks(checkout, model)
    without = contender.partition(" without ")[2]
    side = Rival(*networks, model) if contender == "studiogan" else Ours(*networks, model, without)
    now = time.perf_counter if clock == "wall" else time.process_time
    counts = [sum(p.numel() for p in network.parameters()) for network in networks]
    print(json.dumps({"parameters": counts}), flush=True)
    for _ in sys.stdin:
        start = now()
        side.step()
        print(json.dumps(now() - start), flush=True)


class Worker:
    """The other end of such a process."""

    def __init__(self, options: argparse.Namespace, model: str, contender: str):
        command = [sys.executable, __file__, str(options.studiogan), "--clock", options.clock]
        half = not contender.endswith("float32")
        settings = dict(os.environ) if half else {**os.environ, "GANAUG_PRECISION": "float32"}
        self.process = subprocess.Popen(
            [*command, "--work", model, contender],
            env=settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.parameters = self.answer()["parameters"]

    def answer(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline() or "null")

    def step(self) -> float:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        self.process.communicate()


def race(options: argparse.Namespace, model: str) -> list[dict[str, Any]]:
    """Rounds in which every contender takes one step; the first two only warm up."""
    names = [*CONTENDERS, *(PARTS if options.parts else ())]
    workers = {name: Worker(options, model, name) for name in names}
    rounds = [{name: worker.step() for name, worker in workers.items()} for _ in range(options.rounds + 2)][2:]
    for worker in workers.values():
        worker.close()
    return [
        {
            "model": model,
            "contender": name,
            "milliseconds": round(1000 * median(one[name] for one in rounds), 1),
            "range": [round(1000 * extreme(one[name] for one in rounds), 1) for extreme in (min, max)],
            "ratio": round(median(one["studiogan"] / one[name] for one in rounds), 2),
            "clock": options.clock,
            "parameters": workers[name].parameters,
        }
        for name in names
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("studiogan", type=Path, nargs="?", help="left out: nothing is timed")
    parser.add_argument("--model", nargs="+", default=list(LATENT), choices=list(LATENT))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--parts", action="store_true", help="also without one thing each")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        return work(options.studiogan, *options.work, options.clock)
    if options.studiogan is None:
        print("gan_step.py: name a checkout of PyTorch-StudioGAN; nothing was timed", file=sys.stderr)
        return None
    for model in options.model:
        for line in race(options, model):
            print(json.dumps({**line, "bfloat16_units": device.bfloat16_units(), **circumstances()}), flush=True)
    return None


if __name__ == "__main__":
    main()
