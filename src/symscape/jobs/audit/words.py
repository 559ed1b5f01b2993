"""What came out of an audit, in words that need no key."""

from __future__ import annotations

from typing import Any

from symscape.jobs.audit.numbers import LEVEL, numbers_of, strided_sites, uneven_sites
from symscape.runs.results import AuditResult


def title_of(result: AuditResult) -> str:
    """Return what was audited, in a line."""
    about = result.about
    height, width = about["input_size"]
    return (
        f"{result.subject.label}, {about['weights']}, {height}x{width}, "
        f"{about['convolutions']} convolutions, {about['spatial']} with more than one tap"
    )


def lines_of(result: AuditResult) -> list[tuple[str, str]]:
    """Return a line for each quantity: its name, and what came out."""
    lines = []
    if result.kernels:
        lines.append(("kernels", _kernels(result)))
    if result.padding is not None:
        lines.append(("padding", padding_said(result.padding)))
    if result.invariance is not None:
        lines.append(("invariance", _invariance(result.invariance)))
    if result.consistency is not None:
        lines.append(("consistency", _consistency(result.consistency)))
    lines += [(quantity, f"left out: {why}") for quantity, why in result.left_out.items()]
    return lines + [(name, _mitigated(each)) for name, each in result.mitigations.items()]


def _mitigated(found: dict[str, Any]) -> str:
    """Return what a mitigation changes."""
    height, width = found["input_size"]
    said = [f"not retrained, {height}x{width}, {found['changed']} changed"]
    if padding := found.get("padding"):
        said.append("balanced" if padding["balanced"] else padding_said(padding))
    if invariance := found.get("invariance"):
        exact, worst = invariance["exact"], invariance["worst"]
        said.append("exact with symmetric kernels" if exact else f"defect {worst:.2f}")
    if consistency := found.get("consistency"):
        said.append(_consistency(consistency))
    if found["left"]:
        more = f" and {len(found['left']) - 2} more" if len(found["left"]) > 2 else ""
        said.append(f"left: {', '.join(found['left'][:2])}{more}")
    return "; ".join(said)


def _kernels(result: AuditResult) -> str:
    layers, n = result.kernels["final"], numbers_of(result)
    if not layers:
        return "no kernel has more than one tap"
    if tied := result.about.get("tied"):
        return f"S of the mean kernels {n['S/final']:.3f}; under {', '.join(tied)} by construction"
    beats = [layer for layer in layers if layer["p"] is not None and layer["p"] <= LEVEL]
    by_chance, by_shape = LEVEL * len(layers), n["twin_beats_chance/final"] * len(layers)
    return (
        f"S of the mean kernels {n['S/final']:.3f} (by chance {n['S_chance/final']:.3f}); "
        f"{len(beats)} of {len(layers)} layers beat chance (about {by_chance:.0f} would by "
        f"chance), {by_shape:.0f} by their shape alone"
    )


def padding_said(padding: dict[str, Any]) -> str:
    """Return where the padding leans, and at which sizes it would not."""
    strided, uneven = strided_sites(padding), uneven_sites(padding["sites"])
    hit = len(uneven_sites(strided))
    said = [f"{hit} of {len(strided)} strided sites uneven" if strided else "no strided sites"]
    if others := len(uneven) - hit:
        said[0] += f", {others} others"
    if any(padding["drift"]):
        said[0] += f", last map {where(padding['drift'])} of the centre"
    if padding["misaligned"]:
        said.append(_misaligned(padding["misaligned"]))
    if uneven or padding["misaligned"]:
        said.append(f"balanced: {_sizes(padding['sizes'])}")
    if padding["head"] == "positional":
        said.append("a positional head reads each pixel by itself")
    if padding["unknown"]:
        said.append(f"unknown from {padding['unknown']} on")
    return "; ".join(said)


def where(drift: list[float]) -> str:
    """Return a distance in pixels, in words: `15.5 px up and left`."""
    rows, columns = drift
    down = "up" if rows < 0 else "down"
    right = "left" if columns < 0 else "right"
    if abs(rows) == abs(columns):
        return f"{abs(rows):g} px {down} and {right}"
    parts = [f"{abs(d):g} px {word}" for d, word in ((rows, down), (columns, right)) if d]
    return " and ".join(parts)


def _misaligned(sums: list[dict[str, Any]]) -> str:
    apart = ", ".join(f"{max(map(abs, each['apart'])):g}" for each in sums)
    return f"{len(sums)} sum{'s' if len(sums) > 1 else ''} of maps {apart} px apart"


def _sizes(sizes: list[list[int | None]]) -> str:
    def said(pair: list[int | None]) -> str:
        known = [str(n) for n in pair if n is not None]
        return ", ".join(known) or "no size within 64 px"

    rows, columns = sizes
    return said(rows) if list(rows) == list(columns) else f"{said(rows)} high, {said(columns)} wide"


def _invariance(found: dict[str, Any]) -> str:
    group = {"d4": "flips and turns", "hvflip": "flips"}[found["group"]]
    if found["exact"]:
        return f"with symmetric kernels its answers are exact under {group}"
    return (
        f"with symmetric kernels its answers would still move under {group}: by "
        f"{found['worst']:.2f} of what another image makes"
    )


def _consistency(found: dict[str, Any]) -> str:
    views = found["views"]
    same = ", ".join(f"{view} {each['agreement']['mean']:.1%}" for view, each in views.items())
    accuracy = found["accuracy"]
    right = f"; accuracy {accuracy['mean']:.1%}" if accuracy is not None else ""
    what = "same answer"
    if "miou" in found:
        what, right = "pixels of the same class", f"{right}; mIoU {found['miou']:.3f}"
    return f"{what} under {same} of {found['images']} images{right}"
