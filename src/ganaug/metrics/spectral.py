# SPDX-License-Identifier: Apache-2.0
"""Spectral indices, angles and distances of images with many bands, by the names of the bands.

Indices need reflectance after the product's offset is added (`data.geo.reflectance`): an offset left in changes every
ratio. Names are those of Sentinel-2; B2 and B02 are one. No function takes the number of a band, because the order
differs between products (EuroSAT has B8A last, SEN12MS after B8). The spectral angle does not see brightness: report
it with `ergas` or a root mean squared error. The distances of two sets need the value of `split_half` beside them:
two halves of real images are not at distance 0 either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray

from ganaug.data.errors import InputError
from ganaug.parts.distances import frechet_features

Spectra = Float[ndarray, "*grid c"]
Grid = Float[ndarray, "*grid"]

LEAST = 1e-3  # of a denominator: indices of darker pixels are noise
TINY = 1e-12


# --- indices ----------------------------------------------------------------------------------------------------


def ndvi(pixels: Spectra, bands: Sequence[str]) -> Grid:
    """Vegetation (Rouse et al. 1974): (B8 - B4) / (B8 + B4). NaN where the denominator is below 1e-3."""
    nir, red = named(pixels, bands, "B8", "B4")
    return ratio(nir, red)


def ndwi(pixels: Spectra, bands: Sequence[str]) -> Grid:
    """Open water (McFeeters 1996): (B3 - B8) / (B3 + B8). Not the index of Gao, see `ndmi`."""
    green, nir = named(pixels, bands, "B3", "B8")
    return ratio(green, nir)


def ndmi(pixels: Spectra, bands: Sequence[str]) -> Grid:
    """Water in vegetation (Gao 1996, there called NDWI): (B8A - B11) / (B8A + B11)."""
    nir, swir = named(pixels, bands, "B8A", "B11")
    return ratio(nir, swir)


def nbr(pixels: Spectra, bands: Sequence[str]) -> Grid:
    """Burnt ground (Key and Benson 2006): (B8A - B12) / (B8A + B12)."""
    nir, swir = named(pixels, bands, "B8A", "B12")
    return ratio(nir, swir)


def bsi(pixels: Spectra, bands: Sequence[str]) -> Grid:
    """Bare soil (Rikimaru et al. 2002): ((B11 + B4) - (B8 + B2)) / ((B11 + B4) + (B8 + B2))."""
    swir, red, nir, blue = named(pixels, bands, "B11", "B4", "B8", "B2")
    return ratio(swir + red, nir + blue)


INDICES: dict[str, Callable[[Spectra, Sequence[str]], Grid]] = {
    "ndvi": ndvi,
    "ndwi_mcfeeters": ndwi,
    "ndmi_gao": ndmi,
    "nbr": nbr,
    "bsi": bsi,
}


def named(pixels: Spectra, bands: Sequence[str], *names: str) -> list[Grid]:
    """The bands of these names, float64; InputError where one is missing, named twice, or the count differs."""
    plain = [band_name(name) for name in bands]
    if len(plain) != pixels.shape[-1]:
        raise InputError(f"bands: expected a name for each of {pixels.shape[-1]} bands, found {len(plain)}.")
    for name in names:
        if plain.count(name) != 1:
            raise InputError(f"the index needs one band '{name}', found {', '.join(bands)}: name the bands.")
    return [np.asarray(pixels[..., plain.index(name)], np.float64) for name in names]


def band_name(name: str) -> str:
    """`B2` of `b02`."""
    plain = name.strip().upper()
    return "B" + plain[1:].lstrip("0") if plain[:1] == "B" and plain[1:2].isdigit() else plain


def ratio(one: Grid, other: Grid) -> Grid:
    """(one - other) / (one + other), NaN where the denominator is smaller than LEAST."""
    below = one + other
    known = np.abs(below) >= LEAST
    return np.where(known, (one - other) / np.where(known, below, 1.0), np.nan)


# --- pairs of images --------------------------------------------------------------------------------------------


def spectral_angle(one: Spectra, other: Spectra) -> Grid:
    """Angle between spectra in radians, 0..pi (Kruse et al. 1993); NaN where a spectrum is zero.

    By Kahan's form 2 atan2(|u - v|, |u + v|) of the unit vectors, exact where the arc cosine loses half of the digits.
    """
    u, v = unit(one), unit(other)
    return 2 * np.arctan2(np.linalg.norm(u - v, axis=-1), np.linalg.norm(u + v, axis=-1))


def unit(spectra: Spectra) -> Spectra:
    """Spectra of length one, float64; NaN for zeros."""
    values = np.asarray(spectra, np.float64)
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    return values / np.where(length > 0, length, np.nan)


def sid(one: Spectra, other: Spectra) -> Grid:
    """Spectral information divergence (Chang 2000): KL(p|q) + KL(q|p) of the spectra divided by their sums.

    Negative reflectances, legal after the offset, count as 1e-12.
    """
    p, q = shares(one), shares(other)
    return ((p - q) * (np.log(p) - np.log(q))).sum(-1)


def shares(spectra: Spectra) -> Spectra:
    """Positive spectra with the sum one."""
    values = np.maximum(np.asarray(spectra, np.float64), TINY)
    return values / values.sum(-1, keepdims=True)


def ergas(truth: Spectra, found: Spectra, ratio: float) -> float:
    """Relative global error (Wald 2000): 100 ratio sqrt(mean over bands of (RMSE / mean of the truth)^2).

    `ratio`: fine over coarse pixel size, 1/2 for 20 m brought to 10 m.
    """
    truth, found = (np.asarray(x, np.float64).reshape(-1, x.shape[-1]) for x in (truth, found))
    squares = np.square(found - truth).mean(0) / np.square(truth.mean(0))
    return float(100 * ratio * np.sqrt(squares.mean()))


# --- two sets of images -----------------------------------------------------------------------------------------


def band_correlation(pixels: Spectra, valid: Bool[ndarray, "*grid"] | None = None) -> Float[ndarray, "c c"]:
    """Correlation of the bands over all valid pixels; NaN for a band without variance."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.atleast_2d(np.corrcoef(spectra_of(pixels, valid), rowvar=False))


