# SPDX-License-Identifier: Apache-2.0
"""One file a paper, in a folder by what it does for the user."""
