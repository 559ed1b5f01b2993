"""`python benchmarks/startup.py`: seconds until the door answers, beside an import of torch.

`--help`, `--cfg job` and tab completion load no torch; each is timed as a whole process in turn
with `import torch` alone, and compared by medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOOR = str(ROOT / "train.py")
COMMANDS = {
    "import torch": ["-c", "import torch"],
    "train.py --help": [DOOR, "--help"],
    "train.py --cfg job": [DOOR, "--cfg", "job"],
    "tab completion": [DOOR, "-sc", "query=bash"],
}


def seconds(words: list[str]) -> float:
    """Return the wall time of a Python process."""
    line = "train.py symmetry=r"
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "COMP_LINE": line, "COMP_POINT": str(len(line))},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - begin


def main() -> None:
    """Time every command `--rounds` times after a warm-up."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds + 1):
        for name, words in COMMANDS.items():
            times[name].append(seconds(words))
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}
    for name, median in medians.items():
        ratio = median / medians["import torch"]
        print(f"{name:20s} {median:6.2f} s  {ratio:5.2f} of an import of torch")


if __name__ == "__main__":
    main()
