"""The door to audits from outside: bad input is one line, a network is audited."""

import pytest
import torch

from symscape.runs.find import find_runs
from tests.jobs.study import copy_of
from tests.smoke.door import call
from tests.smoke.forked import forked

OWN = """
import torch
from torch import nn

def make(width=4):
    return nn.Sequential(
        nn.Conv2d(3, width, 3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)
    )

def small():
    return nn.Sequential(nn.Conv2d(3, 4, 9))
"""

BAD = {
    "": ("study=null", "run=RUN", "network=NAME"),
    "study=tests mitigations=[blurr]": ("mitigations=blurr", "'blur'"),
    "network=torchvision/resnet81": ("resnet81: did you mean 'torchvision/resnet18'?",),
    "network=nets:make": ("input_size=null", "nets:make", "[height,width]"),
    "network=nets:small input_size=8": ("input_size=8x8", "ernel size"),
    "network=nets:make input_size=32 weights=code.pth": ("weights=code.pth", "more than tensors"),
}
"""What else can be wrong: tests/jobs/audit/test_bad_input.py."""


@pytest.fixture(scope="module")
def place(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    copy_of(study, folder).rename(folder / "multirun")
    (folder / "nets.py").write_text(OWN)
    torch.save({"model": torch.nn.Linear}, folder / "code.pth")
    names = {"0.weight": (4, 3, 3, 3), "0.bias": (4,), "3.weight": (10, 4), "3.bias": (10,)}
    state = {f"module.{name}": torch.zeros(shape) for name, shape in names.items()}
    torch.save(state, folder / "good.pth")
    return folder


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_one_line(place, words):
    result = forked(place, "audit", *words.split())
    assert result.returncode == 1, result.stdout
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), result.stderr
    for part in BAD[words]:
        assert part in lines[0]
    assert not list(place.rglob("audit/**/*.json")) and not list(place.rglob("*.part"))


def test_a_network_of_one_s_own_from_a_file_and_again(place):
    words = ("network=nets:make", "input_size=[32,33]", "weights=good.pth", "root=own")
    result = call(place, "audit", *words)
    assert result.returncode == 0, result.stderr
    first = result.stdout.splitlines()
    assert any(line.startswith("nets:make good.pth, weights of good.pth, 32x33") for line in first)
    assert "padding     1 of 1 strided sites uneven, last map 0.5 px up" in result.stdout
    assert "31, 33 high, 31, 35 wide" in result.stdout
    assert "consistency left out: no images (data.root=PATH)" in result.stdout
    assert "profile.png" in result.stdout
    again = forked(place, "audit", *words)
    assert "1 of 1 results are there already" in again.stdout


def test_a_study_is_audited(place):
    run = find_runs(place / "multirun", "tests")[0]
    words = (f"run={run.folder}", "images=20", "shifts=1", "root=elsewhere")
    result = forked(place, "audit", *words)
    assert result.returncode == 0, result.stderr
    assert "same answer" in result.stdout and "summary.csv" in result.stdout
