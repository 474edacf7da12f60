# SPDX-License-Identifier: Apache-2.0
"""What makes a system run: System, Card, Recipe, the catalogue, the loop, seeding, state and protocols."""