def spectra_of(pixels: Spectra, valid: Bool[ndarray, "*grid"] | None) -> Float[ndarray, "n c"]:
    """The spectra of the valid pixels as rows, float64."""
    rows = pixels.reshape(-1, pixels.shape[-1]) if valid is None else pixels[valid]
    return np.asarray(rows, np.float64)


def spectral_distance(
    real: Float[ndarray, "n h w c"],
    fake: Float[ndarray, "m h w c"],
    *,
    real_valid: Bool[ndarray, "n h w"] | None = None,
    fake_valid: Bool[ndarray, "m h w"] | None = None,
) -> float:
    """Squared Frechet distance of the spectra of single pixels, in the square of their unit; blind to their order.

    Sees a wrong colour and a wrong relation between bands, which histograms of single bands do not. Raises InputError
    on fewer than two valid pixels, unequal bands, NaN or infinity.
    """
    rows = [spectra_of(real, real_valid), spectra_of(fake, fake_valid)]
    return frechet_features(*(torch.from_numpy(np.ascontiguousarray(x)) for x in rows))


def radial_power(images: Float[ndarray, "n h w c"]) -> Float[ndarray, "f c"]:
    """Mean power at each radius of spatial frequency, for each band; radius k covers k/m to (k+1)/m cycles a pixel.

    m = min(h, w), half of which are below the Nyquist frequency. The mean of each image is taken off, and a Hann
    window keeps its borders from looking like edges.
    """
    n, height, width, bands = images.shape
    window = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[None, 1:-1]
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    bin_of = np.floor(radius * min(height, width)).astype(int).ravel()
    kept = (bin_of >= 1) & (bin_of < min(height, width) // 2)
    power = np.zeros((height * (width // 2 + 1), bands))
    for image in images:
        flat = np.asarray(image, np.float64) - image.mean((0, 1), dtype=np.float64)
        power += np.square(np.abs(np.fft.rfft2(flat * window[..., None], axes=(0, 1)))).reshape(-1, bands) / n
    count = np.bincount(bin_of[kept])[1:, None]
    sums = np.stack([np.bincount(bin_of[kept], power[kept, band])[1:] for band in range(bands)], 1)
    return sums / count


def power_spectrum_distance(real: Float[ndarray, "n h w c"], fake: Float[ndarray, "m h w c"]) -> float:
    """Root mean squared difference of the radial power spectra in decibels, over radii and bands.

    Sees blur and the checkerboard of transposed convolutions. Raises InputError for images of unequal sizes or bands
    or with a side below 8 pixels.
    """
    if real.shape[1:] != fake.shape[1:] or min(real.shape[1:3]) < 8:
        raise InputError(f"images: expected one size of 8 pixels or more, found {real.shape[1:]} and {fake.shape[1:]}.")
    difference = 10 * np.log10((radial_power(real) + TINY) / (radial_power(fake) + TINY))
    return float(np.sqrt(np.square(difference).mean()))


def split_half(
    distance: Callable[[ndarray, ndarray], float], real: Float[ndarray, "n h w c"], *, seed: int = 0
) -> float:
    """The distance of two random halves of the real images: the floor for generated ones."""
    if len(real) < 4:
        raise InputError(f"real: expected 4 images or more for two halves, found {len(real)}.")
    order = np.random.default_rng(seed).permutation(len(real))
    half = len(real) // 2
    return distance(real[order[:half]], real[order[half : 2 * half]])
