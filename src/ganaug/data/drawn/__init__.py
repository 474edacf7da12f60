# SPDX-License-Identifier: Apache-2.0
"""Procedural images that need no download, with everything known about them: identities for re-identification."""
