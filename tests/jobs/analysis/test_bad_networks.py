"""What a user can mend about networks of her own is one line, and leaves nothing behind."""

import pytest
import torch
from torch import nn

from symscape.config.analysis import PlaceConfig
from symscape.config.interpolate import InterpolateConfig
from symscape.config.sharpness import SharpnessConfig
from symscape.errors import SymscapeError
from symscape.jobs.analysis.labels import labels_of
from symscape.jobs.interpolate.job import interpolate
from symscape.jobs.sharpness.job import sharpness
from symscape.runs.subjects import NetworkReference
from tests.jobs import foreign_networks
from tests.jobs.foreign_networks import DIGITS, attentive, convolutional, depthwise, write_weights

HERE = foreign_networks.__name__
FEW = {"images": 4, "bn_images": 8, "k": 1, "trace_products": 9}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    good = write_weights(tmp_path, convolutional, 0, "a.pth")
    write_weights(tmp_path, convolutional, 1, "b.pth")
    write_weights(tmp_path, attentive, 0, "other.pth")
    write_weights(tmp_path, lambda: depthwise(width=6), 0, "wide.safetensors")
    (tmp_path / "cut.pth").write_bytes(good.read_bytes()[:300])
    (tmp_path / "noise.pth").write_bytes(bytes(range(65, 97)) * 40)
    torch.save({"model": nn.Linear}, "code.pth")
    torch.save({"epoch": 3}, "none.pth")
    state = {k: v for k, v in convolutional().state_dict().items() if k != "head.bias"}
    torch.save(state, "less.pth")
    torch.save(
        {**convolutional().state_dict(), "head.bias": torch.full((10,), torch.inf)}, "inf.pth"
    )
    return tmp_path


WEIGHTS = [
    ("gone.pth", "={}: no such file"),
    ("cut.pth", "={}: damaged, or no weights"),
    ("noise.pth", "={}: damaged, or no weights"),
    ("code.pth", "={}: holds more than tensors, which could execute"),
    ("none.pth", "={}: epoch is int, no tensor"),
    ("other.pth", "={}: of another architecture: .* is in the (file|network) alone"),
    ("less.pth", "={}: of another architecture: head.bias is in the network alone"),
    ("wide.safetensors", r"={}: .*: depthwise.bias is \(6,\) in the file, \(4,\) in the network"),
    ("inf.pth", "={}: head.bias holds values that are not finite"),
]
NETWORKS = [
    ("nowhere:make", "network=nowhere:make: cannot import nowhere: ModuleNotFoundError"),
    (f"{HERE}:missing", "has no function missing"),
    (f"{HERE}:fails", "RuntimeError: no such luck$"),
    (f"{HERE}:number", "gives int, no nn.Module"),
    (f"{HERE}:pair", "answers with tuple, not with a tensor of logits"),
    (f"{HERE}:dictionary", "answers with dict, not with a tensor of logits"),
    (f"{HERE}:dense", "answers with 2x10x32x32 for 2 images, not with a logit a class"),
    (f"{HERE}:twelve", "12 logits, and the images have 10 classes"),
    (f"{HERE}:large", "cannot read images of 1x32x32 .*data.image_size.*Kernel size"),
    (f"{HERE}:by_the_batch", "norm normalises by the batch"),
    ("torchvision/resnet81", "did you mean 'torchvision/resnet18'"),
    ("resnet18", "allowed are torchvision/NAME"),
]


def check(place, said, work):
    before = sorted(place.rglob("*"))
    with pytest.raises(SymscapeError, match=said) as caught:
        work()
    assert len(str(caught.value).splitlines()) == 1
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(("name", "said"), WEIGHTS)
def test_files_that_do_not_fit(place, name, said):
    words = {"root": str(place), "network": f"{HERE}:convolutional", **DIGITS}
    one = SharpnessConfig(weights=name, **words, **FEW)
    check(place, "^weights" + said.format(name), lambda: sharpness(one))
    two = InterpolateConfig(a="a.pth", b=name, **words)
    check(place, "^b" + said.format(name), lambda: interpolate(two))


