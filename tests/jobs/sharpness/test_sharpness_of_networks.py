"""Curvature of networks that were trained elsewhere."""

import csv

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from symscape.config.analysis import PlaceConfig
from symscape.config.sharpness import SharpnessConfig
from symscape.curvature.hessian import Hessian
from symscape.data.batches import Batches
from symscape.data.load import load_data
from symscape.jobs.analysis.networks import data_config
from symscape.jobs.sharpness.job import sharpness
from symscape.runs.results import SharpnessResult, read_results
from tests.jobs.foreign_networks import DIGITS, attentive, convolutional, write_weights

FEW = {"images": 12, "bn_images": 40, "k": 1, "trace_products": 9, "tolerance": 1e-6}
NETS = "tests.jobs.foreign_networks"


def asking(root, name, **changes):
    words = {"root": str(root), "network": f"{NETS}:{name}", "precision": "float64"}
    return SharpnessConfig(**{**words, **DIGITS, **FEW, **changes})


def results(root):
    (folder,) = (p for p in (root / "networks" / "sharpness").iterdir() if p.is_dir())
    return folder, list(read_results(folder, SharpnessResult))


def full_hessian(network: nn.Module, images, labels):
    """Return the matrix itself, by automatic differentiation in float64."""
    values = [p for p in network.parameters() if p.requires_grad]
    names = [n for n, p in network.named_parameters() if p.requires_grad]
    sizes = [p.numel() for p in values]

    def loss(flat):
        parts = flat.split(sizes)
        state = {n: p.view(v.shape) for n, p, v in zip(names, parts, values, strict=True)}
        return functional.cross_entropy(torch.func.functional_call(network, state, images), labels)

    point = torch.cat([p.detach().flatten() for p in values])
    with sdpa_kernel(SDPBackend.MATH):
        return torch.autograd.functional.hessian(loss, point)


@pytest.mark.parametrize("make", [convolutional, attentive])
def test_the_largest_eigenvalue_is_that_of_the_matrix(tmp_path, make):
    path = write_weights(tmp_path, make, 0, "w.pth")
    sharpness(asking(tmp_path, make.__name__, weights=str(path), scalings="none"))
    folder, (result,) = results(tmp_path)
    (measures,) = result.points[0]["measures"]
    network = make().double().eval()
    state = torch.load(path, weights_only=True)["state_dict"]
    network.load_state_dict({name.removeprefix("module."): t for name, t in state.items()})
    data = load_data(data_config(PlaceConfig(name="digits")))
    shown = {"mean": data.mean, "std": data.std, "device": "cpu", "shuffle": False}

    def first(count):
        few = data.train.subset(slice(count))
        return next(iter(Batches(few, batch_size=count, dtype=torch.float64, **shown)))

    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
            module.momentum = 1.0
    with torch.no_grad():
        network(first(40)[0])
    matrix = full_hessian(network.eval(), *first(12))
    expected = torch.linalg.eigvalsh(matrix).abs().max().item()
    assert measures["subspace"] == "ambient" and measures["dimension"] == len(matrix)
    assert abs(measures["eigenvalues"]["values"][0]) == pytest.approx(expected, rel=1e-6)
    assert result.run.label == f"{NETS}:{make.__name__} w.pth"
    assert result.points[0]["learning_rate"] is None
    assert result.batchnorm.startswith("eval mode" if make is convolutional else "none")
    assert {p.name for p in (folder / "pictures").iterdir()} == {"sharpness.png"}


def test_files_share_a_table_and_what_is_there_is_skipped(tmp_path, capsys):
    for seed, name in enumerate(("a.pth", "b.safetensors")):
        path = write_weights(tmp_path, convolutional, seed, name)
        sharpness(asking(tmp_path, "convolutional", weights=str(path), quantities="trace"))
    folder, found = results(tmp_path)
    with (folder / "sharpness.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["name"].split()[1] for row in rows} == {"a.pth", "b.safetensors"}
    assert len(found) == 2 and {row["seed"] for row in rows} == {""}
    said = capsys.readouterr().out
    assert "convolutional a.pth" in said and "(their own)" in said
    sharpness(asking(tmp_path, "convolutional", weights=str(path), quantities="trace"))
    assert "1 of 1 results are there already" in capsys.readouterr().out
    # Other weights in the same file are another result; shown otherwise it is another question.
    write_weights(tmp_path, convolutional, 7, "b.safetensors")
    sharpness(asking(tmp_path, "convolutional", weights=str(path), quantities="trace"))
    assert len(list(folder.glob("*.json"))) == 3 and len(results(tmp_path)[1]) == 2
    place = PlaceConfig(name="digits", mean=[0.5], std=0.5)
    path = write_weights(tmp_path, convolutional, 0, "a.pth")
    asked = asking(tmp_path, "convolutional", weights=str(path), quantities="trace", data=place)
    sharpness(asked)
    assert "0.500 ± 0.500 (as given)" in capsys.readouterr().out
    assert sum(p.is_dir() for p in folder.parent.iterdir()) == 2


def test_parameters_that_nothing_reads_have_no_curvature():
    network = attentive().double().eval()
    images, labels = torch.rand(4, 1, 32, 32, dtype=torch.float64), torch.arange(4)
    hessian = Hessian(network, images, labels)
    parts = hessian.split(hessian.product(torch.ones(hessian.dimension, dtype=torch.float64)))
    of = dict(zip(dict(network.named_parameters()), parts, strict=True))
    assert not of["unused.weight"].any() and of["head.weight"].any()
