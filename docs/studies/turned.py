"""What each kind of a study's networks makes of turned images, in one table.

    python train.py -m experiment=turned_folder data.root=cifar10-jpeg.tar.xz hydra/launcher=ray
    python docs/studies/turned.py --study turned_folder

Read from what the runs left, so it takes a second. Means over seeds with Student's 95 % interval:

test: accuracy on the test images, each turned by its own angle where the data set turns them.
upright, by 15 ...: accuracy on some test images (`images` in equivariance.csv), all turned alike.
change by 45: displacement of the logits, 1 being as far as to another image's. error: the largest
of a layer under a quarter turn. ms an image: of training. share: of a kernel's squares along the
group that one pattern has, before and after training, mean over layers; of pairs of channels, and
of all inputs together (stacked).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, median

from common import cell, parser

from symscape.errors import SymscapeError
from symscape.jobs.summary.means import Kind, kinds_of, varying
from symscape.landscape.intervals import Interval, mean_interval
from symscape.plots.read.runs import naming, read_equivariance, read_redundancy, table
from symscape.runs.find import Run, find_runs, read_figures
from symscape.runs.tables import Row, write_rows

ANGLES = (0, 15, 45, 90, 180)


def measured(run: Run) -> dict[str, float]:
    """Return the numbers of one run, by column."""
    figures = read_figures(run.folder)
    rows = read_equivariance(run.folder / "equivariance.csv")
    angles = {row.amount: row for row in rows if row.kind == "angle"}
    found = {"parameters": figures["free_parameters"], "test": figures["test/accuracy"]}
    for angle in ANGLES:
        found[f"by {angle}" if angle else "upright"] = angles[angle].accuracy
    found["change by 45"] = angles[45].value
    if "equivariance/max" in figures:
        found["error"] = figures["equivariance/max"]
    return found | {"ms an image": milliseconds(run.folder / "metrics.csv")} | shares(run.folder)


def milliseconds(path: Path) -> float:
    """Return what training takes an image: the median of the epochs."""
    with naming(path):
        speed = table(path, ("images_per_second",), lambda row: float(row["images_per_second"]))
    return 1000 / median(speed)


def shares(folder: Path) -> dict[str, float]:
    """Return the leading shares along the group; nothing of a network without one."""
    path = folder / "redundancy.csv"
    if not path.exists():
        return {}
    values: dict[tuple[str, int], list[float]] = defaultdict(list)
    for row in read_redundancy(path):
        if not row.centred:
            values[row.kind, row.epoch].append(row.value)
    last = max(epoch for _, epoch in values)
    return {
        f"{kind} share {when}": fmean(values[kind, epoch])
        for kind in sorted({kind for kind, _ in values})
        for when, epoch in (("before", 0), ("after", last))
    }


def means_of(kinds: Sequence[Kind]) -> Iterator[tuple[str, dict[str, Interval]]]:
    """Yield what to call each kind, and the mean of every column that its runs have."""
    shown = varying([kind.traits for kind in kinds])
    for kind in kinds:
        each = [measured(run) for run in kind.runs if run not in kind.unfinished]
        means = {key: mean_interval([found[key] for found in each]) for key in each[0]}
        yield " ".join(filter(None, (kind.traits[key] for key in shown))), means


def main() -> None:
    """Print a table, and write it beside the study."""
    given = parser(__doc__).parse_args()
    runs = find_runs(Path(given.root), given.study)
    kinds = [kind for kind in kinds_of(runs) if len(kind.unfinished) < len(kind.runs)]
    if not kinds:
        raise SymscapeError(f"study={given.study}: no completed run")
    found = dict(means_of(kinds))
    columns = list(dict.fromkeys(key for means in found.values() for key in means))
    print(f"| network | n | {' | '.join(columns)} |")
    print("|---" * (len(columns) + 2) + "|")
    rows: list[Row] = []
    for name, means in found.items():
        cells = " | ".join(cell(means.get(column)) for column in columns)
        print(f"| {name} | {means['test'].n} | {cells} |")
        rows += [{"kind": name, "measure": key, **mean.cells} for key, mean in means.items()]
    path = Path(given.root) / given.study / "turned.csv"
    write_rows(path, rows)
    print(path)


if __name__ == "__main__":
    try:
        main()
    except SymscapeError as error:
        raise SystemExit(f"error: {error}") from None
