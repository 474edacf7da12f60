# SPDX-License-Identifier: Apache-2.0
"""results.json and picture grids -> one self-contained HTML file."""
