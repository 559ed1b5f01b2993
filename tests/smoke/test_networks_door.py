"""The commands of docs/networks.md, run: training one's own network, and what is looked at then."""

import re
from contextlib import chdir

import pytest

from symscape.runs.find import find_runs
from tests.smoke.door import ROOT
from tests.smoke.forked import forked
from tests.smoke.test_readme import blocks, commands

PAGE = ROOT / "docs" / "networks.md"
QUICK = {
    "train": ("trainer.max_epochs=1", "trainer.limit_train_batches=3", "data.batch_size=32"),
    "interpolate": ("points=3", "train_images=50", "test_images=50", "bn_images=50"),
    "sharpness": ("images=20", "bn_images=50", "quantities=[eigenvalues]", "subspaces=[own]"),
    "audit": ("quantities=[kernels,padding]",),
    "summary": (),
}
BAD = {
    "model.network=nets:small": ("model.network=nets:small", "cannot import nets"),
    "model.network=mynets:smal": ("model.network=mynets:smal", "no function smal"),
    "model.network=torchvision/resnet19": ("did you mean 'torchvision/resnet1",),
    "model.network=mynets:small model.arguments.depth=3": ("unexpected keyword argument 'depth'",),
    "model.network=mynets:small model.weights=x.pt": ("model.weights=x.pt", "cannot be read"),
    "": ("model.network=null", "model=network needs torchvision/NAME"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (module,) = (b for b in blocks(PAGE, "python") if b.startswith("# mynets.py"))
    (folder / "mynets.py").write_text(module)
    (training,) = (b for b in blocks(PAGE, "python") if "torch.save" in b)
    with chdir(folder):
        exec(module + training, {})
    return folder


@pytest.mark.slow
def test_the_page_runs(place):
    for line in commands(PAGE):
        door, *words = line.removeprefix("python ").split()
        door = door.removesuffix(".py")
        quick = [w for w in QUICK[door] if "network=mynets" not in words[0] or "subspaces" not in w]
        result = forked(place, door, *words, *quick)
        assert result.returncode == 0, (line, result.stderr)
    runs = find_runs(place / "multirun", "own")
    assert [run.config.model.arguments for run in runs].count({"width": 16}) == 1
    assert len(runs) == 3 and all(run.state == "completed" for run in runs)
    folder = place / "multirun" / "own"
    for found in ("interpolate/barriers.csv", "sharpness/*/sharpness.csv", "audit/*/layers.csv"):
        assert list(folder.glob(found)), found
    elsewhere = place / "multirun" / "networks"
    assert list(elsewhere.glob("interpolate/best-reset-*/pictures/loss.png"))
    assert list(elsewhere.glob("sharpness/*/sharpness.csv"))
    assert "mynets:small" in (folder / "summary.md").read_text()


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_one_line(place, words):
    start = ("model=network", "data=digits", "symmetry=hflip", "study=bad", *QUICK["train"])
    if "weights" in words:
        start += ("symmetry.init=projected",)
    result = forked(place, "train", *start, *words.split())
    assert result.returncode == 1, result.stdout
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), result.stderr
    assert all(part in lines[0] for part in BAD[words])
    assert not re.search("manifest|config", str(list(place.glob("multirun/bad/*/*/*"))))
