"""What a manifest keeps of a run that is resumed elsewhere."""

from symscape.runs import manifest
from symscape.runs.manifest import Manifest


def test_a_run_resumed_with_other_versions_keeps_both(monkeypatch):
    run, cpu = Manifest("name", 0, "abc"), {"name": "a CPU"}
    for torch, resolved in (("1", cpu), ("1", cpu), ("2", cpu), ("2", {"name": "a GPU"})):
        monkeypatch.setattr(manifest, "package_versions", lambda torch=torch: {"torch": torch})
        run.begin(resolved)
    found = [(each["versions"]["torch"], each["device"]) for each in run.segments]
    assert found == [("1", "a CPU"), ("2", "a CPU"), ("2", "a GPU")]
    assert len(run.started) == 4 and run.versions == {"torch": "2"}


def test_a_run_begun_by_an_earlier_version_keeps_what_it_began_with():
    run = Manifest("name", 0, "abc", started=["then"], versions={"torch": "0"})
    run.begin({"name": "a CPU"})
    assert run.segments[0]["versions"] == {"torch": "0"} and run.segments[0]["from"] == "then"
    assert len(run.segments) == 2
