"""How the layers of a run compute: planned once, kept in the run, taken up again on resume."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path

from rich.console import Console
from rich.table import Table
from torch import nn

from symscape.config.groups import SymmetryConfig
from symscape.errors import SymscapeError
from symscape.layers.plan import LayerPlan, apply_plan, group_plan, make_plan
from symscape.runs.files import write_text
from symscape.training.hardware import Hardware

log = logging.getLogger("symscape")
WAYS = {"symmetry": ("direct", "fold"), "group": ("expanded", "passes")}
"""How convolutions compute, by the config whose `compute` chooses."""


def plan_network(
    network: nn.Module,
    batch: tuple[int, int, int, int],
    config: SymmetryConfig,
    hardware: Hardware,
    folder: Path,
    *,
    group: str = "auto",
    resumed: bool,
    keep: bool = True,
) -> None:
    """Set how each constrained convolution computes, and keep that in the run's `plan.json`.

    With `symmetry.compute=auto` (`group.compute=auto`) a resumed run keeps what it began with, so
    that its bits repeat.

    Args:
        network: the run's, on the CPU.
        batch: shape (N, C, H, W) of what it trains on.
        config: with `compute` and `explain`.
        hardware: that the run trains on.
        folder: of the run.
        group: `group.compute`, by which the network was built.
        resumed: whether it goes on from a checkpoint.
        keep: write `plan.json`: of several ranks, the first does.

    Raises:
        SymscapeError: the kept plan is damaged or of another network.
    """
    plans = make_plan(network, batch, config.compute, hardware.precision, hardware.device.type)
    on_group = group_plan(network)
    chosen = on_group or {plan.name: plan.compute for plan in plans}
    kind, compute = ("group", group) if on_group else ("symmetry", config.compute)
    path = folder / "plan.json"
    cpu = hardware.cpu
    if resumed and compute == "auto":
        # A run that began before there were plans has no file: it computed directly, or on a group
        # as `auto` chooses now.
        before = on_group or dict.fromkeys(chosen, "direct")
        cpu, chosen = _read(path, chosen, kind) if path.exists() else (cpu, before)
    try:
        apply_plan(network, chosen)
    except ValueError as error:
        raise _damaged(path, kind, error) from error
    if chosen and keep:
        write_text(path, json.dumps({"cpu": cpu, "layers": chosen}, indent=2) + "\n")
    if config.explain and keep:
        log.info(explained(plans, chosen))


def _read(path: Path, expected: dict[str, str], kind: str) -> tuple[str, dict[str, str]]:
    """Return the kind of CPU that a plan was made for, and how each layer computes.

    A plan of an earlier version is the layers alone: its CPU is not known.
    """
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        plan = kept if "layers" in kept else {"cpu": "", "layers": kept}
        cpu: str = plan["cpu"]
        chosen: dict[str, str] = plan["layers"]
        if chosen.keys() != expected.keys() or not set(chosen.values()) <= set(WAYS[kind]):
            raise ValueError("other layers or values")
    except (ValueError, AttributeError, KeyError, TypeError, OSError) as error:
        raise _damaged(path, kind, error) from error
    return cpu, chosen


def _damaged(path: Path, kind: str, error: Exception) -> SymscapeError:
    ways = " or ".join(WAYS[kind])
    return SymscapeError(
        f"{path}: damaged, or not a plan of this run ({error}); "
        f"{kind}.compute={ways} goes on without it"
    )


def explained(plans: list[LayerPlan], chosen: dict[str, str]) -> str:
    """Return a plan as a table."""
    if not plans:
        return "symmetry.explain: no layer has tied kernels"
    table = Table(title="how the symmetric convolutions compute")
    for column in ("layer", "channels, kernel / stride, map", "orbits", "estimate", "compute"):
        table.add_column(column)
    for plan in plans:
        estimate = "" if math.isnan(plan.estimate) else f"{plan.estimate:.2f}"
        table.add_row(plan.name, plan.shape, plan.orbits, estimate, chosen[plan.name])
    console = Console(width=110)
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip()
