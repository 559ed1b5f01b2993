"""What a user can mend is one line, and leaves nothing behind."""

import sys
from types import ModuleType

import pytest
import torch
from torch import nn

from symscape.config.analysis import PlaceConfig
from symscape.config.audit import AuditConfig
from symscape.errors import SymscapeError
from symscape.jobs.audit.job import audit
from tests.jobs.study import copy_of


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x, y):
        return self.conv(x)


def make():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)
    )


def fails():
    raise RuntimeError("no such luck\nat all")


NETWORKS = {
    "make": make,
    "fails": fails,
    "Two": Two,
    "dense": lambda: nn.Linear(3, 3),
    "three": lambda: nn.Conv3d(3, 3, 3),
    "number": lambda: 7,
}


@pytest.fixture
def place(study, tmp_path, monkeypatch):
    module = ModuleType("badnets")
    for name, function in NETWORKS.items():
        setattr(module, name, function)
    monkeypatch.setitem(sys.modules, "badnets", module)
    monkeypatch.chdir(tmp_path)
    names = {"0.weight": (4, 3, 3, 3), "0.bias": (4,), "3.weight": (10, 4), "3.bias": (10,)}
    state = {name: torch.zeros(shape) for name, shape in names.items()}
    torch.save({**state, "bn1.bias": torch.zeros(3)}, "other.pth")
    torch.save({**state, "0.bias": torch.full((4,), torch.nan)}, "nan.pth")
    (tmp_path / "cut.safetensors").write_bytes(b"\x08\0\0\0")
    return copy_of(study, tmp_path)


OWN = {"network": "badnets:make", "input_size": 32}
STUDY = {"study": "tests"}
BAD = [
    (STUDY | {"network": "torchvision/resnet18"}, "study=tests network=.*: give one of"),
    ({"run": "nowhere"}, "nowhere: no run here"),
    ({"study": "tets"}, "study=tets: did you mean 'tests'"),
    (STUDY | {"weights": "x.pth"}, "weights=x.pth: needs network=NAME"),
    (STUDY | {"input_size": 33}, "input_size=33: needs network=NAME"),
    (STUDY | {"quantities": ["kernel"]}, "quantities=kernel: did you mean 'kernels'"),
    (STUDY | {"quantities": []}, "at least one of kernels"),
    (STUDY | {"images": 0}, "images=0: .*>= 1"),
    (STUDY | {"shifts": 40, "quantities": "consistency"}, "shifts=40: .*32x32"),
    (STUDY | {"precision": "bfloat16"}, "precision=bfloat16: .*float64"),
    ({"network": "resnet18"}, "network=resnet18: allowed are torchvision/NAME"),
    ({"network": "torchvision/ssd300_vgg16"}, "not an image to an answer"),
    (OWN | {"network": "badnets:mak"}, "badnets has no function mak"),
    (OWN | {"network": "nope:make"}, "cannot import nope: ModuleNotFoundError"),
    (OWN | {"network": "badnets:fails"}, "RuntimeError: no such luck$"),
    (OWN | {"network": "badnets:dense"}, "has no convolution"),
    (OWN | {"network": "badnets:three"}, "Conv3d"),
    (OWN | {"network": "badnets:number"}, "gives int, no nn.Module"),
    (OWN | {"network": "badnets:Two"}, "input_size=32x32: .*argument"),
    (OWN | {"input_size": [1, 2, 3]}, r"input_size=\[1, 2, 3\]"),
    (OWN | {"input_size": 0}, "input_size=0"),
    (OWN | {"weights": "none.pth"}, "weights=none.pth: no such file"),
    (OWN | {"weights": "pretrained"}, "weights=pretrained: .*give a file"),
    (OWN | {"weights": "cut.safetensors"}, "weights=cut.safetensors: damaged"),
    (OWN | {"weights": "other.pth"}, "weights=other.pth: .*bn1.bias is in the file alone"),
    (OWN | {"weights": "nan.pth"}, "weights=nan.pth: 0.bias holds values that are not finite"),
    (OWN | {"quantities": ["consistency"]}, "consistency: needs images: data.root=PATH"),
    (OWN | {"data": PlaceConfig(root="nowhere")}, "nowhere"),
    (OWN | {"shards": 2, "shard": 0}, "shards=2: .*one result"),
]


@pytest.mark.parametrize(("words", "said"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_input_is_one_line(place, words, said):
    with pytest.raises(SymscapeError, match=said) as caught:
        audit(AuditConfig(root=str(place), **words))
    assert len(str(caught.value).splitlines()) == 1
    assert not [p for p in place.rglob("audit/**/*") if p.suffix in (".json", ".csv", ".part")]
