"""What a network keeps of turns and scales: its figures, and files for pictures.

Written for every run of a network on a group, one without a group included: that is the control.
Of any other network where the data are turned: how well it does by the angle.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from symscape.config.data import UPRIGHT
from symscape.data.images import ImageSet
from symscape.data.load import upright_test
from symscape.data.turned import scaled, turned
from symscape.jobs.train.examples import write_examples
from symscape.layers.effective import effective_network
from symscape.layers.lie.conv import GroupConv2d
from symscape.models.ckg import CKGNetwork
from symscape.runs.tables import Row, write_rows
from symscape.symmetry.equivariance import layer_errors, mean_change, mean_distance
from symscape.symmetry.plane import QUARTERS, PlaneGrid
from symscape.training.fit import EVALUATION_BATCH
from symscape.training.setup import Setup, make_batches

STEP = 15
"""Degrees between the angles that are tried."""
FEWEST, MOST = 100, 500
"""Test images that are turned: a tenth of the training images, within these. About thirty passes
each then cost as much as an epoch of training; the largest gives accuracies to two points."""
LAYER_IMAGES, LAYER_BATCH = 32, 16
"""An exact symmetry holds for each image; maps of all layers are held."""
COLUMNS = ("kind", "layer", "element", "amount", "value", "accuracy", "resampled", "images")


def measure_turned(network: nn.Module, setup: Setup) -> dict[str, float]:
    """Return the figures of a network on a group, or of one that is tested on turned images.

    equivariance/max is the largest error of a layer under a symmetry that should be exact;
    turned/accuracy and turned/displacement are means over all angles.

    Writes equivariance.csv into the run's folder, and of a network on a group examples.npz. Rows of
    the table are of a `kind`: layer (`value` is the error of `layer` under `element`), angle
    (`amount` in degrees) or scale (`amount` is a factor): `value` is the displacement of the
    logits, in mean distances of two images' logits, and `resampled` that when the image is moved
    back again: what the interpolation does. `element` says whether the motion is an exact symmetry
    of grid and pixels, by name, one of the group alone (`grid`), or none; `images`, of how many.

    Evaluated in full precision.
    """
    on_group = network if isinstance(network, CKGNetwork) else None
    if on_group is None and setup.config.data.name not in UPRIGHT:
        return {}
    before, hardware = network.training, setup.hardware
    # Of a network on a group this would be larger: it has the same function, factor after factor.
    shown = on_group or effective_network(network)
    shown = shown.to(hardware.device, hardware.dtype).eval()
    grid = on_group.grid if on_group else PlaneGrid()
    test = upright_test(setup.config.data, setup.data)
    count = min(len(test), MOST, max(FEWEST, len(setup.data.train) // 10))
    rows = list(_Measure(shown, grid, setup, _spread(test, count)).rows())
    write_rows(setup.identity.folder / "equivariance.csv", rows, COLUMNS)
    if on_group:
        write_examples(setup.identity.folder / "examples.npz", on_group, setup, test.images[:1])
    network.train(before)
    return _figures(rows)


def _spread(images: ImageSet, count: int) -> ImageSet:
    """Return evenly spaced images."""
    return images.subset(torch.linspace(0, len(images) - 1, count).round().long())


def _figures(rows: Sequence[Row]) -> dict[str, float]:
    def values(kind: str, column: str) -> list[float]:
        found = [float(row[column]) for row in rows if row["kind"] == kind]
        return [value for value in found if math.isfinite(value)]

    angles = {column: values("angle", column) for column in ("accuracy", "value")}
    errors = values("layer", "value")
    figures = {"equivariance/max": max(errors)} if errors else {}
    names = {"accuracy": "turned/accuracy", "value": "turned/displacement"}
    means = {names[column]: sum(each) / len(each) for column, each in angles.items() if each}
    return {**figures, **means}


@dataclass(frozen=True)
class _Measure:
    """A network in eval mode, and the images that it is shown, moved and as they are."""

    network: nn.Module
    grid: PlaneGrid
    setup: Setup
    images: ImageSet

    def rows(self) -> Iterator[Row]:
        """Give the rows of the table."""
        yield from self._layers()
        yield from self._angles()
        yield from self._scales()

    def _layers(self) -> Iterator[Row]:
        layers = {n: m for n, m in self.network.named_modules() if isinstance(m, GroupConv2d)}
        few = _spread(self.images, min(LAYER_IMAGES, len(self.images)))
        shown = (images for images, _ in self._batches(few, LAYER_BATCH))
        errors = layer_errors(self.network, layers, self.grid.lattice, shown)
        for (layer, element), error in errors.items():
            yield _row("layer", layer=layer, element=element, value=error, images=len(few))

    def _angles(self) -> Iterator[Row]:
        back: dict[int, float] = {}
        for degrees in range(0, 360, STEP):

            def turn(images: Tensor, sign: int, degrees: int = degrees) -> Tensor:
                angle = sign * math.radians(degrees)
                return turned(images, torch.full((len(images),), angle, dtype=torch.float64))

            # Quarter turns of square images move pixels, and do so before or after another turn.
            same = degrees % 90 if self._square else degrees
            if same not in back:
                back[same] = self._resampled(turn)
            yield _row(
                "angle",
                element=self._element(degrees),
                amount=degrees,
                resampled=back[same],
                **self._moved(turn),
            )

    def _scales(self) -> Iterator[Row]:
        if self.grid.scales == 1:
            return
        for log in self.grid.log_scales[: self.grid.scales].tolist():

            def shrink(images: Tensor, sign: int, log: float = log) -> Tensor:
                factor = math.exp(-sign * log)
                return scaled(images, torch.full((len(images),), factor, dtype=torch.float64))

            factor, back = math.exp(-log), self._resampled(shrink)
            moved = self._moved(shrink)
            yield _row("scale", element="grid", amount=factor, resampled=back, **moved)

    @property
    def _square(self) -> bool:
        height, width = self.images.images.shape[2:]
        return height == width

    def _element(self, degrees: int) -> str:
        """Return how the network knows a turn by so many degrees; `` if it does not."""
        quarters = degrees // 90 if degrees % 90 == 0 else None
        if quarters is not None and (self._square or quarters % 2 == 0):
            for name in self.grid.lattice:
                if QUARTERS[name] == (quarters, 0):
                    return name
        return "grid" if degrees * self.grid.rotations % 360 == 0 else ""

    def _moved(self, move: Callable[[Tensor, int], Tensor]) -> dict[str, float]:
        logits = self._logits_of(move(self.images.images, 1))
        right = (logits.argmax(1) == self.images.labels).double().mean().item()
        count = len(self.images)
        return {"value": self._displacement(logits), "accuracy": right, "images": count}

    def _resampled(self, move: Callable[[Tensor, int], Tensor]) -> float:
        return self._displacement(self._logits_of(move(move(self.images.images, 1), -1)))

    def _displacement(self, logits: Tensor) -> float:
        return mean_change(logits, self._logits) / self._distance if self._distance else math.nan

    @cached_property
    def _logits(self) -> Tensor:
        return self._logits_of(self.images.images)

    @cached_property
    def _distance(self) -> float:
        return mean_distance(self._logits)

    @torch.no_grad()
    def _logits_of(self, images: Tensor) -> Tensor:
        shown = self._batches(ImageSet(images, self.images.labels), EVALUATION_BATCH)
        return torch.cat([self.network(images).cpu().double() for images, _ in shown])

    def _batches(self, images: ImageSet, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        setup = self.setup
        return iter(
            make_batches(images, setup.data, setup.hardware, batch_size=size, shuffle=False)
        )


def _row(kind: str, **cells: float | int | str) -> Row:
    return {**dict.fromkeys(COLUMNS, ""), "kind": kind, **cells}
