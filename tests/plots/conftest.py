"""Made-up but realistic results, and the check that every figure must pass: it can be read."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox, BboxBase
from numpy.typing import NDArray

Readable = Callable[[Figure], list[str]]


@pytest.fixture(autouse=True)
def pictures(rendered: None) -> None:
    """Every picture here is a whole one."""


@pytest.fixture
def readable(monkeypatch: pytest.MonkeyPatch) -> Readable:
    """Return a function that draws a figure, checks its text and returns the strings drawn.

    Every text that reaches the renderer lies within the figure, overlaps no other, and has at
    least 7 points.
    """
    drawn: list[Text] = []
    draw = Text.draw

    def record(self: Text, *args: Any, **kwargs: Any) -> None:
        if self.get_visible() and self.get_text().strip():
            drawn.append(self)
        draw(self, *args, **kwargs)

    monkeypatch.setattr(Text, "draw", record)

    def check(figure: Figure) -> list[str]:
        drawn.clear()
        FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
        boxes = [(text.get_text(), text.get_window_extent()) for text in drawn]
        assert not [name for name, box in boxes if not _inside(box, figure.bbox)]
        assert not [(a, b) for (a, p), (b, q) in combinations(boxes, 2) if _overlap(p, q)]
        assert min(float(text.get_fontsize()) for text in drawn) >= 7.0
        return [name for name, _ in boxes]

    return check


def _inside(box: Bbox, page: BboxBase) -> bool:
    return bool(
        box.x0 >= page.x0 - 0.5
        and box.y0 >= page.y0 - 0.5
        and box.x1 <= page.x1 + 0.5
        and box.y1 <= page.y1 + 0.5
    )


def _overlap(a: Bbox, b: Bbox) -> bool:
    shared = Bbox.intersection(a, b)
    return shared is not None and shared.width > 0.5 and shared.height > 0.5


def layer_names(blocks: int) -> list[str]:
    """Return the 3x3 convolutions of a CIFAR ResNet: 19 for 3 blocks a stage, 109 for 18."""
    return ["stem.conv"] + [
        f"stages.{stage}.{block}.conv{conv}"
        for stage in range(3)
        for block in range(blocks)
        for conv in (1, 2)
    ]


@pytest.fixture
def resnet20() -> list[str]:
    return layer_names(3)


@pytest.fixture
def resnet110() -> list[str]:
    return layer_names(18)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def mean_kernels(
    random: np.random.Generator,
) -> Callable[[list[str]], dict[str, NDArray[np.float64]]]:
    """Return a function from names to 3x3 mean kernels as small as a wide layer's."""
    return lambda names: {name: 2e-4 * random.normal(size=(3, 3)) for name in names}


@pytest.fixture
def rows() -> list[dict[str, float]]:
    """Return 60 epochs of a run that validates every fifth."""
    every = [_epoch(epoch, 60) for epoch in range(1, 61)]
    measured = {"val/loss", "val/accuracy"}
    return [
        row if row["epoch"] % 5 == 0 else {k: v for k, v in row.items() if k not in measured}
        for row in every
    ]


def _epoch(epoch: int, epochs: int) -> dict[str, float]:
    t = epoch / epochs
    return {
        "epoch": float(epoch),
        "lr": 0.05 * (1 + math.cos(math.pi * (t - 1 / epochs))),
        "train/loss": 2.3 * math.exp(-5 * t),
        "train/accuracy": 1 - 0.6 * math.exp(-5 * t),
        "val/loss": 0.3 + 2 * math.exp(-6 * t),
        "val/accuracy": 0.92 - 0.5 * math.exp(-6 * t),
        "symmetry/layer/total": 0.38 + 0.1 * t,
        "symmetry/mean_kernel/total": 0.41 + 0.4 * t,
    }
