# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with generated images and splits: copies, leaks, collapse."""
