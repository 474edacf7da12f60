# SPDX-License-Identifier: Apache-2.0
"""Thin commands over the public names."""
