# SPDX-License-Identifier: Apache-2.0
"""`python -m ganaug`: the command line."""

from ganaug.cli.main import run

run()
