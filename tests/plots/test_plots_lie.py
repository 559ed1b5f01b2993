"""Pictures of networks on groups: of what their files hold, readable, and only where there are."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from symscape.errors import SymscapeError
from symscape.plots.lie.activations import activations
from symscape.plots.lie.draw import pictures_on_group
from symscape.plots.lie.equivariance import equivariance
from symscape.plots.lie.kernels import group_kernels
from symscape.plots.lie.redundancy import redundancy_by_epoch
from symscape.plots.read.runs import Equivariance, Redundancy, read_arrays, read_equivariance

Readable = Callable[[Figure], list[str]]
RUN = "digits_rot-ckgresnet-se2-nonseparable-none-c375dc83, seed 0"
QUARTERS = {0: "identity", 90: "rot90", 180: "rot180", 270: "rot270"}
FLIPS = ("hflip", "transpose", "vflip", "antitranspose")
LAYERS = ["lift", *(f"blocks.{b}.conv{c}" for b in (0, 1) for c in (1, 2)), "blocks.1.shortcut"]
NAN = math.nan


def angles(step: int = 45) -> list[Equivariance]:
    """Return rows of a network whose grid has a rotation every so many degrees."""
    known = {d: QUARTERS.get(d, "grid" if d % step == 0 else "") for d in range(0, 360, 15)}
    return [
        Equivariance("angle", "", name, d, abs(math.sin(math.radians(2 * d))), 0.9, 0.05)
        for d, name in known.items()
    ]


def scales() -> list[Equivariance]:
    return [Equivariance("scale", "", "grid", f, 1 - f, f, 0.04) for f in (1.0, 0.76, 0.57)]


def layers(elements: Sequence[str], error: float = 3e-7) -> list[Equivariance]:
    return [
        Equivariance("layer", layer, e, NAN, error, NAN, NAN) for layer in LAYERS for e in elements
    ]


EXACT = [*list(QUARTERS.values())[1:], *FLIPS]
ROWS = {
    "turns": angles() + layers(EXACT[:3]),
    "turns and flips": angles(90) + layers(EXACT),
    "turns and scales": angles(90) + scales() + layers(EXACT[:3]),
    "scales": angles(360) + scales(),
    "nothing": angles(360),
}


@pytest.mark.parametrize("name", ROWS)
def test_equivariance_is_readable(readable: Readable, name: str) -> None:
    figure = equivariance(ROWS[name], RUN)
    texts = readable(figure)
    assert texts.count("angle by which images are turned (degrees)") == 2
    assert texts.count("factor by which images are shrunk") == 2 * ("scales" in name)
    assert ("difference / norm" in texts) == name.startswith("turns")
    assert "image moved and moved back: resampling alone" in texts
    assert ("angle or scale of the group's grid: up to sampling" in texts) == (
        name != "nothing"
    ) * (name != "turns and flips")


def test_it_says_of_how_many_images(readable: Readable) -> None:
    few = [replace(row, images=32 if row.kind == "layer" else 143) for row in ROWS["turns"]]
    texts = readable(equivariance(few, RUN))
    assert "Accuracy of 143 images (mean 90.0 %)" in texts
    assert "Displacement of the logits of 143 images" in texts
    assert any("maps of 32 images" in text for text in texts)
    older = readable(equivariance(ROWS["turns"], RUN))
    assert "Accuracy (mean 90.0 %)" in older


def test_values_are_drawn_where_they_were_measured() -> None:
    figure = equivariance(ROWS["turns"], RUN)
    accuracy, change = figure.axes[:2]
    line = accuracy.get_lines()[0]
    assert list(line.get_xdata()) == [*range(0, 360, 15), 360]
    assert set(line.get_ydata()) == {90.0}
    drawn = {tuple(each.get_xdata()): each.get_marker() for each in accuracy.get_lines()[1:]}
    assert drawn[(0, 90, 180, 270, 360)] == "s"
    assert drawn[(45, 135, 225, 315)] == "o"
    heights = [set(each.get_ydata()) for each in change.get_lines()]
    assert {1} in heights and {0.05} in heights


def test_an_error_of_zero_is_drawn_at_the_foot() -> None:
    figure = equivariance(angles() + layers(["rot90"], error=0.0), RUN)
    bottom = figure.axes[-1]
    points = bottom.get_lines()[0].get_ydata()
    assert all(bottom.get_ylim()[0] < y <= 1e-9 for y in points)


def redundancies(epochs: int, value: float, names: Sequence[str]) -> list[Redundancy]:
    return [
        Redundancy(epoch, layer, kind, centred, value + 0.001 * epoch)
        for epoch in range(epochs + 1)
        for layer in names
        for kind in ("pair", "stacked")
        for centred in (False, True)
    ]


@pytest.mark.parametrize(("epochs", "names"), [(2, LAYERS), (60, [f"convs.{i}" for i in range(8)])])
def test_redundancy_is_readable(readable: Readable, epochs: int, names: list[str]) -> None:
    figure = redundancy_by_epoch(redundancies(epochs, 0.9, names), RUN)
    assert {*names, "dotted: before training"} <= set(readable(figure))
    for axes in figure.axes:
        assert axes.get_ylim() == pytest.approx((0.8, 1.02))
        levels = [line for line in axes.get_lines() if line.get_linestyle() == ":"]
        assert [line.get_ydata()[0] for line in levels] == [0.9] * len(names)


def test_the_axis_of_redundancy_reaches_down_to_all_values() -> None:
    figure = redundancy_by_epoch(redundancies(1, 0.34, ["last"]), RUN)
    assert figure.axes[0].get_ylim()[0] == pytest.approx(0.3)
    missing = redundancy_by_epoch(redundancies(1, NAN, ["last"]), RUN)
    assert missing.axes[0].get_ylim()[0] == 0


def examples(names: list[str], rows: int = 3, channels: int = 1) -> dict[str, NDArray[Any]]:
    random, n = np.random.default_rng(0), len(names)
    made = {
        "kernel_layer": "blocks.0.conv1",
        "kernels": random.normal(size=(2, 2, n, n, 5, 5)),
        "elements": names,
        "images": random.integers(0, 256, (2, channels, 12, 12), dtype=np.uint8),
        "motion": "turned by 90°",
        "maps_layer": "lift",
        "maps_channel": 3,
        "maps": random.normal(size=(rows, n, 12, 12)),
        "maps_elements": names,
        "difference": 2e-7 if rows == 3 else NAN,
    }
    return {key: np.asarray(value) for key, value in made.items()}


EIGHT = [f"{45 * r}°" for r in range(8)]
MIRRORED = [f"{90 * r}°{m}" for m in ("", "\nmirror") for r in range(4)]
SCALED = [f"\N{MULTIPLICATION SIGN}{factor:.2f}" for factor in (1.0, 1.32, 1.74)]


@pytest.mark.parametrize("names", [EIGHT, MIRRORED, SCALED, [*EIGHT, "360°"]])
def test_group_kernels_are_readable(readable: Readable, names: list[str]) -> None:
    texts = readable(group_kernels(examples(names), RUN))
    assert all(texts.count(name) == 8 for name in names)  # Rows and columns of four panels.
    assert {f"output channel {o}, input channel {i}" for o in (0, 1) for i in (0, 1)} <= set(texts)


def test_rows_of_kernels_are_outputs() -> None:
    arrays = examples(EIGHT)
    figure = group_kernels(arrays, RUN)
    drawn = figure.axes[0].get_images()
    assert len(drawn) == 4 * 64
    # The first panel's kernel of output element 1 and input element 2.
    assert np.array_equal(drawn[1 * 8 + 2].get_array(), arrays["kernels"][0, 0, 1, 2])
    left, _, bottom, _ = drawn[1 * 8 + 2].get_extent()
    assert left == drawn[0 * 8 + 2].get_extent()[0] and bottom > drawn[2].get_extent()[2]


@pytest.mark.parametrize(
    ("names", "rows"), [(EIGHT, 3), (MIRRORED, 3), (SCALED, 2), ([""], 3), (EIGHT[:5], 2)]
)
def test_activations_are_readable(readable: Readable, names: list[str], rows: int) -> None:
    figure = activations(examples(names, rows), RUN)
    texts = readable(figure)
    assert ("0: equivariant" in " ".join(texts)) == (rows == 3)
    assert set(names) - {""} <= set(texts)
    assert len(figure.axes[0].get_images()) == 2 + rows * len(names)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_images_of_any_channels_are_drawn(readable: Readable, channels: int) -> None:
    readable(activations(examples(EIGHT, channels=channels), RUN))


def write_all(folder: Path) -> None:
    rows = ROWS["turns"]
    with (folder / "equivariance.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Equivariance.__dataclass_fields__)
        for row in rows:
            cells = vars(row).values()
            writer.writerow("" if isinstance(c, float) and math.isnan(c) else c for c in cells)
    with (folder / "redundancy.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Redundancy.__dataclass_fields__)
        for each in redundancies(1, 0.9, LAYERS):
            writer.writerow(int(c) if isinstance(c, bool) else c for c in vars(each).values())
    np.savez(folder / "examples.npz", **examples(EIGHT))  # type: ignore[arg-type]


def test_pictures_are_those_of_the_files_there_are(tmp_path: Path) -> None:
    assert pictures_on_group(tmp_path, RUN) == {}
    write_all(tmp_path)
    rows = read_equivariance(tmp_path / "equivariance.csv")
    assert [row.element for row in rows] == [row.element for row in ROWS["turns"]]
    names = {"equivariance", "redundancy", "activations", "group_kernels"}
    assert set(pictures_on_group(tmp_path, RUN)) == names
    without = {k: v for k, v in examples(["0°"]).items() if not k.startswith("kernel")}
    np.savez(tmp_path / "examples.npz", **without)  # type: ignore[arg-type]
    assert set(pictures_on_group(tmp_path, RUN)) == names - {"group_kernels"}


@pytest.mark.parametrize("name", ["equivariance.csv", "redundancy.csv", "examples.npz"])
@pytest.mark.parametrize("content", [b"", b"\xff\x00 garbage \xfe\n\n", b"PK\x03\x04", b"[1]\n2,3"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    write_all(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SymscapeError) as error:
        pictures_on_group(tmp_path, RUN)
    message = str(error.value)
    assert "\n" not in message and message.startswith(f"{tmp_path / name}: cannot be read")


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "examples.npz"
    np.savez(path, maps=np.array([{}], dtype=object))
    with pytest.raises(SymscapeError, match=r"examples.npz: cannot be read .*pickle"):
        read_arrays(path)
