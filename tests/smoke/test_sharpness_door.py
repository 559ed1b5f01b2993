"""The door to curvature from outside: bad input is one line, a run is measured."""

import pytest

from tests.jobs.study import copy_of
from tests.smoke.door import call
from tests.smoke.forked import forked

FEW = ("images=10", "bn_images=40", "k=1", "trace_products=9", "subspaces=own", "scalings=none")

BAD = {
    "": ("study=null", "run=RUN", "network=NAME"),
    "network=nets:make data=digits weights=gone.pth": ("network=nets:make", "cannot import"),
    "network=torchvision/resnet18 data=digit": ("data=digit", "'digits'"),
    "study=tests data=digits": ("data.name=digits", "needs network=NAME"),
    "study=tests run=x": ("study=tests", "give one of"),
    "run=nowhere": ("nowhere", "no run here"),
    "study=tets": ("study=tets", "'tests'"),
    "study=tests quantities=[hessian]": ("quantities=hessian", "eigenvalues"),
    "study=tests subspaces=[owm]": ("subspaces=owm", "'own'"),
    "study=tests scalings=[layer]": ("scalings=layer", "filter"),
    "study=tests k=0": ("k=0", ">= 1"),
    "study=tests precision=bfloat16": ("precision=bfloat16", "float64"),
    "study=tests only.seed=9": ("only.seed=[9]", "no run"),
    "study=tests along=time": ("along=time", "trajectory"),
    "study=tests accelerator=gpu": ("error: accelerator=gpu", "no GPU"),
    "study=tests images=0": ("images=0", ">= 1"),
}


@pytest.fixture(scope="module")
def place(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("door")
    copy_of(study, folder).rename(folder / "multirun")
    return folder


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_one_line(place, words):
    result = forked(place, "sharpness", *words.split(), CUDA_VISIBLE_DEVICES="")
    assert result.returncode == 1
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), result.stderr
    for part in BAD[words]:
        assert part in lines[0]
    assert not (place / "multirun" / "tests" / "sharpness").exists()


def test_a_run_is_measured(place):
    words = ("study=tests", "only.symmetry=rot90", "only.seed=0", *FEW)
    result = call(place, "sharpness", *words)
    assert result.returncode == 0, result.stderr
    assert "own/none/eigenvalue_1" in result.stdout and "sharpness.png" in result.stdout
