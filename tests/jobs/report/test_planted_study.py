"""A study in which each claim is true, false or noise: the verdicts of `cfg/report.yaml` on it.

A true difference is 4.5 times what runs of one kind differ by, for five runs a kind.
"""

from collections import Counter
from itertools import product

import numpy as np
import pytest
import yaml

from benchmarks.synthetic import write_figures, write_runs
from symscape.config.report import read_claims
from symscape.jobs.report.groups import Subject
from symscape.jobs.report.observations import Study
from symscape.jobs.report.verdicts import decisions_of, headline
from symscape.runs.tables import write_rows
from tests.smoke.door import ROOT

CLAIMS = read_claims(yaml.safe_load((ROOT / "cfg" / "report.yaml").read_text())["claims"])
PLAIN = ("vanilla", "hflip", "vflip", "hvflip", "rot90")
AUGMENTED = ("vanilla", "hflip", "vflip", "rot90")
KINDS = [{"symmetry": s} for s in PLAIN]
KINDS += [{"symmetry": s, "augment": "standard"} for s in AUGMENTED]
STRENGTH = {"vanilla": 0, "hflip": 1, "vflip": 1, "hvflip": 2, "rot90": 3}
SEEDS = 5
FAR = 4.5
RIGHT = {1: "supported", -1: "contradicted", 0: "undecided"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return write_runs(tmp_path_factory.mktemp("planted"), "planted", KINDS, SEEDS, epochs=2)


def plant(runs, truth, generator):
    """Write the tables of a study in which each claim is true (1), false (-1) or noise (0)."""
    place = runs[0].folder.parents[1]
    own = {run.folder: generator.normal() for run in runs}

    def of(name, run):
        config = run.config
        falls = -1 if name == "C5" else 1
        far = STRENGTH[config.symmetry.name] if name in ("C4", "C5") else augmented(run)
        return 10 + falls * truth[name] * FAR * far + own[run.folder]

    barriers = []
    for align, (a, b) in product(("none", "activations"), meetings(runs)):
        name = "C2" if augmented(a) else "C1"
        height = 20 + truth[name] * FAR * ("rot90" in (symmetry(a), symmetry(b)))
        height += own[a.folder] + own[b.folder] + 0.5 * generator.normal()
        barriers += [barrier(a, b, align, definition, height) for definition in ("max", "chord")]
    write_rows(place / "interpolate" / "barriers.csv", barriers)
    rows = [{**about(r), "bn": "reset", "number": "ratio", "value": of("C4", r)} for r in runs]
    write_rows(place / "interpolate" / "trajectory-reset-0" / "trajectories.csv", rows)
    rows = [row for run in runs for row in curvature(run, of("C5", run))]
    write_rows(place / "sharpness" / "runs-0" / "sharpness.csv", rows)
    for run in runs:
        write_figures(run.folder, of("C3", run))
    return Study(place, [Subject(run) for run in runs])


def symmetry(run):
    return run.config.symmetry.name


def augmented(run):
    return int(run.config.data.augment != "none")


def about(run, side=""):
    return {f"name{side}": run.manifest.name, f"seed{side}": run.config.seed}


def meetings(runs):
    """Yield the pairs that the claims are about."""
    for a, b in product(runs, runs):
        flips = symmetry(a) in ("hflip", "vflip") and symmetry(b) in ("vanilla", "rot90")
        if flips and augmented(a) == augmented(b):
            yield a, b


def barrier(a, b, align, definition, value):
    settings = {"settings": f"{align}-reset-0", "align": align, "bn": "reset"}
    number = {"split": "train", "metric": "loss", "definition": definition, "value": value}
    return {**settings, **about(a, "_a"), **about(b, "_b"), **number}


def curvature(run, value):
    for subspace, quantity in product(("own", "ambient"), ("eigenvalue_1", "trace")):
        number = {"subspace": subspace, "scaling": "none", "quantity": quantity, "value": value}
        yield {**about(run), "step": 9, "loss": 0.1, **number, "converged": True}


def judged(runs, truth, seed):
    decisions = decisions_of(plant(runs, truth, np.random.default_rng(seed)), CLAIMS)
    names = dict.fromkeys(decision.name for decision in decisions)
    return {name: headline([d for d in decisions if d.name == name]) for name in names}, decisions


@pytest.mark.parametrize("truth", [1, -1])
def test_what_was_planted_is_found_by_every_definition(runs, truth):
    said, decisions = judged(runs, dict.fromkeys(("C1", "C2", "C3", "C4", "C5"), truth), 0)
    assert said == dict.fromkeys(("C1", "C2", "C3", "C4", "C5"), RIGHT[truth])
    assert Counter(d.name for d in decisions) == {"C1": 4, "C2": 4, "C3": 2, "C4": 1, "C5": 3}
    assert {d.claim.n for d in decisions} == {SEEDS}
    assert all(d.file and not d.decides for d in decisions)


def test_noise_is_undecided_and_says_how_many_runs_would_decide(runs):
    said, decisions = judged(runs, dict.fromkeys(("C1", "C2", "C3", "C4", "C5"), 0), 1)
    assert set(said.values()) == {"undecided"}
    assert all("runs a kind" in d.decides for d in decisions if d.claim.verdict == "undecided")


@pytest.mark.slow
def test_of_hundred_studies_95_get_the_right_verdict_and_5_at_most_a_wrong_sure_one(runs):
    right, sure = Counter(), Counter()
    for seed in range(100):
        generator = np.random.default_rng([3, seed])
        truth = {claim.name: int(generator.integers(-1, 2)) for claim in CLAIMS}
        said, _ = judged(runs, truth, seed)
        for name, verdict in said.items():
            right[name] += verdict == RIGHT[truth[name]]
            sure[name] += verdict not in ("undecided", RIGHT[truth[name]])
    assert min(right[c.name] for c in CLAIMS) >= 95, right
    assert max(sure[c.name] for c in CLAIMS) <= 5, sure
