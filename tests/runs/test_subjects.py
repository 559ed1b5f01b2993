"""A result is about a run, or about a network that no run trained."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from symscape.errors import SymscapeError
from symscape.runs.results import Result, read_result, read_results, result_path, write_result
from symscape.runs.subjects import NetworkReference, Reference, RunReference

RUN = RunReference("multirun/s/n-1/seed=0", "s", "n-1", 0, "resnet20", "rot90", "none", "ab" * 32)
NETWORK = NetworkReference("torchvision/resnet50", "cd" * 32)


@dataclass(kw_only=True)
class Measured(Result):
    """A result of an analysis of anything."""

    kind: ClassVar[str] = "measured"
    subject: Reference
    value: float


@pytest.mark.parametrize("subject", [RUN, NETWORK])
def test_a_result_comes_back_as_it_was_written(tmp_path, subject):
    path = result_path(tmp_path, [subject])
    write_result(path, Measured(subject=subject, value=1.5, settings={"k": 1}))
    assert read_result(path, Measured) == Measured(subject=subject, value=1.5, settings={"k": 1})
    assert path.parent == tmp_path  # The slash of a network's name makes no folder.


def test_names_of_files_hold_what_the_result_is_about_and_with_which_weights(tmp_path):
    run, network = (result_path(tmp_path, [each]).name for each in (RUN, NETWORK))
    assert run.startswith("n-1-seed=0--") and network.startswith("torchvision-resnet50--")
    other = NetworkReference(NETWORK.label, "ef" * 32)
    assert result_path(tmp_path, [other]).name != network


def test_of_several_results_about_one_network_the_newest_counts(tmp_path):
    for i, weights in enumerate(("ab", "cd")):
        subject = NetworkReference(NETWORK.label, weights * 32)
        result = Measured(subject=subject, value=float(i), finished=f"2026-01-0{i + 1}")
        write_result(result_path(tmp_path, [subject]), result)
    assert [result.value for result in read_results(tmp_path, Measured)] == [1.0]


def test_a_reference_with_fields_of_its_own_is_no_result_of_ours(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"schema_version": 1, "kind": "measured", "subject": {"name": 1}, "value": 2}')
    with pytest.raises(SymscapeError, match="damaged, or no result"):
        read_result(path, Measured)
