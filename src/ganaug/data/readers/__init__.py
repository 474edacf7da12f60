# SPDX-License-Identifier: Apache-2.0
"""One module a family of layouts; each tells whether a path is one of its own, and reads it."""
