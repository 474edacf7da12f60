# SPDX-License-Identifier: Apache-2.0
"""Textures by optimisation: feature maps, the distances of their statistics, and what moves the pixels."""
