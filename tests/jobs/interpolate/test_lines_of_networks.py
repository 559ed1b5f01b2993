"""The line between two files of weights of a network that was trained elsewhere."""

import csv

import pytest
import torch
from torch.nn import functional

from symscape.config.analysis import PlaceConfig
from symscape.config.interpolate import InterpolateConfig
from symscape.data.batches import Batches
from symscape.data.load import load_data
from symscape.errors import SymscapeError
from symscape.jobs.analysis.networks import data_config
from symscape.jobs.interpolate.job import interpolate
from symscape.models.weights import read_foreign
from symscape.runs.results import PairResult, read_results
from tests.jobs import foreign_networks
from tests.jobs.foreign_networks import (
    DIGITS,
    attentive,
    convolutional,
    frozen,
    grouped,
    write_weights,
)

FEW = {"train_images": 60, "bn_images": 80, "test_images": 30, "align_images": 60, "points": 3}


def asking(root, name, **changes):
    words = {"root": str(root), "network": f"{foreign_networks.__name__}:{name}"}
    words |= {"precision": "float32", "a": str(root / "a.pth")}
    words |= {"b": str(root / "b.safetensors"), **DIGITS, **FEW}
    return InterpolateConfig(**{**words, **changes})


def two_files(root, make):
    return [write_weights(root, make, s, n) for s, n in enumerate(("a.pth", "b.safetensors"))]


def result(root, align="none"):
    (folder,) = (p for p in (root / "networks" / "interpolate").glob(f"{align}-*") if p.is_dir())
    (found,) = read_results(folder, PairResult)
    return folder, found


def images(part, count):
    data = load_data(data_config(PlaceConfig(name="digits")))
    few = getattr(data, part).subset(slice(count))
    shown = {"mean": data.mean, "std": data.std, "device": "cpu", "shuffle": False}
    return next(iter(Batches(few, batch_size=count, **shown)))


def middle(network, a, b, alpha=0.5):
    """Fill a network with the weights on the line, statistics and all."""
    state = {k: torch.lerp(v, b[k], alpha) if v.is_floating_point() else v for k, v in a.items()}
    network.load_state_dict(state)
    return network.eval()


@pytest.mark.parametrize(
    ("make", "bn"), [(convolutional, "lerp"), (attentive, "reset"), (frozen, "reset")]
)
def test_the_line_is_that_of_the_weights_in_the_files(tmp_path, make, bn, capsys):
    a, b = (read_foreign(path) for path in two_files(tmp_path, make))
    interpolate(asking(tmp_path, make.__name__, bn=bn))
    folder, found = result(tmp_path)
    for split, count in (("train", 60), ("test", 30)):
        x, y = images(split, count)
        for alpha, loss in zip(found.alphas, found.curves[split]["loss"], strict=True):
            with torch.no_grad():
                expected = functional.cross_entropy(middle(make(), a, b, alpha)(x), y)
            assert loss == pytest.approx(expected.item(), rel=1e-4)
    assert found.alphas == [0.0, 0.5, 1.0] and found.alignment["method"] == "none"
    assert found.a.label.endswith(" a.pth") and found.b.label.endswith(" b.safetensors")
    assert {p.name for p in (folder / "pictures").iterdir()} == {
        f"{name}.png" for name in ("loss", "accuracy")
    }
    with (folder.parent / "barriers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["name_a"] == found.a.label and rows[0]["seed_a"] == ""

    interpolate(asking(tmp_path, make.__name__, bn=bn))
    assert "1 of 1 results are there already" in capsys.readouterr().out


def test_statistics_are_recomputed_at_both_ends(tmp_path):
    a, _ = (read_foreign(path) for path in two_files(tmp_path, convolutional))
    interpolate(asking(tmp_path, "convolutional"))
    _, found = result(tmp_path)
    network = middle(convolutional(), a, a)
    network.norm.train().momentum = 1.0
    with torch.no_grad():
        network(images("train", 80)[0])
        x, y = images("train", 60)
        expected = functional.cross_entropy(network.eval()(x), y).item()
    assert found.curves["train"]["loss"][0] == pytest.approx(expected, rel=1e-4)


def test_a_policy_without_meaning_is_refused_or_changes_nothing(tmp_path):
    two_files(tmp_path, attentive)
    with pytest.raises(SymscapeError, match=r"^bn=repair: .*no BatchNorm or GroupNorm") as caught:
        interpolate(asking(tmp_path, "attentive", bn="repair"))
    assert len(str(caught.value).splitlines()) == 1 and not (tmp_path / "networks").exists()
    for bn in ("reset", "lerp", "none"):
        interpolate(asking(tmp_path, "attentive", bn=bn))
    folders = [p for p in (tmp_path / "networks" / "interpolate").iterdir() if p.is_dir()]
    (first, *others) = [next(read_results(folder, PairResult)).curves for folder in folders]
    assert len(others) == 2 and all(other == first for other in others)


def test_repair_rescales_behind_norms_without_statistics(tmp_path):
    two_files(tmp_path, grouped)
    interpolate(asking(tmp_path, "grouped", bn="repair"))
    _, found = result(tmp_path)
    interpolate(asking(tmp_path, "grouped"))
    (folder,) = (tmp_path / "networks" / "interpolate").glob("none-reset-*")
    (reset,) = read_results(folder, PairResult)
    ours, theirs = (r.curves["train"]["loss"] for r in (found, reset))
    assert ours[0] == pytest.approx(theirs[0], rel=1e-4)
    assert ours[1] != pytest.approx(theirs[1], rel=1e-3)


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    paths = []
    for i in (1, 2):
        (tmp_path / f"run{i}").mkdir()
        paths.append(write_weights(tmp_path / f"run{i}", convolutional, i, "best.pth"))
    interpolate(asking(tmp_path, "convolutional", a=str(paths[0]), b=str(paths[1])))
    _, found = result(tmp_path)
    assert found.a.label.endswith(" run1/best.pth") and found.b.label.endswith(" run2/best.pth")
