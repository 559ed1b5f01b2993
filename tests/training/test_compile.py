"""torch.compile leaves no trace in the weights' names."""

import shutil
from dataclasses import replace

import pytest

from symscape.jobs.train.job import train
from symscape.runs.find import load_network, open_run, weights_path
from symscape.runs.weights import read_weights
from tests.jobs.tiny import tiny


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_run_has_the_same_names_and_nearly_the_same_figures(tmp_path):
    plain = tiny(tmp_path)
    runs = [train(config) for config in (plain, replace(plain, compile=True))]
    assert runs[0].folder.parent != runs[1].folder.parent
    states = [read_weights(weights_path(run.folder))[0] for run in runs]
    assert list(states[0]) == list(states[1])
    assert not any("orig_mod" in name for name in states[1])
    load_network(open_run(runs[1].folder))
    assert runs[1].figures["test/loss"] == pytest.approx(runs[0].figures["test/loss"], rel=1e-2)
