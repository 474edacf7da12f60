# SPDX-License-Identifier: Apache-2.0
"""Rule-based augmentation of images in memory, fused: many operations, one resampling, few passes over the pixels."""
