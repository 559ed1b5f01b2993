"""Training networks that are not ours: found, resumed, analysed; and what cannot be trained."""

import os
import signal
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from symscape.errors import SymscapeError
from symscape.jobs.train.job import train
from symscape.runs.find import find_runs, load_network, open_run, weights_path
from symscape.runs.identity import config_hash
from symscape.runs.manifest import read_manifest
from symscape.runs.weights import read_weights
from symscape.symmetry.groups import ELEMENTS, GROUP_ELEMENTS
from tests.jobs import own_networks
from tests.jobs.tiny import final_hash, stop_in_epoch, tiny

OWN = "tests.jobs.own_networks"
pytestmark = pytest.mark.usefixtures("no_pictures")


def foreign(root, network="small", model=(), **changes):
    """Return the config of a run of one of our own functions, or of a library's network."""
    network = network if "/" in network or ":" in network else f"{OWN}:{network}"
    model = {"name": "network", "width": None, "network": network, **dict(model)}
    return tiny(root, model=model, **changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    config = foreign(tmp_path_factory.mktemp("networks"))
    return config, train(config)


def test_a_run_of_it_is_like_all_others(finished):
    config, result = finished
    (run,) = find_runs(result.folder.parents[2], "tests")
    assert run.state == "completed" and run.config == config
    assert result.folder.parent.name.startswith(f"digits-{OWN}-small-rot90-standard-")
    names = {p.name for p in (result.folder / "pictures").iterdir()}
    assert names == {"training.png", "mean_kernels.png", "symmetry.png", "kernels.png"}
    log = (result.folder / "train.log").read_text()
    assert "2 of 3 convolutions obey rot90" in log
    assert "as they are: 4 (1x1: rot90 ties no taps)" in log
    assert not train(config).trained


def test_its_kernels_obey_under_its_own_names(finished):
    _, result = finished
    for step in ("init", "1", "final"):
        network = load_network(open_run(result.folder), step)
        for layer in (network[0], network[3]):
            for element in GROUP_ELEMENTS["rot90"]:
                assert torch.equal(ELEMENTS[element](layer.weight), layer.weight)
    own_networks.small(10, 1).load_state_dict(read_weights(weights_path(result.folder))[0])


def test_stopped_and_resumed_it_ends_with_the_same_bits(finished, tmp_path, monkeypatch):
    """Dropout draws from the seed and the number of the step."""
    config, result = finished
    config = replace(config, root=str(tmp_path))

    stop_in_epoch(monkeypatch, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train(config)
    torch.manual_seed(99)
    assert final_hash(train(config)) == final_hash(result)
    other = train(replace(config, seed=1))
    assert final_hash(other) != final_hash(result)


def test_a_network_is_told_apart_by_name_arguments_and_weights(tmp_path):
    base = foreign(tmp_path)
    wide = foreign(tmp_path, model={"arguments": {"width": 8}})
    paths = [tmp_path / name for name in ("a.pt", "b.pt", "c.pt")]
    for path, value in zip(paths, (0, 0, 1), strict=True):
        path.write_bytes(bytes([value]))
    loaded = [
        foreign(tmp_path, model={"weights": str(path)}, symmetry={"init": "projected"})
        for path in paths
    ]
    hashes = [config_hash(each, "digits") for each in (base, wide, *loaded)]
    assert hashes[2] == hashes[3] and len(set(hashes)) == 4


def test_arguments_reach_it(tmp_path):
    config = foreign(tmp_path, model={"arguments": {"width": 6}}, trainer={"max_epochs": 1})
    assert load_network(open_run(train(config).folder))[0].out_channels == 6


def test_it_starts_from_the_projection_of_weights(tmp_path):
    torch.manual_seed(5)
    given = own_networks.small(3, 1)
    path = tmp_path / "given.safetensors"
    save_file(given.state_dict(), path)
    config = foreign(
        tmp_path,
        model={"weights": str(path)},
        symmetry={"name": "hflip", "init": "projected"},
        trainer={"max_epochs": 1},
    )
    result = train(config)
    assert "other classes than those of the weights, anew: 10.bias, 10.weight" in (
        (result.folder / "train.log").read_text()
    )
    start = load_network(open_run(result.folder), "init")
    for i in (0, 3):
        mean = (given[i].weight + given[i].weight.flip(-1)) / 2
        torch.testing.assert_close(start[i].weight, mean, rtol=0, atol=1e-6)
    assert torch.equal(start[4].weight, given[4].weight)
    assert start[10].out_features == 10


def test_every_symmetry_starts_from_the_same_draw_of_its_own(tmp_path):
    starts = {}
    for name in ("vanilla", "hflip"):
        changes = {"symmetry": {"name": name, "init": "plain"}, "trainer": {"max_epochs": 1}}
        starts[name] = load_network(open_run(train(foreign(tmp_path, **changes)).folder), "init")
    kernel = starts["vanilla"][0].weight
    mean = (kernel + kernel.flip(-1)) / 2
    torch.testing.assert_close(starts["hflip"][0].weight, mean, rtol=0, atol=1e-6)
    assert torch.equal(starts["hflip"][10].weight, starts["vanilla"][10].weight)


@pytest.mark.parametrize(
    ("network", "changes", "line"),
    [
        ("missing", {}, r"model.network=.*has no function missing"),
        ("nowhere:f", {}, r"model.network=nowhere:f: cannot import nowhere"),
        ("raising", {}, r"model.network=.*RuntimeError: no network today"),
        ("tensor", {}, r"gives Tensor, no nn.Module"),
        ("lazy", {}, r"has lazy layers"),
        ("pointwise", {}, r"symmetry=rot90: no convolution of .* can obey \(0: 1x1: rot90 ties"),
        ("fixed", {}, r"answers with \(2, 7\) in evaluation for 2 images of 10 classes; if a"),
        ("deep", {}, r"cannot take images of 1x32x32 in evaluation: RuntimeError"),
        ("answering", {"model": {"arguments": {"kind": "dict"}}}, "answers with dict in evalu"),
        ("answering", {"model": {"arguments": {"kind": "tuple"}}}, "answers with tuple in eval"),
        ("answering", {"model": {"arguments": {"kind": "aux"}}}, "answers with tuple in train"),
        ("small", {"model": {"arguments": {"depth": 3}}}, "unexpected keyword argument 'depth'"),
        ("small", {"symmetry": {"layers": ["body.*"]}}, r"symmetry.layers=body\.\*: "),
        ("torchvision/resnet19", {}, r"resnet19: did you mean 'torchvision/resnet1"),
        ("torchvision/vgg11", {}, r"cannot take images of 1x8x8 in"),
        ("resnet18/", {}, "allowed are torchvision/NAME, timm/NAME"),
    ],
)
def test_what_cannot_be_trained_is_one_line_and_leaves_nothing(tmp_path, network, changes, line):
    if network == "torchvision/vgg11":
        changes = {"data": {"image_size": 8}}
    with pytest.raises(SymscapeError, match=line) as error:
        train(foreign(tmp_path, network, **changes))
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob("**/*.json")) + list(tmp_path.glob("**/*.yaml"))


class Code:
    def __reduce__(self):
        return print, ("executed",)


def damaged(path):
    good = own_networks.small(10, 1).state_dict()
    if path.name == "other.pt":
        torch.save(models.squeezenet1_1().state_dict(), path)
    elif path.name == "wide.pt":
        torch.save(own_networks.small(10, 1, width=6).state_dict(), path)
    elif path.name == "code.pt":
        torch.save({"state_dict": Code()}, path)
    elif path.name == "infinite.pt":
        torch.save(good | {"0.weight": good["0.weight"] / 0}, path)
    elif path.name == "cut.pt":
        torch.save(good, path)
        path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("none.pt", "model.weights=.*none.pt: cannot be read: No such file"),
        ("other.pt", r"model.weights=.*other.pt: of another architecture: 0.weight is in the netw"),
        ("wide.pt", r"wide.pt: of another architecture: .* in the file, .* in the network"),
        ("code.pt", "code.pt: holds more than tensors"),
        ("infinite.pt", "infinite.pt: 0.weight holds values that are not finite"),
        ("cut.pt", "cut.pt: damaged"),
    ],
)
def test_weights_that_cannot_be_had(tmp_path, capsys, name, line):
    path = tmp_path / name
    damaged(path)
    changes = {"model": {"weights": str(path)}, "symmetry": {"init": "projected"}}
    with pytest.raises(SymscapeError, match=line):
        train(foreign(tmp_path / "runs", **changes))
    assert "executed" not in capsys.readouterr().out
    assert not list((tmp_path / "runs").glob("**/manifest.json"))


