# SPDX-License-Identifier: Apache-2.0
"""White blood cells of two stains as the two domains of `ganaug adapt`: labels of the first, images of the second.

python -m claims.stains WBC stains                  # WBC holds images/, masks/ and labels.csv
ganaug adapt stains/yellow stains/purple --repeats 3 -o out
"""

from __future__ import annotations

import argparse
from pathlib import Path

import ganaug

SIZE = 64


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    data = ganaug.load(asked.folder, size=SIZE)
    purple = data.fold < 0  # the table's split says neither train nor test: the other stain
    for name, rows in (("yellow", ~purple), ("purple", purple)):
        part = data.select(rows).but(label=None, classes=(), fold=None)
        ganaug.write(part, asked.out / name, "folder")


if __name__ == "__main__":
    main()
