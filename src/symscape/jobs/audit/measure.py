"""What an audit measures of one network."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from torch import nn

from symscape.audit.balance import balance, balanced_sizes
from symscape.audit.consistency import measure_consistency
from symscape.audit.invariance import invariance_defect
from symscape.audit.kernels import measure_kernels
from symscape.audit.tracing.steps import Trace
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
        network = specimen.final
        traced = trace(network, specimen.channels, specimen.size)
        if not traced.convolutions:
            raise ConfigError("network", specimen.reference.label, "applies no convolution")
        found: dict[str, Any] = dict.fromkeys(self.config.wanted)
        left_out: dict[str, str] = {}
        for quantity in self.config.wanted:
            steps.about(f"{specimen.reference.label}: {quantity}")
            try:
                found[quantity] = getattr(self, f"_{quantity}")(specimen, network, traced)
            except _LeftOutError as why:
                left_out[quantity] = str(why)
            steps.tick()
        return AuditResult(
            subject=specimen.reference,
            about=self._about(specimen, traced),
            kernels=found.get("kernels") or {},
            padding=found.get("padding"),
            invariance=found.get("invariance"),
            consistency=found.get("consistency"),
            left_out=left_out,
        )

    def _about(self, specimen: Specimen, traced: Trace) -> dict[str, Any]:
        kernels = [c.kernel for c in traced.convolutions]
        return {
            "weights": specimen.weights,
            "input_size": list(specimen.size),
            "channels": specimen.channels,
            "convolutions": len(kernels),
            "spatial": sum(k.shape[2:].numel() > 1 for k in kernels),
            **specimen.about,
        }

    def _kernels(self, specimen: Specimen, network: nn.Module, traced: Trace) -> dict[str, Any]:
        found = {}
        for moment, load in specimen.moments.items():
            at = traced if moment == "final" else trace(load(), specimen.channels, specimen.size)
            means = {c.name: mean_kernel(c.kernel).tolist() for c in reversed(at.convolutions)}
            found[moment] = [
                jsonable({**asdict(m), "mean_kernel": means[m.layer]})
                for m in measure_kernels(at.convolutions)
            ]
        return found

    def _padding(self, specimen: Specimen, network: nn.Module, traced: Trace) -> dict[str, Any]:
        sizes = balanced_sizes(traced, lambda size: trace(network, specimen.channels, size))
        even = balance(traced)
        return {
            **asdict(even),
            "balanced": even.balanced,
            "sizes": sizes,
            "near": _near(traced, sizes),
        }

    def _invariance(self, specimen: Specimen, network: nn.Module, traced: Trace) -> dict[str, Any]:
        seed = self.config.seed
        found = invariance_defect(network, specimen.channels, specimen.size, seed=seed)
        return {**asdict(found), "worst": found.worst, "exact": found.exact}

    def _consistency(self, specimen: Specimen, network: nn.Module, traced: Trace) -> dict[str, Any]:
        if specimen.run is None and self.config.data.root is None:
            raise _LeftOutError("no images (data.root=PATH)")
        images = self.images.of(specimen)
        classes = traced.output[-1] if len(traced.output) == 2 else 0
        if len(traced.output) != 2:
            raise _LeftOutError("its answer is no class")
        shown = self.hardware.prepare(network)
        fits = classes == images.classes
        found = measure_consistency(
            shown, images.batches, shifts=self.config.shifts, classes_fit=fits
        )
        return {**jsonable(asdict(found)), "content": images.content, "classes_fit": fits}


def _near(traced: Trace, sizes: tuple[tuple[int | None, int | None], ...]) -> dict[str, Any]:
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
