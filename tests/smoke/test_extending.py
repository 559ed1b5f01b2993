"""The recipes for an analysis and for an engine, as the page has them."""

import multiprocessing
import os
import time
from functools import partial

import pytest
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf
from torch import nn

from symscape.config.analysis import AnalysisConfig, PlaceConfig
from symscape.door import register_schemas
from symscape.errors import SymscapeError
from symscape.stopping import safe_point
from symscape.sweeps.job import Job
from symscape.sweeps.sweep import analyses
from tests.smoke.door import ROOT
from tests.smoke.test_readme import code


def recipe(title):
    """Return what the code below a heading of the page defines."""
    text = (ROOT / "docs" / "extending.md").read_text()
    (section,) = (each for each in text.split("\n## ") if each.startswith(f"{title}\n"))
    names = {}
    exec("\n".join(code(section, "python")), names)
    return names


@pytest.fixture(scope="module")
def engine():
    return recipe("An engine")["Processes"]


def ones(num_classes, in_channels):
    """A network whose one kernel holds 18 ones."""
    conv = nn.Conv2d(in_channels, 2, 3, bias=False)
    nn.init.ones_(conv.weight)
    return nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, num_classes))


def test_an_analysis(tmp_path, capsys):
    page, name = recipe("An analysis"), "tests.smoke.test_extending:ones"
    ask = {"network": name, "data": PlaceConfig(name="digits"), "root": str(tmp_path)}
    config = page["NormsConfig"](order=1, **ask)
    for said in ("up to 18 ", "1 of 1 results are there already"):
        page["norms"](config)
        assert said in capsys.readouterr().out
    (table,) = tmp_path.glob("networks/norms/*/norms.csv")
    assert table.read_text() == f"run,0.weight\n{name},18.0\n"
    assert (table.parent / "pictures" / "norms.png").exists()
    with pytest.raises(SymscapeError, match="order=0: "):
        page["NormsConfig"](order=0, **ask)


def jobs(folder, calls):
    return [Job(i, f"seed={i}", call, folder / f"{i}.log") for i, call in enumerate(calls)]


def refuse():
    raise SymscapeError("seed=1: no")


def go_on(folder):
    (folder / "began").touch()
    while True:
        safe_point()
        time.sleep(0.01)


def test_an_engine(engine, tmp_path):
    calls = [lambda: 0.5, refuse, partial(os._exit, 1), lambda: 1.5]
    ended = engine(at_once=2).run(jobs(tmp_path, calls), 4)
    found = {job.number: outcome for job, outcome in ended}
    assert [found[i].state for i in range(4)] == ["done", "failed", "failed", "done"]
    assert [found[i].value for i in (0, 3)] == [0.5, 1.5]
    assert [found[i].error for i in (1, 2)] == ["seed=1: no", "its process died"]
    assert (tmp_path / "3.log").read_text().rstrip().endswith("done")


def test_an_engine_that_is_closed_ends_its_jobs(engine, tmp_path):
    def first():
        while not (tmp_path / "began").exists():
            time.sleep(0.01)

    ended = engine(at_once=2).run(jobs(tmp_path, [first, partial(go_on, tmp_path)]), 2)
    assert next(ended)[0].number == 0
    assert multiprocessing.active_children()
    ended.close()
    assert not multiprocessing.active_children()
    assert (tmp_path / "1.log").read_text().rstrip().endswith("stopped")


def test_a_sweep_of_any_analysis_ends_with_its_tables():
    register_schemas()
    stored = ConfigStore.instance().repo
    schemas = {OmegaConf.get_type(stored[n].node) for n in stored if n.endswith("_schema.yaml")}
    assert {each for each in schemas if issubclass(each, AnalysisConfig)} == set(analyses())
