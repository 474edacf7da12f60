# SPDX-License-Identifier: Apache-2.0
"""What papers share: networks, losses, image operations, label policies, samplers, priors, distances."""
