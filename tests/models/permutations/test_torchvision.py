"""Groups of networks of torchvision: how much of them may move, and that they are right."""

import pytest
import torch
from torchvision import models

from tests.models.permutations.checks import checked, images

# Groups, of them outer ones, taps, share of places in groups in %.
SMALL = {
    "resnet18": (12, 12, 17, 99.98),
    "squeezenet1_0": (25, 25, 17, 99.96),
    "mobilenet_v3_small": (27, 27, 53, 99.99),
}
LARGE = {
    "alexnet": (7, 7, 7, 99.99),
    "vgg11_bn": (10, 10, 10, 99.99),
    "resnet50": (37, 37, 49, 99.99),
    "mobilenet_v2": (25, 25, 52, 99.99),
    "mnasnet1_0": (25, 25, 52, 99.99),
    "densenet121": (120, 120, 120, 99.99),
    "shufflenet_v2_x1_0": (86, 86, 53, 99.92),
    "efficientnet_b0": (40, 40, 81, 99.99),
    "efficientnet_v2_s": (75, 75, 170, 99.99),
    "convnext_tiny": (22, 22, 58, 99.99),
    "googlenet": (57, 57, 39, 99.99),
    "inception_v3": (94, 94, 70, 99.99),
    "resnext50_32x4d": (1045, 21, 49, 99.99),
    "regnet_y_400mf": (1099, 37, 81, 99.99),
    "vit_b_16": (313, 25, 25, 99.93),
    "swin_t": (304, 28, 28, 98.57),
    "swin_v2_t": (328, 52, 40, 99.98),
}


def check(name: str, groups: int, outer: int, taps: int, coverage: float) -> None:
    torch.manual_seed(0)
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    size = {"inception_v3": 299, "alexnet": 64, "resnet18": 64, "vit_b_16": 224}.get(name, 96)
    spec = checked(models.get_model(name, weights=None, **options), images(size))
    assert (len(spec.sizes), len(spec.outer()), len(spec.taps)) == (groups, outer, taps)
    assert round(100 * spec.coverage, 2) >= coverage
    assert set(spec.held) <= {"input", "constants", "nothing like them"}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_groups_of_small_networks(name):
    check(name, *SMALL[name])


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", LARGE)
def test_groups_of_large_networks(name):
    check(name, *LARGE[name])
