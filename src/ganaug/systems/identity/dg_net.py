# SPDX-License-Identifier: Apache-2.0
"""DG-Net: a generator that swaps clothes and shapes, and a re-identifier that learns from what it makes.

Zhedong Zheng, Xiaodong Yang, Zhiding Yu, Liang Zheng, Yi Yang, Jan Kautz, "Joint Discriminative and Generative Learning
for Person Re-identification", CVPR 2019, arXiv 1904.07223.

Every image has an appearance code (encoder E_a, which is the re-identifier itself) and a structure code (encoder E_s of
the grey image); a decoder paints structure with appearance by AdaIN. It must reproduce an image from its own codes and
from the appearance of another image of the same identity, and swapped images must look real and be recognised as the
appearance donor. Swapped images feed back into E_a: its primary head learns a teacher's distribution, its fine-grained
head the structure donor, because a person in another's clothes can still be told by shape, hair or bag.

Gradients: the code is cut from the graph, so no generation loss moves E_a, and what E_a learns from swapped images
never moves the decoder.
Deviations: steps count as the budget says: 30 % warm-up, 4 % ramp. The teacher's batch norm uses the batch, as
released, its dropout is off. No preset flips or crops training images; an arm's transforms may, where E_a learns to
recognise. Preset small, made for 1,500 steps, has narrow networks, half the pairs, rates that rise and fall once with
AdamW for E_a, because nothing is pre-trained, losses that are a mean over the two batches and not a sum, and an
appearance-code loss that reaches the decoder; random erasing is left to the study's arms.
Cost: preset small at 64x32, 4 + 4 images: 0.6 s of processor time a step, one of two runs on two slow cores.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ganaug.core import sampling
from ganaug.core.card import Card
from ganaug.core.system import Losses, System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.image_set import ImageSet
from ganaug.data.spec import Spec
from ganaug.data.view import TrainView
from ganaug.parts.freeze import frozen, looked_through
from ganaug.parts.labels.teachers import TEACHERS
from ganaug.parts.losses.penalties import r1
from ganaug.parts.nets.adain import NARROWEST, AdaINDecoder
from ganaug.parts.nets.embedding import ClassBlock
from ganaug.parts.nets.residual import PatchPyramid, ResBlock, conv, conv_norm, least_squares_scales
from ganaug.parts.nets.trunks import imagenet_state, trunk
from ganaug.parts.ops.erase import erase, fitting_rectangles
from ganaug.parts.samplers import shuffled

STRIPES = 4  # of the appearance code
FINE = 0.2  # weight of the fine-grained head as a share of the primary one's


def known_identities(data: ImageSet, n: int, seed: int, t: int) -> Int[Tensor, " n"]:
    """Rows in epochs, those of unknown identity left out."""
    assert data.identity is not None
    rows = np.flatnonzero(data.identity >= 0)
    return torch.from_numpy(rows)[shuffled(rows, n, seed, t)]  # type: ignore[arg-type]


def grey(images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
    """The mean of the channels: structure must not see colour."""
    return images.mean(1, keepdim=True)


class StructureEncoder(nn.Module):
    """Grey images [B, 1, H, W] -> maps [B, width, H/4, W/4]: strided convolutions, residual blocks, and an ASPP."""

    def __init__(self, width: int, blocks: int):
        super().__init__()
        eighth, quarter, half = (max(width // part, NARROWEST) for part in (8, 4, 2))
        self.down = nn.Sequential(
            conv_norm(1, eighth, 3, stride=2),
            conv_norm(eighth, quarter, 3),
            conv_norm(quarter, quarter, 3),
            conv_norm(quarter, half, 3, stride=2),
            *(ResBlock(half) for _ in range(blocks)),
        )
        self.near = conv_norm(half, quarter, 1)
        self.far = nn.ModuleList(nn.Conv2d(half, quarter, 3, padding=d, dilation=d) for d in (3, 6, 9))
        self.fuse = conv(4 * quarter, width, 1)

    def forward(self, x: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b d hh ww"]:
        x = self.down(x)
        return self.fuse(torch.cat([self.near(x), *(F.leaky_relu(F.instance_norm(c(x)), 0.2) for c in self.far)], 1))


class TwoHead(nn.Module):
    """E_a: images -> an appearance code [B, 4 D], and logits [B, K] of a primary and a fine-grained head."""

    def __init__(self, maps: nn.Module, width: int, identities: int):
        super().__init__()
        self.trunk = maps
        self.primary = ClassBlock(width, identities, dropout=0.5)
        self.fine = ClassBlock(width, identities, dropout=0.75)

    def code(self, maps: Float[Tensor, "b d h w"]) -> Float[Tensor, "b dd"]:
        """Max-pooled in four stripes, channel by channel."""
        return F.adaptive_max_pool2d(maps, (STRIPES, 1)).flatten(1)

    def heads(self, maps: Float[Tensor, "b d h w"]) -> tuple[Float[Tensor, "b k"], Float[Tensor, "b k"]]:
        pooled = maps.amax((2, 3))
        return self.primary(pooled), self.fine(pooled)


class FusedEmbedding(nn.Module):
    """Images -> features [B, 1024] whose cosine ranks as <primary, primary> + alpha <fine, fine> does.

    Each head's features are summed over the image and its mirror image and brought to length 1.
    """

    def __init__(self, encoder: TwoHead, alpha: float):
        super().__init__()
        self.encoder, self.alpha = encoder, alpha

    def embed(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        pooled = [self.encoder.trunk(view).amax((2, 3)) for view in (x, x.flip(3))]
        heads = (self.encoder.primary, self.encoder.fine)
        primary, fine = (F.normalize(sum(F.normalize(head.embed(p)) for p in pooled)) for head in heads)
        return torch.cat([primary, math.sqrt(self.alpha) * fine], 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        """Logits of the primary head."""
        return self.encoder.primary(self.encoder.trunk(x).amax((2, 3)))


class DGNet(System):
    """DG-Net (see the module's first lines for paper and mechanism).

    Parameters
    ----------
    backbone : of E_a and the teacher: "small", or a torchvision or timm classifier's name (paper: resnet50).
    pretrained : whether these two start from ImageNet weights (paper: yes).
    width : channels of the structure code (paper: 128).
    blocks : residual blocks of encoder, decoder and critics (paper: 4).
    critic_width : channels of the first critic stage (paper: 32).
    batch_size : pairs of images a step (paper: 8).
    lr : Adam's learning rate of decoder, E_s and critics, betas (0, 0.999) (paper: 1e-4).
    lr_id : learning rate of E_a (paper: 2e-3).
    published : optimise as published, for a pre-trained backbone and long runs: E_a by SGD, ten times the rate for the
        heads; the losses of both batches are added; all rates fall to a tenth after 60 and again after 90 % of the
        run. Else AdamW for E_a, the mean of both batches, and all rates rise and fall once, as the study's learners do.
    teacher : how swapped images are labelled for the primary head: soft, hard, donor, uniform, two_donors.
    teacher_steps : updates of the teacher before the first step, as a share of the run.
    live_code_loss : whether the appearance-code loss reaches the decoder (released code: it reaches nothing).
    erase : probability that an image loses a rectangle where E_a learns to recognise it (paper: 0.5).
    alpha : weight of the fine-grained features when images are compared (paper: 0.5).
    """

    CARD = Card(
        id="dg_net",
        title="DG-Net",
        paper="Joint Discriminative and Generative Learning for Person Re-identification",
        arxiv="1904.07223",
        year=2019,
        lists=("000", "003"),
        task=("reid",),
        needs=("identity",),
        can=("augment", "model", "grid"),
        sizes=(32, 512),
        min_rows=2,
        labels="donor",
        online=True,
        parents=("appearance", "structure"),
        deviations=(
            "preset small: narrow networks, half the pairs, AdamW for E_a, erasing left to the arms",
            "preset small: losses are the mean of the two batches, not their sum",
            "preset small: the appearance-code loss reaches the decoder, as the paper writes it",
            "no training image is flipped or cropped in any preset",
            "the teacher's dropout is off",
        ),
        cost="0.6 s of processor time a step at 64x32, 4 + 4 images, preset small, one of two runs on two slow cores",
        shows="a swapped image has the colours of the appearance donor and the silhouette of the structure donor.",
    )
    PRESETS = {
        "paper": {
            "backbone": "resnet50",
            "pretrained": True,
            "width": 128,
            "blocks": 4,
            "critic_width": 32,
            "batch_size": 8,
            "lr": 1e-4,
            "lr_id": 2e-3,
            "published": True,
            "teacher_steps": 1.0,
            "live_code_loss": False,
            "erase": 0.5,
        },
        "small": {},
        "tiny": {"width": 16, "blocks": 1, "critic_width": 4, "batch_size": 2},
    }
    mixed_precision = True
    sampler = staticmethod(known_identities)
    stages = (0.30, 0.04, 0.66)

    def __init__(
        self,
        *,
        backbone: str = "small",
        pretrained: bool = False,
        width: int = 32,
        blocks: int = 2,
        critic_width: int = 16,
        batch_size: int = 4,
        lr: float = 1e-3,
        lr_id: float = 1e-3,
        published: bool = False,
        teacher: str = "soft",
        teacher_steps: float = 0.5,
        live_code_loss: bool = True,
        erase: float = 0.0,
        alpha: float = 0.5,
    ):
        self.backbone = backbone
        self.pretrained = pretrained
        self.width = width
        self.blocks = blocks
        self.critic_width = critic_width
        self.batch_size = batch_size
        self.lr = lr
        self.lr_id = lr_id
        self.published = published
        self.teacher = teacher
        self.teacher_steps = teacher_steps
        self.live_code_loss = live_code_loss
        self.erase = erase
        self.alpha = alpha

    # --- before the first step ------------------------------------------------------------------------------------

    @property
    def rows_per_step(self) -> int:
        """Two batches, a and b."""
        return 2 * self.batch_size

    def build(self, spec: Spec) -> None:
        if self.teacher not in TEACHERS:
            raise InputError(f"there is no teacher '{self.teacher}': there are {', '.join(TEACHERS)}.")
        maps, features = trunk(self.backbone, spec.channels, spec.size, 1, self.pretrained)
        self.enc_a = TwoHead(maps, features, spec.identities)
        self.enc_s = StructureEncoder(self.width, self.blocks)
        self.dec = AdaINDecoder(self.width, spec.channels, STRIPES * features, blocks=self.blocks)
        self.critic = PatchPyramid(spec.channels, self.critic_width, self.blocks)
        seen, _ = trunk(self.backbone, spec.channels, spec.size, imagenet=self.pretrained)
        self.tutor = TwoHead(seen, features, spec.identities)
        painters = [*self.enc_s.parameters(), *self.dec.parameters()]
        adam = {"lr": self.lr, "betas": (0.0, 0.999), "weight_decay": 5e-4}
        self.opt_gen = torch.optim.Adam(painters, **adam)
        self.opt_critic = torch.optim.Adam(self.critic.parameters(), **adam)
        self.opt_id = self.optimiser_of(self.enc_a)
        self.opt_tutor = self.optimiser_of(self.tutor)
        self.ids = torch.zeros(spec.identities, dtype=torch.int64)

    def optimiser_of(self, net: TwoHead) -> torch.optim.Optimizer:
        """AdamW, or as published SGD with a ten times larger rate for the heads."""
        if not self.published:
            return torch.optim.AdamW(net.parameters(), lr=self.lr_id, weight_decay=0.05)
        heads = [*net.primary.parameters(), *net.fine.parameters()]
        groups = [{"params": net.trunk.parameters()}, {"params": heads, "lr": 10 * self.lr_id}]
        return torch.optim.SGD(groups, lr=self.lr_id, momentum=0.9, nesterov=True, weight_decay=5e-4)

    def prepare(self, train: TrainView) -> None:
        """Which identities there are, and a teacher that has learnt them from real images alone."""
        assert train.identity is not None
        self.ids.copy_(torch.from_numpy(np.unique(train.identity[train.identity >= 0])))
        if self.pretrained:  # not in `build`, which a restored system runs through as well
            for net in (self.enc_a, self.tutor):
                net.trunk.load_state_dict(imagenet_state(self.backbone))
        steps = round(self.teacher_steps * self.total)
        for t in range(steps):
            batch = train.batch(known_identities(train, self.rows_per_step, 0, t)).to(self.ids.device)
            self.schedule(self.opt_tutor, t / max(steps, 1))
            self.update(F.cross_entropy(self.tutored(batch.image), self.classes(batch)), self.opt_tutor)

    def schedule(self, optimiser: torch.optim.Optimizer, progress: float) -> None:
        """The learning rate at a progress 0..1 of the run, a pure function of it."""
        warm, fall = min(progress / 0.1, 1.0), 0.5 * (1 + math.cos(math.pi * max(progress - 0.1, 0.0) / 0.9))
        factor = 0.1 ** sum(progress >= edge for edge in (0.6, 0.9)) if self.published else max(warm * fall, 1e-3)
        for group in optimiser.param_groups:
            group.setdefault("first", group["lr"])
            group["lr"] = group["first"] * factor

    def classes(self, batch: Batch) -> Int[Tensor, " b"]:
        """Identities as 0..K-1."""
        return torch.searchsorted(self.ids, batch.identity)

    def draw(self, data: ImageSet, rows: Tensor) -> Batch:
        """Each row with another image of its identity ("positive") and one of another identity ("appearance")."""
        assert data.identity is not None
        own = data.identity[np.asarray(rows)]
        rng = self.numpy_rng()
        pairs = list(zip(own.tolist(), rows.tolist(), strict=True))
        positive = [another(rng, np.flatnonzero(data.identity == i), row) for i, row in pairs]
        donor = [another(rng, np.flatnonzero((data.identity != i) & (data.identity >= 0)), row) for i, row in pairs]
        return data.batch(rows).but(pair={"positive": data.batch(positive), "appearance": data.batch(donor)})

    # --- one step -------------------------------------------------------------------------------------------------

    def step(self, batch: Batch, t: int) -> Losses:
        """Row i gives the structure and row swap(i), of the other half, the appearance of swapped image i."""
        for optimiser in (self.opt_gen, self.opt_critic, self.opt_id):
            self.schedule(optimiser, t / max(self.total, 1))
        ramp = self.ramp(t)
        x, positive = batch.image, batch.pair["positive"].image
        own = self.classes(batch)
        code, code_positive = self.codes(x, positive)
        structure = self.enc_s(grey(x))
        swapped = self.decoded(structure, swap(code), x)
        critic = self.critic_loss(x, swapped.detach())
        self.update(self.batches * critic, self.opt_critic)
        rebuilt = sum(F.l1_loss(self.decoded(structure, c, x), x) for c in (code, code_positive))
        with frozen(self.critic):
            fooled = 2 * least_squares_scales(self.critic(swapped), 1.0)
        named, code_loss, shape_loss = self.consistency(swapped, swap(code), structure, swap(own), ramp)
        cycle = ramp * 2 * self.cycle_loss(swapped, x) if ramp else x.new_zeros(())
        painter = 5 * rebuilt + fooled + 0.5 * named + code_loss + shape_loss + cycle
        self.update(self.batches * painter, self.opt_gen)
        real = self.identity_loss(batch, own, ramp)
        fed = self.feed_back(swapped.detach(), swap(own), own, ramp) if ramp else x.new_zeros(())
        self.update(self.batches * (real + fed), self.opt_id, recogniser=True)
        return {"rebuilt": rebuilt, "fooled": fooled, "named": named, "critic": critic, "real": real, "fed": fed}

    @property
    def batches(self) -> float:
        """What a mean over a and b is multiplied by: as released, the losses of the two batches are added."""
        return 2.0 if self.published else 1.0

    def ramp(self, t: int) -> float:
        """0 during the warm-up, then linearly to 1: the weight of everything that needs good swapped images."""
        number, progress = self.stage(t)
        return (0.0, progress, 1.0)[number]

    def codes(self, x: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
        """Appearance codes of clean images, without a graph."""
        with torch.no_grad():
            return self.enc_a.code(self.enc_a.trunk(torch.cat([x, positive]))).chunk(2)

    def decoded(self, structure: Tensor, code: Tensor, like: Tensor) -> Float[Tensor, "b c h w"]:
        """Structures painted with codes, of the size of `like`: the decoder makes sides that are multiples of 4."""
        height, width = like.shape[-2:]
        return self.dec(structure, code)[..., :height, :width]

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """LSGAN and 0.01 |grad_x D(x)|^2 of real images, both summed over the scales."""
        real = real.detach().requires_grad_(True)
        maps = self.critic(real)
        penalty = sum(r1(m, real, gamma=0.02) for m in maps)
        return least_squares_scales(maps, 1.0) + least_squares_scales(self.critic(fake), 0.0) + penalty

    def consistency(
        self, swapped: Tensor, code: Tensor, structure: Tensor, appearance: Tensor, ramp: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the encoders say of swapped images: identity of the appearance donor, its code, and the structure.

        E_a is only looked through. The appearance-code loss has no gradient unless `live_code_loss`. The structure
        code trains E_s on the image as it is, or the decoder through a frozen E_s, with equal odds.
        """
        with looked_through(self.enc_a):
            maps = self.enc_a.trunk(swapped)
            named = F.cross_entropy(self.enc_a.primary(maps.amax((2, 3))), appearance)
        if not ramp:
            return named, named.new_zeros(()), named.new_zeros(())
        found = self.enc_a.code(maps)
        code_loss = F.l1_loss(found if self.live_code_loss else found.detach(), code)
        if torch.rand((), device="cpu") < 0.5:
            again = self.enc_s(grey(swapped.detach()))
        else:
            with frozen(self.enc_s):
                again = self.enc_s(grey(swapped))
        weight = min(1.0, 2 * ramp)
        return named, weight * code_loss, weight * F.l1_loss(again, structure.detach())

    def cycle_loss(self, swapped: Tensor, x: Tensor) -> Tensor:
        """Structure of one swapped image and appearance of the other give the first real image again."""
        with torch.no_grad(), looked_through(self.enc_a):
            code = self.enc_a.code(self.enc_a.trunk(swapped))
        return F.l1_loss(self.decoded(self.enc_s(grey(swapped)), swap(code), x), x)

    def identity_loss(self, batch: Batch, own: Tensor, ramp: float) -> Tensor:
        """Cross-entropy of real images and of their positives, which the arm's transforms and erasing may change."""
        images = [self.erased(self.transform(b)) for b in (batch, batch.pair["positive"])]
        primary, fine = self.enc_a.heads(self.enc_a.trunk(torch.cat(images)))
        anchors, positives = primary.chunk(2)
        both = F.cross_entropy(anchors, own) + F.cross_entropy(positives, own)
        return both + 2 * ramp * FINE * F.cross_entropy(fine.chunk(2)[0], own)

    def feed_back(self, swapped: Tensor, appearance: Tensor, structure: Tensor, ramp: float) -> Tensor:
        """Swapped images for E_a: the teacher's distribution for one head, the structure donor for the other."""
        target = TEACHERS[self.teacher](self.taught(swapped), appearance, structure)
        primary, fine = self.enc_a.heads(self.enc_a.trunk(swapped))
        learnt = F.kl_div(primary.log_softmax(1), target, reduction="batchmean")
        return 2 * ramp * (learnt + FINE * F.cross_entropy(fine, structure))

    def taught(self, images: Tensor) -> Float[Tensor, "b k"]:
        """The teacher's probabilities, averaged over the image and its mirror image."""
        with torch.no_grad(), looked_through(self.tutor):
            return sum(self.tutored(view).softmax(1) for view in (images, images.flip(3))) / 2

    def tutored(self, images: Tensor) -> Float[Tensor, "b k"]:
        """The teacher's logits: it pools by the mean, as an ordinary classifier does."""
        return self.tutor.primary(self.tutor.trunk(images).mean((2, 3)))

    def erased(self, batch: Batch) -> Tensor:
        """Images with a grey rectangle of 2 to 40 % of the area, each with probability `erase`."""
        if not self.erase:
            return batch.image
        n, _, height, width = batch.image.shape
        places = fitting_rectangles(n, height, width, p=self.erase, area=(0.02, 0.4), aspect=0.3)
        return erase(batch.image, places, torch.zeros(1))

    # --- what it yields -------------------------------------------------------------------------------------------

    def vary(self, batch: Batch) -> Batch:
        """The structure of each image with the appearance of its donor, whose identity it gets.

        Donors are `pair["appearance"]`, else other images of the batch. Parents: appearance, structure.
        """
        shift = int(torch.randint(1, max(len(batch), 2), (), device="cpu"))
        donor = batch.pair["appearance"] if batch.pair else batch.select(torch.arange(len(batch)).roll(shift))
        made = Batch(image=self.painted(batch.image, donor.image), label=donor.label, identity=donor.identity)
        if batch.index is None or donor.index is None:
            return made
        return made.but(index=batch.index, parents=torch.stack([donor.index, batch.index], 1))

    def painted(self, structure: Tensor, appearance: Tensor) -> Float[Tensor, "b c h w"]:
        """Images with the structure of one batch and the appearance of another."""
        code = self.enc_a.code(self.enc_a.trunk(appearance))
        return self.decoded(self.enc_s(grey(structure)), code, structure).clamp(-1, 1)

    def model(self) -> nn.Module:
        return FusedEmbedding(self.enc_a, self.alpha)

    def preview(self) -> ImageSet:
        """The grid of seven training images."""
        images = self.train.images(np.linspace(0, len(self.train) - 1, 7).astype(int))
        with sampling.working(self, 0, "preview") as chosen:
            return ImageSet.from_batches([Batch(image=self.combine(images.to(chosen)).cpu())], self.spec)

    def combine(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "m c h w"]:
        """Structures down the first column, appearances along the first row."""
        n = len(images)
        rows = images.repeat_interleave(n, 0), images.repeat(n, 1, 1, 1)
        made = self.painted(*rows).unflatten(0, (n, n))
        blank = torch.ones_like(images[:1])
        table = torch.cat([torch.cat([blank, images])[None], torch.cat([images[:, None], made], 1)])
        return table.flatten(0, 1)

    @torch.no_grad()
    def between(
        self, structure: Float[Tensor, "1 c h w"], first: Tensor, second: Tensor, steps: int = 8
    ) -> Float[Tensor, "steps c h w"]:
        """One structure in appearances on the straight line between the codes of two images, all in [-1, 1]."""
        codes = [self.enc_a.code(self.enc_a.trunk(image)) for image in (first, second)]
        mixed = torch.lerp(*codes, torch.linspace(0, 1, steps)[:, None])
        return self.decoded(self.enc_s(grey(structure)).expand(steps, -1, -1, -1), mixed, structure).clamp(-1, 1)


def swap(x: Tensor) -> Tensor:
    """The two halves of a batch exchanged."""
    return torch.cat(x.chunk(2)[::-1])


def another(rng: np.random.Generator, rows: np.ndarray, row: int) -> int:
    """One of the rows, not `row` itself where there is another."""
    rest = rows[rows != row]
    return int(rng.choice(rest)) if len(rest) else row
