# SPDX-License-Identifier: Apache-2.0
"""Change real images by rules or learned policies."""
