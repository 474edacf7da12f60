# SPDX-License-Identifier: Apache-2.0
"""Downstream models and their scores."""
