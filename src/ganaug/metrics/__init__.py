# SPDX-License-Identifier: Apache-2.0
"""Realism and diversity of generated images, and how they are measured."""
