# SPDX-License-Identifier: Apache-2.0
"""Reflectance of materials in the 13 bands of Sentinel-2, and a simple sensor above them.

The table is synthetic: plausible magnitudes that keep the order and the indices of the materials (NDVI of vegetation
above 0.4 and of bare peat within 0..0.3, NDWI of water above 0), not measurements. Bands and centres as in the
Sentinel-2 User Handbook (ESA 2015), in the order of the product's files: B8A comes after B8.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
NANOMETRES = np.array([443, 493, 560, 665, 704, 741, 783, 833, 865, 945, 1374, 1614, 2202], np.float32)
SPECTRA = {  # in the order of BANDS; B10 sees no ground, its value is thin cirrus
    "sky": (0.30, 0.26, 0.19, 0.13, 0.11, 0.09, 0.08, 0.07, 0.065, 0.05, 0.0015, 0.02, 0.01),
    "soil": (0.08, 0.10, 0.14, 0.18, 0.20, 0.22, 0.24, 0.26, 0.27, 0.27, 0.0015, 0.34, 0.30),
    "concrete": (0.14, 0.16, 0.19, 0.21, 0.22, 0.23, 0.24, 0.25, 0.26, 0.26, 0.0015, 0.28, 0.26),
    "leaves": (0.02, 0.03, 0.06, 0.03, 0.10, 0.28, 0.35, 0.38, 0.40, 0.40, 0.0015, 0.20, 0.10),
    "heather": (0.02, 0.03, 0.045, 0.04, 0.085, 0.17, 0.20, 0.22, 0.24, 0.24, 0.0015, 0.17, 0.09),
    "cotton_grass": (0.04, 0.05, 0.085, 0.08, 0.13, 0.21, 0.24, 0.27, 0.28, 0.28, 0.0015, 0.25, 0.14),
    "bare_peat": (0.025, 0.03, 0.04, 0.06, 0.07, 0.08, 0.09, 0.10, 0.11, 0.11, 0.0015, 0.14, 0.12),
    "wet_peat": (0.02, 0.022, 0.028, 0.035, 0.042, 0.047, 0.052, 0.057, 0.06, 0.06, 0.0015, 0.05, 0.035),
    "clay": (0.05, 0.06, 0.08, 0.11, 0.125, 0.135, 0.145, 0.155, 0.165, 0.165, 0.0015, 0.20, 0.19),
    "gravel": (0.10, 0.12, 0.15, 0.18, 0.20, 0.21, 0.22, 0.23, 0.24, 0.24, 0.0015, 0.29, 0.26),
    "water": (0.05, 0.05, 0.04, 0.03, 0.02, 0.02, 0.01, 0.01, 0.01, 0.008, 0.0015, 0.005, 0.003),
}
GAIN = np.array([0.80, 0.84, 0.88, 0.92, 0.93, 0.94, 0.95, 0.95, 0.96, 0.45, 0.9, 0.97, 0.95], np.float32)
PATH = (0.1 * (NANOMETRES[0] / NANOMETRES) ** 4).astype(np.float32)  # Rayleigh: the fourth power of the wavelength
READ, SHOT = 0.001, 0.06  # noise: in reflectance, and as a share of the signal
FULL = 10000  # digital number of reflectance 1
BRIGHTEST = 6000  # what a system sees as its largest value: no material in any light is above


def reflectance(materials: Sequence[str]) -> Float[ndarray, "m 13"]:
    """Surface reflectance 0..1 of named materials."""
    return np.array([SPECTRA[name] for name in materials], np.float32)
