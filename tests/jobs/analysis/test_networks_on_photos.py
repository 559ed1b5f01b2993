"""A folder of photographs, or a zip of it, is what networks of the user's own are looked at on."""

from pathlib import Path

import pytest
import torch
from torch import nn

from symscape.config.analysis import PlaceConfig
from symscape.config.interpolate import InterpolateConfig
from symscape.config.sharpness import SharpnessConfig
from symscape.jobs.interpolate.job import interpolate
from symscape.jobs.sharpness.job import sharpness
from symscape.runs.results import PairResult, SharpnessResult, read_results
from tests.data.folder.image_trees import make_tree, pack


def small(num_classes: int, in_channels: int) -> nn.Module:
    """Return a network that asks for the classes and channels of the images."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 4, 3, 2, 1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, num_classes),
    )


@pytest.fixture
def place(tmp_path):
    make_tree(tmp_path / "photos", train=4, size=(20, 26), suffix="jpg")
    pack(tmp_path / "photos", tmp_path / "photos.zip", top="photos")
    for seed, name in enumerate(("a.pth", "b.pth")):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            torch.save(small(2, 3).state_dict(), tmp_path / name)
    return tmp_path


def words(place, images):
    data = PlaceConfig(root=str(place / images), image_size=16)
    own = {"root": str(place / images.replace(".", "-of-")), "network": f"{__name__}:small"}
    return own | {"data": data, "precision": "float32", "bn_images": 8}


def test_a_folder_and_its_zip_give_one_line_and_one_curvature(place, capsys):
    curves, spectra = [], []
    for images in ("photos", "photos.zip"):
        own = words(place, images)
        few = {"train_images": 8, "test_images": 4, "points": 3}
        interpolate(InterpolateConfig(a=str(place / "a.pth"), b=str(place / "b.pth"), **own, **few))
        few = {"images": 8, "k": 1, "trace_products": 9, "scalings": "none"}
        sharpness(SharpnessConfig(weights=str(place / "a.pth"), **own, **few))
        (pair,) = found(own["root"], "interpolate", PairResult)
        (point,) = found(own["root"], "sharpness", SharpnessResult)[0].points
        curves.append(pair.curves)
        (measures,) = point["measures"]
        spectra.append((measures["eigenvalues"]["values"], measures["trace"]["value"]))
        assert pair.alignment["images"] == {"train": 8, "test": 4, "statistics": 8, "alignment": 8}
        assert "8 + 4 images of 2 classes, 16x16" in capsys.readouterr().out
    assert curves[0] == curves[1] and len(curves[0]["test"]["loss"]) == 3
    assert spectra[0] == spectra[1]


def found(root, door, kind):
    """Return the results that a door left below a folder."""
    (folder,) = (p for p in (Path(root) / "networks" / door).iterdir() if p.is_dir())
    return list(read_results(folder, kind))
