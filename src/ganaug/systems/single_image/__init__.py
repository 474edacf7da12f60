# SPDX-License-Identifier: Apache-2.0
"""Learn from one image: new images with its patches, edits, larger and moving versions of it."""
