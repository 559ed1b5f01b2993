"""A signal that comes while a door still imports ends it in a line."""

import pytest

from tests.smoke.door import ROOT, call

# It stands in for the first of the slow imports, and is interrupted in it.
INTERRUPTED = """
import os, signal, time
os.kill(os.getpid(), signal.SIGINT)
time.sleep(20)
"""
DOORS = sorted(path.stem for path in ROOT.glob("*.py"))


@pytest.mark.parametrize("door", DOORS)
def test_ctrl_c_during_imports_is_one_line(tmp_path, door):
    (tmp_path / "hydra.py").write_text(INTERRUPTED)
    result = call(tmp_path, door, "--help", PYTHONPATH=str(tmp_path))
    assert (result.returncode, result.stderr) == (130, "interrupted\n")
