# SPDX-License-Identifier: Apache-2.0
"""Losses and penalties as pure functions, named as in the literature."""
