# SPDX-License-Identifier: Apache-2.0
"""Claim: kill -9 at a random moment and `--resume` end in the same bits as a run that was never stopped.

    python -m claims.resume --kills 5

Runs `ganaug fit` and `ganaug study` once without interruption, then again with kills at random moments, and
compares the final weights byte for byte and `results.json` apart from times.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GANAUG = [sys.executable, "-m", "ganaug.cli.main"]
# long enough for checkpoints, which come every 15 s, to lie before most kills
FIT = ["fit", "low_data_gan", "digits", "--steps", "3000", "--seed", "3"]
STUDY = [
    *("study", "digits", "--shots", "5", "--arm", "cutout", "--arm", "rules+acgan", "--repeats", "3"),
    *("--generator-steps", "60", "--length", "100", "--workers", "2"),
]
TIMES = {"seconds", "created"}


def run(command: list[str], out: Path, *, kill_after: float | None = None) -> bool:
    """Run a command to its end, or kill it (and its workers) after some seconds; whether it ended by itself."""
    process = subprocess.Popen([*GANAUG, *command, "-o", str(out)], stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        code = process.wait(kill_after)
    except subprocess.TimeoutExpired:
        import os

        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return False
    if code:
        raise SystemExit(f"{' '.join(command)} ended with {code}")
    return True


def without_times(value: object) -> object:
    """A result without the fields that tell times."""
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in TIMES and k != "command"}
    return [without_times(v) for v in value] if isinstance(value, list) else value


def content(out: Path) -> object:
    """What must be equal: the weights of a run, or the results of a study."""
    if (out / "results.json").is_file():
        return without_times(json.loads((out / "results.json").read_text()))
    return (out / "state.safetensors").read_bytes()


def trial(command: list[str], folder: Path, seconds: float, expected: object, rng: random.Random) -> str:
    """One run that is killed once at a random moment and resumed."""
    out = folder / "killed"
    shutil.rmtree(out, ignore_errors=True)
    moment = rng.uniform(0.2, 0.95) * seconds
    ended = run(command, out, kill_after=moment)
    run([*command, "--resume"], out)
    return f"{moment:.1f} s{' (had ended)' if ended else ''}: {'equal' if content(out) == expected else 'DIFFERS'}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    for command in (FIT, STUDY):
        with tempfile.TemporaryDirectory() as name:
            started = time.monotonic()
            run(command, Path(name) / "whole")
            seconds = time.monotonic() - started
            expected = content(Path(name) / "whole")
            print(f"{command[0]}: uninterrupted {seconds:.1f} s", flush=True)
            for _ in range(asked.kills):
                print("  killed after", trial(command, Path(name), seconds, expected, rng), flush=True)


if __name__ == "__main__":
    main()
