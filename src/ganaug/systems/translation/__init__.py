# SPDX-License-Identifier: Apache-2.0
"""Image to image, mask to image, one domain to another: labels come for free."""
