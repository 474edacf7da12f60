# SPDX-License-Identifier: Apache-2.0
"""Networks that several papers share."""
