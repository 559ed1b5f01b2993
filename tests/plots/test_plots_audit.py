"""Pictures of audits can be read, and do not say more than was measured."""

import json

import numpy as np
import pytest
from matplotlib.colors import to_hex

from symscape.plots.audit.draw import draw_audit
from symscape.plots.audit.padding import offsets_by_size
from symscape.plots.audit.profile import profile


def layer(name, score, stride=1, **null):
    return {
        "layer": name,
        "score": score,
        "twin": score - 0.1,
        "stride": [stride, stride],
        "strength_p": 0.01,
        "null": {"low": 0.2, "mean": 0.4, "high": 0.65, "sd": 0.1, **null},
    }


def result(*layers, **about):
    return {"kernels": {"final": list(layers)}, "about": about}


def bands(axes):
    """Return the grey areas, each as its lowest and highest value."""
    grey = [p for p in axes.patches if p.get_fill() and to_hex(p.get_facecolor()) == "#e0e0e0"]
    return [(np.min(p.get_data().baseline), np.max(p.get_data().values)) for p in grey]


def test_chance_is_a_band_from_zero_to_what_one_in_twenty_exceeds(readable):
    new = profile({"resnet": [result(layer("a", 0.5, top=0.6), layer("b", 0.7, top=0.6))]})
    assert bands(new.axes[0]) == [(0.0, 0.6)]
    assert "95 % by chance: up to here" in readable(new)
    old = profile({"resnet": [result(layer("a", 0.5), layer("b", 0.7, top=0.6))]})
    assert bands(old.axes[0]) == [(0.0, 0.65)]
    assert "97.5 % by chance: up to here" in readable(old)


def test_what_is_symmetric_by_construction_stands_beside_no_band(readable):
    tied = result(layer("a", 0.5, top=0.6), tied=["rot90", "rot180", "rot270"])
    plain = result(layer("a", 0.5, top=0.6))
    figure = profile({"se2": [tied], "plain": [plain]})
    assert [len(bands(axes)) for axes in figure.axes] == [0, 1]
    texts = readable(figure)
    assert "se2; by construction: rot90, rot180, rot270" in texts and "plain" in texts
    assert "95 % by chance: up to here" in texts
    assert "95 % by chance: up to here" not in readable(profile({"se2": [tied]}))


@pytest.mark.parametrize(("near", "marks"), [((30, 31, 33, 34), 0), ((16, 30, 31, 33, 48), 2)])
def test_sizes_that_are_left_out_are_marked(readable, near, marks):
    site = {"layer": "stem", "kernel": [3, 3], "op": "conv", "stride": [2, 2], "offset": [-1, -1]}
    padding = {
        "input_size": [32, 32],
        "sites": [site],
        "near": {str(n): [-1 if n % 2 == 0 else 0] for n in near},
    }
    figure = offsets_by_size({"net": {"padding": padding}})
    texts = readable(figure)
    assert texts.count("…") == marks
    assert any("hatched: sizes in between" in text for text in texts) == bool(marks)
    shown = figure.axes[0].images[0].get_array()
    assert shown.shape == (1, len(near) + 1 + marks) and np.ma.count_masked(shown) == marks


def test_from_the_seventh_kind_on_there_is_another_picture(tmp_path):
    final = [layer("a", 0.5, top=0.6) | {"mean_kernel": [[1.0, -0.5]]}]
    rest = {"padding": None, "invariance": None, "consistency": None, "mitigations": {}}
    labels = {f"n{i}": f"kind {i}" for i in range(13)}
    for name in labels:
        written = {"subject": {"name": name}, "about": {}, "kernels": {"final": final}, **rest}
        (tmp_path / f"{name}.json").write_text(json.dumps(written))
    files = draw_audit(tmp_path, sorted(tmp_path.glob("*.json")), labels)
    pages = [
        f"{name}{page}.png" for page in ("", "-2", "-3") for name in ("profile", "mean_kernels")
    ]
    assert [path.name for path in files] == pages
    assert all(path.exists() for path in files)
