# SPDX-License-Identifier: Apache-2.0
"""Procedural images that need no download, with everything known about them.

Identities for re-identification, and scenes with masks, objects and boxes, as rendered and as photographed.
"""
