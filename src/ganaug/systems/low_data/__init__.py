# SPDX-License-Identifier: Apache-2.0
"""Make labelled images from few examples."""