def test_settings_that_do_not_go_together(tmp_path):
    for changes, line in (
        ({"model": {"weights": "a.pt"}}, "symmetry.init=matched: model.weights=a.pt needs proj"),
        ({"symmetry": {"init": "projected"}}, "symmetry.init=projected: needs model=network"),
        ({"model": {"width": 3}}, "model.width=3: model=network takes arguments of its own"),
        ({"model": {"network": None}}, "model.network=null: model=network needs torchvision/"),
        ({"model": {"weights": "pretrained"}, "symmetry": {"name": "vanilla"}}, "is no library's"),
    ):
        with pytest.raises(SymscapeError, match=line):
            train(foreign(tmp_path, **changes))
    with pytest.raises(SymscapeError, match=r"model\.network=torchvision/resnet18: needs mod"):
        tiny(tmp_path, model={"network": "torchvision/resnet18"})
    with pytest.raises(SymscapeError, match=r"symmetry\.layers=stm: did you mean 'stem'"):
        tiny(tmp_path, symmetry={"layers": ["stm"]})


@pytest.mark.slow
def test_a_torchvision_network_on_grey_images_killed_and_resumed(tmp_path, monkeypatch):
    """The library has no option for them: its first kernels are summed over the colours."""
    name = "torchvision/mobilenet_v3_small"
    config = foreign(tmp_path / "killed", name, symmetry={"name": "hflip"})
    stop_in_epoch(monkeypatch, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train(config)
    result = train(replace(config, root=str(tmp_path / "whole")))
    assert final_hash(train(config)) == final_hash(result)
    run = open_run(result.folder)
    manifest = read_manifest(run.folder)
    assert manifest.library.startswith("torchvision ")
    network = load_network(run)
    assert network.features[0][0].in_channels == 1 and network.classifier[3].out_features == 10