@pytest.mark.parametrize(("name", "said"), NETWORKS)
def test_networks_that_cannot_be_looked_at(place, name, said):
    config = SharpnessConfig(root=str(place), network=name, **DIGITS, **FEW)
    check(place, said, lambda: sharpness(config))


OWN = {"network": f"{HERE}:convolutional", **DIGITS}
FILES = {"a": "a.pth", "b": "b.pth"}
ASKED_OF_ONE = [
    (OWN | {"study": "tests"}, "study=tests network=.*: give one of study=NAME, run=RUN"),
    (OWN | {"along": "trajectory"}, "along=trajectory: needs study=NAME or run=RUN"),
    (OWN | {"subspaces": ["own", "ambient"]}, "subspaces=own: .*no symmetry: takes ambient alone"),
    (OWN | {"data": PlaceConfig()}, "data.root=null: .*data.root=PATH or data=NAME"),
    (OWN | {"shards": 2, "shard": 0}, "shards=2: needs study=NAME; a network is one result"),
    ({"study": "tests", "weights": "a.pth"}, "weights=a.pth: needs network=NAME"),
    ({"study": "tests", **DIGITS}, "data.name=digits: needs network=NAME; runs have their own"),
]
ASKED_OF_TWO = [
    (OWN | FILES | {"study": "tests"}, "study=tests network=.*: give one of study=NAME, a=RUN"),
    (OWN | {"a": "a.pth"}, "b=: missing; network=NAME needs two files: a=FILE b=FILE"),
    (OWN | {"b": "b.pth"}, "a=: missing; network=NAME needs two files"),
    (OWN, "a=: missing; network=NAME needs two files"),
    (OWN | FILES | {"along": "trajectory"}, "along=trajectory: needs study=NAME or a=RUN"),
    (OWN | FILES | {"pairs": "within"}, "pairs=within: needs study=NAME; two files are one pair"),
    (OWN | FILES | {"data": PlaceConfig()}, "data.root=null: .*data.root=PATH or data=NAME"),
    (OWN | {"a": "a.pth", "b": "a.pth"}, "a=b=a.pth: a network has no barrier to itself"),
    (OWN | {"a": "a.pth", "b": "pretrained"}, "pretrained: .* is no library's; give a file"),
]


@pytest.mark.parametrize(("words", "said"), ASKED_OF_ONE)
def test_what_has_no_meaning_for_one_network(place, words, said):
    check(place, said, lambda: sharpness(SharpnessConfig(root=str(place), **words, **FEW)))


@pytest.mark.parametrize(("words", "said"), ASKED_OF_TWO)
def test_what_has_no_meaning_for_two_files(place, words, said):
    check(place, said, lambda: interpolate(InterpolateConfig(root=str(place), **words)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"name": "shapes"}, "data.name=shapes: .*allowed are cifar10"),
        ({"name": "digit"}, "did you mean 'digits'"),
        ({"image_size": 0}, "data.image_size=0"),
        ({"mean": [0.5], "std": [0.0]}, "data.std=0.0"),
        ({"mean": ["grey"], "std": [1.0]}, "data.mean=.*number a channel"),
        ({"mean": [0.5]}, "data.std=null: give data.mean and data.std together"),
    ],
)
def test_images_that_cannot_be_shown(words, said):
    with pytest.raises(SymscapeError, match=said):
        PlaceConfig(**words)


def test_a_mean_for_each_channel(place):
    shown = PlaceConfig(name="digits", mean=[0.5, 0.5], std=[1.0, 1.0])
    config = SharpnessConfig(root=str(place), network=f"{HERE}:convolutional", data=shown, **FEW)
    check(place, "data.mean=.*2 values, and the images have 1 channel", lambda: sharpness(config))


def test_files_of_one_network_are_labelled_by_themselves():
    one = [NetworkReference(f"net:make {name}", name) for name in ("a.pth", "b.pth")]
    other = NetworkReference("torchvision/resnet18", "c")
    assert labels_of(one) == {"net:make a.pth": "a.pth", "net:make b.pth": "b.pth"}
    assert labels_of(one[:1]) == {"net:make a.pth": "net:make a.pth"}
    assert set(labels_of([*one, other]).values()) == {one[0].label, one[1].label, other.label}
