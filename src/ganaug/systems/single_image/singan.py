# SPDX-License-Identifier: Apache-2.0
"""SinGAN: new images of any size with the patches of one image, and edits of it.

Tamar Rott Shaham, Tali Dekel, Tomer Michaeli, "SinGAN: Learning a Generative Model from a Single Natural Image",
ICCV 2019, arXiv 1905.01164.

The image is brought to a pyramid of sizes. From the coarsest scale to the finest, one generator a scale adds detail to
the enlarged output of the scale before; it learns against a critic that sees 11x11 patches only, while the scales
before are frozen. One fixed noise z* must give back the image itself, and the error of that enlarged reconstruction
says how much noise a scale gets: it may invent as much as is still missing.

Labels: none. It learns the first image of the training set; one clone an image (`PerImage`) learns a whole set and
gives each sample the label of its image. Variants keep what is known of the image that was put in: from the fine
scales on geometry stays.
Other channels: any number; the noise of all scales but the coarsest has as many. Many unlike bands need more width.
Deviations: images above 256 px are refused, not made smaller; iterations are a share of the budget; z* stays as drawn
(the code draws it anew in each step of the coarsest scale: `resample`), and each update of a generator makes its image
anew, of the noise that its critic's update saw (the code goes back through one stale image); masks of pasted objects
are widened and blurred in proportion to the image (as published at 250 px); paint-to-image without quantising the
colours and training that scale again. Preset small: 16 channels, 16 px as the coarsest side, 60 iterations a scale.
Cost: preset small, 64 px: about 100 s an image on one core, then 25 ms a sample. A step at the finest scale takes ten
times as long as at the coarsest, so the budget is a number of steps and no time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from ganaug.core import sampling
from ganaug.core.card import Card
from ganaug.core.system import Losses, System
from ganaug.data.batch import Batch
from ganaug.data.errors import InputError
from ganaug.data.spec import Spec
from ganaug.parts.freeze import frozen
from ganaug.parts.losses.adversarial import wasserstein_critic, wasserstein_generator
from ganaug.parts.losses.penalties import input_gradient
from ganaug.parts.nets.patch import normal_weights
from ganaug.parts.samplers import single

LAYERS = 5
FIELD = 2 * LAYERS + 1  # side in pixels of the patch that one output of the 3x3 convolutions sees
BORDER = LAYERS  # pixels that they take off each side
PUBLISHED_SIDE = 250  # the longer side of the paper's images

Images = Float[Tensor, "n c h w"]
Size = tuple[int, int]


class SinGAN(System):
    """SinGAN (see the module's first lines for paper and mechanism).

    Scales count from the coarsest, 0; the paper's N is 0 here. Besides `sample` and `augment` there are `random`,
    `harmonise`, `edit`, `paint`, `super_resolve` and `animate`, all of tensors in [-1, 1].

    Parameters
    ----------
    min_side : shorter side of the coarsest scale in pixels, 11 or more (paper: 25).
    factor : about the ratio of a size to the next, solved again so that the pyramid ends exactly (paper: 0.75).
    width : channels of the first four scales, twice as many in the next four, four times at most (paper: 32).
    iterations : steps a scale where no budget is given (paper: 2000).
    updates : updates of the critic, then of the generator, a step (paper: 3).
    lr : Adam's learning rate, betas 0.5 and 0.999, a tenth of it in the last fifth of a scale (paper: 5e-4).
    reconstruction : weight of the reconstruction loss, alpha (paper: 10; 100 for super-resolution).
    penalty : weight of the gradient penalty (paper: 0.1).
    noise_share : amplitude of a scale's noise as a share of the reconstruction's error (paper: 0.1).
    resample : draw z* anew in each step of the coarsest scale, as the authors' code does.
    noisy_border : continue the noise beyond the edges instead of zeros, as the paper does for animation.
    sample_from : the scale from which `sample` draws noise; from 1 on, coarser structure is the image's own.
    vary_from : the scale at which `augment` puts images in; -1 is the finest, and 1 the lowest possible.
    """

    CARD = Card(
        id="singan",
        title="SinGAN",
        paper="SinGAN: Learning a Generative Model from a Single Natural Image",
        arxiv="1905.01164",
        year=2019,
        lists=("001",),
        can=("sample", "augment"),
        sizes=(12, 256),
        min_rows=1,
        labels="hard",
        moves=("mask", "valid", "instances", "depth", "boxes", "keypoints", "views"),
        deviations=(
            "images above 256 px are refused, not made smaller",
            "iterations of a scale are a share of the budget",
            "z* stays as it was drawn",
            "every update of a generator makes its image anew",
            "masks are widened and blurred in proportion to the image",
            "paint-to-image without quantised colours and a scale trained again",
            "preset small: narrow networks, a coarsest side of 16 px, 60 iterations a scale",
        ),
        cost="about 100 s an image of 64 px, then 25 ms a sample, preset small, one core",
        shows="samples have the patch statistics of the image, nearer than those of its shuffled pixels.",
    )
    PRESETS = {
        "paper": {"min_side": 25, "width": 32, "iterations": 2000, "lr": 5e-4},
        "small": {},
        "tiny": {"min_side": 12, "width": 4, "iterations": 2, "updates": 1},
    }
    sampler = staticmethod(single)
    rows_per_step = 1
    uneven = True  # a step at a fine scale takes longer
    chunk = 8

    def __init__(
        self,
        *,
        min_side: int = 16,
        factor: float = 0.75,
        width: int = 16,
        iterations: int = 60,
        updates: int = 3,
        lr: float = 5e-4,
        reconstruction: float = 10.0,
        penalty: float = 0.1,
        noise_share: float = 0.1,
        resample: bool = False,
        noisy_border: bool = False,
        sample_from: int = 0,
        vary_from: int = -3,
    ):
        self.min_side = min_side
        self.factor = factor
        self.width = width
        self.iterations = iterations
        self.updates = updates
        self.lr = lr
        self.reconstruction = reconstruction
        self.penalty = penalty
        self.noise_share = noise_share
        self.resample = resample
        self.noisy_border = noisy_border
        self.sample_from = sample_from
        self.vary_from = vary_from

    # --- before the first step ------------------------------------------------------------------------------------

    @property
    def sizes(self) -> list[Size]:
        """The pyramid of the training image, coarsest first.

        Raises InputError for `min_side` below 11, an odd `factor`, and an image smaller than the coarsest scale.
        """
        if self.min_side < FIELD or not 0 < self.factor < 1:
            raise InputError(
                f"singan needs min_side of {FIELD} or more, what its critic sees, and factor between 0 and 1, found "
                f"min_side={self.min_side} and factor={self.factor}: use 16 and 0.75."
            )
        if min(self.spec.size) < self.min_side:
            raise InputError(
                f"singan's coarsest scale has {self.min_side} pixels, and the image {min(self.spec.size)} on its "
                "shorter side: take a larger image, or a smaller min_side."
            )
        return pyramid(self.spec.size, self.min_side, self.factor)

    @property
    def stages(self) -> tuple[float, ...]:
        """Equal shares of the budget for all scales, which are known with the data."""
        return (1.0,) * (len(self.sizes) if hasattr(self, "spec") else 1)

    def default_steps(self) -> int:
        """`iterations` a scale."""
        return self.iterations * len(self.stages)

    def build(self, spec: Spec) -> None:
        sizes = self.sizes
        widths = [self.width_of(k) for k in range(len(sizes))]
        self.gens = nn.ModuleList(ScaleGenerator(spec.channels, width) for width in widths)
        self.critics = nn.ModuleList(convolutions(spec.channels, width, 1) for width in widths)
        adam = {"lr": self.lr, "betas": (0.5, 0.999)}
        self.opts_gen = [Adam(gen.parameters(), **adam) for gen in self.gens]
        self.opts_critic = [Adam(critic.parameters(), **adam) for critic in self.critics]
        self.amps = torch.tensor([1.0] + [0.0] * (len(sizes) - 1))
        self.z_star = self.noise(0, 1, sizes[0])
        self.base = torch.zeros(1, spec.channels, *sizes[0])  # from which the newest scale reconstructs
        self.image = torch.zeros(1, spec.channels, *spec.size)
        self.opened_ = 0  # scales that have begun to learn

    def width_of(self, k: int) -> int:
        """Channels of the hidden layers of scale k."""
        return self.width * min(2 ** (k // 4), 4)

    # --- one step -------------------------------------------------------------------------------------------------

    def step(self, batch: Batch, t: int) -> Losses:
        """At one scale: updates of its critic, then of its generator (section 2.2)."""
        k, progress = self.stage(t)
        sizes = self.sizes
        real = resized(batch.image, sizes[k])
        if progress == 0:
            self.open_scale(k, batch.image, real)
        self.set_rate_and_modes(k, progress)
        if self.resample and k == 0:
            self.z_star = self.noise(0, 1, sizes[0])
        *coarser, z = self.noises(self.updates, sizes[: k + 1])
        with torch.no_grad():  # the scales before make new images in each step, one an update
            before = resized(self.through(self.blank(self.updates), coarser, sizes), sizes[k])
        draws = list(zip(before.split(1), z.split(1), strict=True))
        for draw in draws:
            critic = self.critic_step(k, real, *draw)
        for draw in draws:
            fooled, error = self.generator_step(k, real, *draw)
        return {"critic": critic, "fooled": fooled, "reconstruction": error}

    @torch.no_grad()
    def open_scale(self, k: int, image: Images, real: Images) -> None:
        """Start from the weights of the scale before where widths agree, and fix the noise's amplitude (2.2)."""
        self.image, self.opened_ = image, k + 1
        if k == 0:
            return
        if self.width_of(k) == self.width_of(k - 1):
            self.gens[k].load_state_dict(self.gens[k - 1].state_dict())
            self.critics[k].load_state_dict(self.critics[k - 1].state_dict())
        self.base = resized(self.gens[k - 1].eval()(self.base, self.star(k - 1)), self.sizes[k])
        self.amps[k] = self.noise_share * (self.base - real).square().mean().sqrt()

    def set_rate_and_modes(self, k: int, progress: float) -> None:
        """The rate of scale k; running statistics in the batch norm of all generators but the one that learns."""
        for group in (*self.opts_gen[k].param_groups, *self.opts_critic[k].param_groups):
            group["lr"] = self.lr * (0.1 if progress >= 0.8 else 1.0)
        for j, gen in enumerate(self.gens):
            gen.train(j == k)

    def critic_step(self, k: int, real: Images, before: Images, z: Tensor) -> Float[Tensor, ""]:
        """WGAN-GP, the mean over the map of patch scores (equation 4)."""
        critic = self.critics[k]
        with torch.no_grad():
            fake = self.gens[k](before, z)
        loss = wasserstein_critic(critic(real), critic(fake))
        loss = loss + self.penalty * channel_penalty(critic, real, fake)
        self.update(loss, self.opts_critic[k])
        return loss

    def generator_step(self, k: int, real: Images, before: Images, z: Tensor) -> tuple[Tensor, Tensor]:
        """Fool the critic, and give back the image where the noise is z* (equations 4 and 5)."""
        with frozen(self.critics[k]):
            fooled = wasserstein_generator(self.critics[k](self.gens[k](before, z)))
        error = F.mse_loss(self.gens[k](self.base, self.star(k)), real)
        self.update(fooled + self.reconstruction * error, self.opts_gen[k])
        return fooled, error

    # --- noise, and the chain of scales ---------------------------------------------------------------------------

    def noise(self, k: int, n: int, size: Size) -> Float[Tensor, "n c h+10 w+10"]:
        """Noise of scale k times its amplitude in a border of zeros; at the coarsest one map for all channels."""
        inner = BORDER if self.noisy_border else 0
        z = torch.randn(n, 1 if k == 0 else self.spec.channels, size[0] + 2 * inner, size[1] + 2 * inner)
        return F.pad(self.amps[k] * z, [BORDER - inner] * 4)

    def noises(self, n: int, sizes: Sequence[Size]) -> list[Tensor]:
        """New noise for each of the first scales."""
        return [self.noise(k, n, size) for k, size in enumerate(sizes)]

    def star(self, k: int) -> Tensor:
        """The noise that gives back the image: z* at the coarsest scale, zero at the others (equation 5)."""
        return self.z_star if k == 0 else torch.zeros(1)

    def blank(self, n: int) -> Images:
        """What the coarsest generator adds its image to."""
        return torch.zeros(n, self.spec.channels, 1, 1)

    def through(self, x: Images, noises: Sequence[Tensor], sizes: Sequence[Size], first: int = 0) -> Images:
        """Images after the scales first, first + 1, ..., one for each noise (equation 2).

        A scale that has not begun to learn only enlarges: previews are made in the middle of the run.
        """
        for k, z in enumerate(noises, first):
            x = resized(x, sizes[k])
            x = self.gens[k](x, z) if k < self.opened_ else x
        return x

    def sizes_of(self, size: Size) -> list[Size]:
        """The pyramid of another size, in the proportions of the training image's."""
        if min(size) < 1:
            raise InputError(f"size: expected height and width in pixels, 1 or more, found {tuple(size)}.")
        height, width = self.spec.size
        return [(max(round(size[0] * h / height), 1), max(round(size[1] * w / width), 1)) for h, w in self.sizes]

    def drawn(self, n: int, size: Size, start: int) -> Images:
        """n random images; from scale `start` on if that is above 0, on the training image's coarser structure."""
        if start:
            return self.put_in(resized(self.image, size).expand(n, -1, -1, -1), start)
        sizes = self.sizes_of(size)
        return self.through(self.blank(n), self.noises(n, sizes), sizes).clamp(-1, 1)

    def put_in(self, images: Images, start: int) -> Images:
        """Images made as small as the scale before `start`, and taken through the scales from there on.

        Raises InputError where there is no such scale, and for another number of channels.
        """
        first = self.scale_of(start, 1)
        sampling.refuse_channels(self, images.shape[1], self.spec.channels)
        sizes = self.sizes_of(images.shape[-2:])
        x = resized(images, sizes[first - 1])
        return self.through(x, self.noises(len(x), sizes)[first:], sizes, first).clamp(-1, 1)

    def scale_of(self, start: int, least: int) -> int:
        """A scale by its number, from -1, the finest, backwards too; InputError where there is none from `least` on."""
        scales = len(self.gens)
        first = start if start >= 0 else max(start + scales, least)
        if not least <= first < scales:
            raise InputError(
                f"start must be from scale {least} to the last, found start={start} and {scales} scales: choose "
                "another start, or fit with a smaller min_side."
            )
        return first

    # --- what it yields -------------------------------------------------------------------------------------------

    def generate(self, want: Batch) -> Batch:
        return want.but(image=self.drawn(len(want), self.spec.size, self.sample_from))

    def vary(self, batch: Batch) -> Batch:
        """Images put in at scale `vary_from`; everything that is known about them stays."""
        return batch.but(image=self.put_in(batch.image, self.vary_from))

    def random(self, n: int = 1, *, size: Size | None = None, start: int = 0, seed: int = 0) -> Images:
        """n random images of any size (height, width), the training image's by default (section 3).

        From scale `start` on detail is new, what is coarser is the training image's: the later, the less they vary.
        """
        with sampling.working(self, seed, "random"):
            return self.drawn(n, size or self.spec.size, start).cpu()

    def reconstruct(self) -> Float[Tensor, "1 c h w"]:
        """The training image as z* gives it back (section 2.2)."""
        with sampling.working(self, 0, "reconstruct"):
            stars = [self.star(k) for k in range(len(self.gens))]
            return self.through(self.blank(1), stars, self.sizes).clamp(-1, 1).cpu()

    def paint(self, images: Images, *, start: int = 1, seed: int = 0) -> Images:
        """Photographs of clip art [n, C, H, W] (section 4, Paint-to-Image), put in at a coarse scale, 1 or 2."""
        with sampling.working(self, seed, "paint") as chosen:
            return self.put_in(images.to(chosen), start).cpu()

    def harmonise(
        self,
        images: Images,
        mask: Int[Tensor, "n h w"],
        *,
        start: int = -3,
        radius: float = 7.0,
        blur: float = 5.0,
        seed: int = 0,
    ) -> Images:
        """Pasted objects, where `mask` is not 0, in the looks of the training image (section 4, Harmonization).

        Put in at scale `start`, the second to fourth from the finest, -2 to -4, as a rule. Only what lies in the mask
        is changed, after it is widened by a disk of `radius` and blurred by a Gaussian of `blur`, both in pixels of
        an image of 250 px and in proportion for others (authors' code). Raises InputError for a mask of another shape.
        """
        if mask.shape != images[:, 0].shape:
            raise InputError(f"mask: expected {tuple(images[:, 0].shape)} as the images, found {tuple(mask.shape)}.")
        share = max(images.shape[-2:]) / PUBLISHED_SIDE
        with sampling.working(self, seed, "harmonise") as chosen:
            made = self.put_in(images.to(chosen), start).cpu()
        return torch.lerp(images, made, soft_mask(mask, radius * share, blur * share)[:, None])

    def edit(self, images: Images, mask: Int[Tensor, "n h w"], *, start: int = -3, seed: int = 0) -> Images:
        """Images whose regions were copied to other places, seams removed (section 4, Editing): a wider rim changes."""
        return self.harmonise(images, mask, start=start, radius=20.0, seed=seed)

    def super_resolve(self, times: float, images: Images | None = None, *, seed: int = 0) -> Images:
        """The training image, or images like it, `times` as large (section 4, Super-Resolution).

        The finest generator again and again, each time after a little enlargement. The paper fits with `factor`
        0.794, the third root of 1/2, and `reconstruction` 100, and the authors' code with `min_side` 18.
        """
        if times <= 1:
            raise InputError(f"times: expected a number above 1, by which sides grow, found {times}.")
        passes = max(round(-math.log(times) / math.log(self.factor)), 1)
        last = len(self.gens) - 1
        with sampling.working(self, seed, "super_resolve") as chosen:
            x = (self.image if images is None else images).to(chosen)
            sampling.refuse_channels(self, x.shape[1], self.spec.channels)
            height, width = x.shape[-2:]
            for grown in (times ** (i / passes) for i in range(1, passes + 1)):
                size = (round(height * grown), round(width * grown))
                x = self.gens[last](resized(x, size), self.noise(last, len(x), size))
        return x.clamp(-1, 1).cpu()

    def animate(
        self, frames: int, *, alpha: float = 0.1, beta: float = 0.9, start: int = 0, seed: int = 0
    ) -> Float[Tensor, "frames c h w"]:
        """A clip that begins at the training image (section 4, Single Image Animation).

        From scale `start` on the noise walks at random. `alpha` draws it back to the image, `beta` makes it go on in
        its direction. The paper fits with `noisy_border`.
        """
        with sampling.working(self, seed, "animate"):
            walks = [walk(z, self.star(k), alpha, beta) for k, z in enumerate(self.noises(frames, self.sizes))]
            first = self.scale_of(start, 0)
            noises = [self.star(k) if k < first else each for k, each in enumerate(walks)]
            return self.through(self.blank(frames), noises, self.sizes).clamp(-1, 1).cpu()


# --- parts ----------------------------------------------------------------------------------------------------------


class ScaleGenerator(nn.Module):
    """G_n of one scale: the enlarged image of the scale before, and what five convolutions add to it (equation 3).

    `before` [B, C, H, W] and noise `z` with a border of 5 pixels, [B, 1 or C, H + 10, W + 10] -> [B, C, H, W]. The
    border is the only padding, once at the input.
    """

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.layers = convolutions(channels, width, channels)

    def forward(self, before: Images, z: Tensor) -> Images:
        return before + torch.tanh(self.layers(z + F.pad(before, [BORDER] * 4)))


def convolutions(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Five 3x3 convolutions without padding, batch norm and LeakyReLU 0.2 after all but the last: a critic as it is.

    [B, inputs, H, W] -> [B, outputs, H - 10, W - 10], each value of an 11x11 patch. Weights from N(0, 0.02).
    """
    stack: list[nn.Module] = []
    for a, b in pairwise([inputs, *[width] * (LAYERS - 1)]):
        stack += [nn.Conv2d(a, b, 3, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2)]
    return nn.Sequential(*stack, nn.Conv2d(width, outputs, 3)).apply(normal_weights)


def channel_penalty(critic: Callable[[Images], Tensor], real: Images, fake: Images) -> Float[Tensor, ""]:
    """mean (|grad D(x)| - 1)^2 between two images, the norm of each pixel's own gradient, over channels only.

    So in the authors' code, other than in WGAN-GP's equation 3, where it is over the whole image.
    """
    between = torch.lerp(real, fake, torch.rand(())).requires_grad_(True)
    norm = input_gradient(critic(between), between).view_as(between).norm(dim=1)
    return (norm - 1).square().mean()


def pyramid(size: Size, least: int, factor: float) -> list[Size]:
    """Sizes from the coarsest, whose shorter side is `least`, to `size`, by equal ratios of `factor` or a bit more.

    The least number of steps n with ratio r = (least / shorter side)^(1/n) >= factor (authors' code). One size where
    the image is no larger than `least`.
    """
    share = min(least / min(size), 1.0)
    n = math.ceil(math.log(share) / math.log(factor) - 1e-9)
    return [(round(size[0] * share ** (1 - k / n)), round(size[1] * share ** (1 - k / n))) for k in range(n)] + [size]


def resized(images: Images, size: Size) -> Images:
    """Images of another size, bicubic without aliasing, in [-1, 1]; the same where it is theirs."""
    if tuple(images.shape[-2:]) == tuple(size):
        return images
    return F.interpolate(images, size=tuple(size), mode="bicubic", antialias=True).clamp(-1, 1)


def walk(z: Float[Tensor, "frames c h w"], star: Tensor, alpha: float, beta: float) -> Float[Tensor, "frames c h w"]:
    """z_t = a z* + (1 - a) (z_{t-1} + b (z_{t-1} - z_{t-2}) + (1 - b) u_t) from z_0 = z_{-1} = z*, u from z."""
    path = [star.expand_as(z[:1])] * 2
    for u in z[1:].split(1):
        path.append(alpha * star + (1 - alpha) * (path[-1] + beta * (path[-1] - path[-2]) + (1 - beta) * u))
    return torch.cat(path[1:])


def soft_mask(mask: Int[Tensor, "n h w"], radius: float, blur: float) -> Float[Tensor, "n h w"]:
    """Masks widened by a disk of `radius` pixels, with edges blurred by a Gaussian of `blur` pixels, in 0..1."""
    reach = np.arange(-math.floor(radius), math.floor(radius) + 1)
    disk = reach[:, None] ** 2 + reach**2 <= radius**2
    wide = [ndimage.binary_dilation(one, disk) for one in mask.cpu().numpy()]
    return torch.from_numpy(np.stack([ndimage.gaussian_filter(one.astype(np.float32), blur) for one in wide]))
