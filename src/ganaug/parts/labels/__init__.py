# SPDX-License-Identifier: Apache-2.0
"""What label a generated image gets."""
