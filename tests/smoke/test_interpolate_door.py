"""The door to barriers from outside: bad input, sweeps, Ctrl-C, kill -9, two at once."""

import json
import signal
import time

import pytest

from tests.jobs.study import copy_of
from tests.smoke.door import call
from tests.smoke.forked import Forked, forked

FEW = ("train_images=100", "bn_images=100", "test_images=60", "align_images=100")
FEW += ("precision=float32", "restarts=1")

BAD = {
    "": ("study=null", "study=NAME", "a=RUN b=RUN"),
    "study=tests a=x b=y": ("study=tests", "either"),
    "a=x": ("b=: missing", "a=RUN needs b=RUN"),
    "b=x": ("a=: missing", "b=RUN needs a=RUN"),
    "along=trajectory": ("study=NAME or a=RUN",),
    "study=tests aling=none": ("aling", "'align'"),
    "study=tests shard=1": ("shard=1", "shards=N"),
    "study=tests shard=4 shards=4": ("shard=4", "0,1,2,3"),
    "--hlep": ("--hlep", "'--help'", "--multirun"),
    "a=nowhere b=nowhere": ("nowhere", "no run here"),
    "study=tets": ("study=tets", "'tests'"),
    "study=../x": ("study=../x", "folder"),
    "study=tests points=4": ("points=4", "odd"),
    "study=tests points=1": ("points=1", ">= 3"),
    "study=tests align=activation": ("align=activation", "'activations'"),
    "study=tests bn=rest": ("bn=rest", "'reset'"),
    "study=tests path=cubic": ("path=cubic", "line, quadratic, polygon"),
    "study=tests path=quadratic bn=repair": ("path=quadratic", "bn=reset"),
    "study=tests path=polygon path_lr=0": ("path_lr=0", "> 0"),
    "study=tests transform=[rot91]": ("transform=rot91", "'rot90'"),
    "study=tests symmetry=rot90": ("symmetry", "'only.symmetry'"),
    "study=tests only.symmetry=rot91": ("only.symmetry=rot91", "'rot90'"),
    "study=tests only.seed=-1": ("only.seed=[-1]", ">= 0"),
    "study=tests only.model=resnet18": ("only.model=['resnet18']", "no run"),
    "study=tests bn_images=0": ("bn_images=0", ">= 1"),
    "study=tests along=trajectory bn=repair": ("along=trajectory", "bn=reset"),
    "study=tests logger=tensorboard": ("logger=tensorboard", "csv or wandb"),
    "study=tests accelerator=gpu": ("error: accelerator=gpu", "no GPU"),
    "study=tests points=many": ("points=many", "Integer"),
}


@pytest.fixture(scope="module")
def untouched(study, tmp_path_factory):
    place = tmp_path_factory.mktemp("door")
    copy_of(study, place).rename(place / "multirun")
    return place


@pytest.fixture
def place(study, tmp_path):
    copy_of(study, tmp_path).rename(tmp_path / "multirun")
    return tmp_path


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_one_line(untouched, words):
    result = forked(untouched, "interpolate", *words.split(), CUDA_VISIBLE_DEVICES="")
    assert result.returncode == 1
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), result.stderr
    for part in BAD[words]:
        assert part in lines[0]
    assert not list(untouched.rglob("*.json.part")) and not list(untouched.glob("x"))


def test_two_runs_by_their_folders(place):
    folder = place / "multirun" / "tests"
    a, b = sorted(folder.glob("*/seed=0"))
    words = (f"a={a}", f"b={b.relative_to(place)}", "points=3")
    result = call(place, "interpolate", *words, *FEW)
    assert result.returncode == 0, result.stderr
    assert len(list(folder.glob("interpolate/named/*/*.json"))) == 1


def results(place):
    return sorted((place / "multirun" / "tests" / "interpolate").glob("*/*.json"))


def test_a_sweep_over_policies_makes_a_folder_for_each(place):
    words = ("-m", "study=tests", "points=3", "pairs=within", "bn=reset,none", "align=none,weights")
    result = forked(place, "interpolate", *words, *FEW)
    assert result.returncode == 0, result.stderr
    assert len({path.parent for path in results(place)}) == 4 and len(results(place)) == 8


def launch(place, *words):
    return Forked(place, "interpolate", "study=tests", "points=5", *FEW, *words)


def wait_for_one(place, process):
    while not results(place):
        assert process.poll() is None, process.output()
        time.sleep(0.02)


def test_ctrl_c_keeps_what_is_finished_and_the_next_call_goes_on(place):
    process = launch(place)
    wait_for_one(place, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    kept = len(results(place))
    assert process.returncode == 130 and err.strip() == "interrupted"
    assert f"{kept} new results are kept" in out and 1 <= kept < 6
    again = forked(place, "interpolate", "study=tests", "points=5", *FEW)
    assert again.returncode == 0 and f"{kept} of 6 results are there already" in again.stdout
    assert len(results(place)) == 6


@pytest.mark.slow
def test_a_killed_process_costs_the_result_at_hand_only(place):
    process = launch(place)
    wait_for_one(place, process)
    process.kill()
    process.communicate(timeout=60)
    kept = results(place)
    assert all(json.loads(path.read_text())["kind"] == "pair" for path in kept)
    again = forked(place, "interpolate", "study=tests", "points=5", *FEW)
    assert f"{len(kept)} of 6 results are there already" in again.stdout
    assert len(results(place)) == 6


@pytest.mark.slow
def test_two_processes_share_the_work(place):
    both = [launch(place), launch(place)]
    texts = [process.communicate(timeout=280) for process in both]
    assert [process.returncode for process in both] == [0, 0], texts
    assert len(results(place)) == 6
    made = sum(out.count(": barrier train") for out, _ in texts)
    assert made == 6, "no pair is measured twice"
