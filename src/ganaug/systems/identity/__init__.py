# SPDX-License-Identifier: Apache-2.0
"""Re-identification: generated persons, vehicles and objects, and recognisers trained with them."""
