"""`python benchmarks/sweep.py`: what a sweep costs besides its runs, and what Ray gains.

    overhead   8 runs one after the other: wall time of the command over the sum of the runs' own
    again      a finished sweep of 30 runs, launched again
    ray        4 single-threaded runs, two at a time on Ray against one after the other
    gpu        runs per hour of `experiment=fast` on one GPU, by jobs that share it

Runs are of digits (`gpu`: --data, as train.py takes it), and land in a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DOOR = str(Path(__file__).parents[1] / "train.py")
DIGITS = ("data=digits", "model=resnet20", "data.batch_size=64", "trajectory=0")
ONE_BATCH = ("trainer.max_epochs=1", "trainer.limit_train_batches=1", "model.width=4")
SHARES = (1, 2, 4, 8)


def seconds(folder: Path, *words: str, threads: int | None = None) -> float:
    """Return the wall time of a sweep, as who types the command waits for it."""
    limit = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, DOOR, "-m", f"root={folder}", *words],
        env={**os.environ, **limit},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - begin


def seeds(number: int) -> str:
    """Return the option that makes a number of runs."""
    return f"seed={','.join(map(str, range(number)))}"


def own_seconds(folder: Path) -> list[float]:
    """Return how long each run took: from its config, written first, to its last manifest."""
    return [
        path.stat().st_mtime - path.with_name("config.yaml").stat().st_mtime
        for path in folder.glob("*/*/seed=*/manifest.json")
    ]


def overhead(folder: Path, epochs: int) -> None:
    """Compare the wall time of a sweep with the sum of its runs' times."""
    wall = seconds(folder, *DIGITS, f"trainer.max_epochs={epochs}", seeds(8))
    own = own_seconds(folder)
    over = (wall - sum(own)) / sum(own)
    print(f"{len(own)} runs of {sum(own) / len(own):.1f} s in {wall:.1f} s: overhead {over:.1%}")


def again(folder: Path) -> None:
    """Time a sweep of which everything is done."""
    words = (*DIGITS, *ONE_BATCH, seeds(30))
    seconds(folder, *words)
    wall = seconds(folder, *words)
    print(f"{len(own_seconds(folder))} finished runs launched again: {wall:.1f} s")


def ray(folder: Path, epochs: int) -> None:
    """Compare Ray with one run after the other, each with one thread."""
    words = (*DIGITS, f"trainer.max_epochs={epochs}", seeds(4))
    engine = ("hydra/launcher=ray", "cpus_per_job=1", "hydra.launcher.num_cpus=2")
    serial = seconds(folder / "serial", *words, threads=1)
    parallel = seconds(folder / "ray", *words, *engine)
    print(
        f"4 runs: one after the other {serial:.1f} s, two at a time on Ray {parallel:.1f} s: "
        f"{serial / parallel:.2f} times as fast"
    )


def gpu(folder: Path, data: list[str]) -> None:
    """Count runs per hour at several jobs a GPU, two turns each."""
    for share in SHARES:
        words = ("experiment=fast", *data, seeds(2 * share))
        engine = ("hydra/launcher=ray", f"jobs_per_gpu={share}", "hydra.launcher.num_gpus=1")
        wall = seconds(folder / str(share), *words, *engine)
        print(f"{share} jobs a GPU: {2 * share / wall * 3600:.0f} runs an hour")


def main() -> None:
    """Run the benchmarks that are named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", default=["overhead", "again", "ray"])
    parser.add_argument("--epochs", type=int, default=12, help="of each run (overhead, ray)")
    parser.add_argument("--data", nargs="+", default=["data=cifar10"], help="options (gpu)")
    options = parser.parse_args()
    for name in options.names:
        with tempfile.TemporaryDirectory() as folder:
            if name == "gpu":
                gpu(Path(folder), options.data)
            elif name == "again":
                again(Path(folder))
            else:
                {"overhead": overhead, "ray": ray}[name](Path(folder), options.epochs)


if __name__ == "__main__":
    main()
