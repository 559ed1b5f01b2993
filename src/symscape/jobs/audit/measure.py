"""What an audit measures of one network."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from symscape.audit.balance import balance, balanced_sizes
from symscape.audit.consistency import Consistency, measure_consistency
from symscape.audit.invariance import invariance_defect
from symscape.audit.kernels import measure_kernels
from symscape.audit.rewriting import Rewritten, rewritten
from symscape.audit.segmentation import DenseConsistency, measure_dense_consistency
from symscape.audit.tracing.steps import Pair, Trace
from symscape.audit.tracing.trace import trace
from symscape.config.audit import AuditConfig
from symscape.errors import ConfigError, SymscapeError
from symscape.jobs.analysis.progress import Steps
from symscape.jobs.audit.images import Images
from symscape.jobs.audit.specimens import Specimen
from symscape.runs.results import AuditResult, jsonable
from symscape.symmetry.measures import mean_kernel
from symscape.training.hardware import Hardware

NEAR = 6
"""Rows more and fewer for which offsets are noted."""
Found = dict[str, Any]


@dataclass(frozen=True, eq=False)
class _Look:
    """A specimen's network, as it is or rewritten, on images of one size."""

    specimen: Specimen
    network: nn.Module
    size: Pair
    trace: Trace


class AuditMeasure:
    """Measures one specimen after another.

    Args:
        config: what to measure.
        hardware: on what answers are computed.
    """

    def __init__(self, config: AuditConfig, hardware: Hardware) -> None:
        self.config, self.hardware = config, hardware
        self.images = Images(config, hardware)

    def measure(self, specimen: Specimen, steps: Steps) -> AuditResult:
        """Return the result of one specimen.

        Raises:
            SymscapeError: it cannot compute images of its size, or its images cannot be had.
        """
        look = self._look(specimen, specimen.final, specimen.size)
        if not look.trace.convolutions:
            raise ConfigError("network", specimen.reference.label, "applies no convolution")
        # Rewritten before answers are computed: where that is done, the network is moved to.
        others = {name: self._rewritten(look, name) for name in self.config.mitigations}
        found, left_out = self._quantities(look, self.config.wanted, steps)
        mitigations = {}
        for name, (other, about) in others.items():
            wanted = [q for q in self.config.wanted if q != "kernels"]
            measured = self._quantities(other, wanted, steps)[0] if other is not None else {}
            mitigations[name] = about | measured
        return AuditResult(
            subject=specimen.reference,
            about=self._about(look),
            kernels=found.get("kernels") or {},
            padding=found.get("padding"),
            invariance=found.get("invariance"),
            consistency=found.get("consistency"),
            left_out=left_out,
            mitigations=mitigations,
        )

    def _look(self, specimen: Specimen, network: nn.Module, size: Pair) -> _Look:
        return _Look(specimen, network, size, trace(network, specimen.channels, size))

    def _quantities(
        self, look: _Look, wanted: list[str], steps: Steps
    ) -> tuple[Found, dict[str, str]]:
        """Return what was measured, and why some was not."""
        found: Found = {}
        left_out = {}
        measures = {
            "kernels": self._kernels,
            "padding": self._padding,
            "invariance": self._invariance,
            "consistency": self._consistency,
        }
        for quantity in wanted:
            steps.about(f"{look.specimen.reference.label}: {quantity}")
            try:
                found[quantity] = jsonable(measures[quantity](look))
            except _LeftOutError as why:
                left_out[quantity] = str(why)
            steps.tick()
        return found, left_out

    def _rewritten(self, look: _Look, mitigation: str) -> tuple[_Look | None, Found]:
        """Return a specimen with a mitigation, or None where it fails, and what it changed."""
        specimen, size = look.specimen, look.size
        if mitigation == "size":
            size, why = self._balanced(look)
            made = Rewritten(look.network, int(size != look.size), why)
        else:
            made = rewritten(look.network, mitigation)
        about = {"changed": made.changed, "left": made.left, "input_size": list(size)}
        try:
            return self._look(specimen, made.network, size), about
        except SymscapeError as error:  # A head that takes one size alone, for one.
            return None, about | {"left": [*made.left, str(error)]}

    def _balanced(self, look: _Look) -> tuple[Pair, list[str]]:
        """Return the nearest balanced size above, or the size itself and why."""
        even = balance(look.trace)
        (_, rows), (_, columns) = self._sizes(look)
        if even.balanced:
            return look.size, []
        if rows is None or columns is None:
            return look.size, ["no balanced size within 64 px"]
        uneven = [
            any(site.offset[axis] for site in even.sites)
            or any(each.apart[axis] for each in even.misaligned)
            for axis in (0, 1)
        ]
        height, width = (
            new if moved else old
            for old, new, moved in zip(look.size, (rows, columns), uneven, strict=True)
        )
        return (height, width), []

    def _sizes(self, look: _Look) -> tuple[tuple[int | None, int | None], ...]:
        channels = look.specimen.channels
        return balanced_sizes(look.trace, lambda size: trace(look.network, channels, size))

    def _about(self, look: _Look) -> Found:
        kernels = [c.kernel for c in look.trace.convolutions]
        return {
            "weights": look.specimen.weights,
            "input_size": list(look.size),
            "channels": look.specimen.channels,
            "convolutions": len(kernels),
            "spatial": sum(k.shape[2:].numel() > 1 for k in kernels),
            **look.specimen.about,
        }

    def _kernels(self, look: _Look) -> Found:
        found = {}
        specimen = look.specimen
        for moment, load in specimen.moments.items():
            at = look.trace
            if moment != "final":
                at = trace(load(), specimen.channels, look.size)
            means = {c.name: mean_kernel(c.kernel).tolist() for c in reversed(at.convolutions)}
            found[moment] = [
                {**asdict(m), "mean_kernel": means[m.layer]}
                for m in measure_kernels(at.convolutions)
            ]
        return found

    def _padding(self, look: _Look) -> Found:
        sizes = self._sizes(look)
        even = balance(look.trace)
        return {
            **asdict(even),
            "balanced": even.balanced,
            "sizes": sizes,
            "near": _near(look.trace, sizes),
        }

    def _invariance(self, look: _Look) -> Found:
        channels, seed = look.specimen.channels, self.config.seed
        found = invariance_defect(look.network, channels, look.size, seed=seed)
        if not math.isfinite(found.worst):
            raise _LeftOutError("its answers do not depend on the image")
        return {**asdict(found), "worst": found.worst, "exact": found.exact}

    def _consistency(self, look: _Look) -> Found:
        if look.specimen.run is None and not self.config.data.given:
            raise _LeftOutError("no images (data.root=PATH)")
        if len(look.trace.output) not in (2, 4):
            raise _LeftOutError("its answer is no class")
        dense = len(look.trace.output) == 4
        if dense and look.specimen.run is None:
            raise _LeftOutError("images with a class for each pixel are those of runs alone")
        if dense and look.size != look.specimen.size:
            raise _LeftOutError("classes of pixels are not resized")
        images = self.images.of(look.specimen, look.size)
        fits = look.trace.output[1] == images.classes
        network, shifts = self.hardware.prepare(look.network), self.config.shifts
        found: Consistency | DenseConsistency
        if dense:
            found = measure_dense_consistency(network, images.batches, shifts=shifts)
        else:
            found = measure_consistency(network, images.batches, shifts=shifts, classes_fit=fits)
        return {**asdict(found), "content": images.content, "classes_fit": fits}


def _near(traced: Trace, sizes: tuple[tuple[int | None, int | None], ...]) -> Found:
    """Return the offsets of all sites, rows alone, at numbers of rows near the image's."""
    height, width = traced.input_size
    if traced.dynamic:
        return {}
    near = {n for n in range(height - NEAR, height + NEAR + 1) if n > 0}
    near |= {n for n in sizes[0] if n is not None}
    return {
        str(n): [site.offset[0] for site in balance(traced, (n, width)).sites] for n in sorted(near)
    }


class _LeftOutError(SymscapeError):
    """Why a quantity has no meaning here."""
