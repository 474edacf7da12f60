# SPDX-License-Identifier: Apache-2.0
"""Does it help? Arms, sources, the run matrix, statistics, the verdict."""
