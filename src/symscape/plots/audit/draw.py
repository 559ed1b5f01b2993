"""All pictures of an audit, from the results of a folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from symscape.plots.audit.consistency import agreement_bars
from symscape.plots.audit.kernels import mean_kernels
from symscape.plots.audit.mitigations import before_after
from symscape.plots.audit.padding import offsets_by_size
from symscape.plots.audit.profile import Kinds, profile
from symscape.plots.read.runs import read_result
from symscape.plots.style import save

KEYS = ("subject", "about", "kernels", "padding", "invariance", "consistency", "mitigations")
MOST = 6
"""Kinds of networks that a picture shows; the others are on pictures of their own."""


def draw_audit(folder: Path, results: Sequence[Path], labels: dict[str, str]) -> list[Path]:
    """Draw what the results of a folder of settings hold.

    Args:
        folder: of the settings; `pictures/` goes there.
        results: JSON files of networks, in the order in which kinds are shown.
        labels: what to call a kind, by its name.

    Returns:
        The PNG files written, below `pictures/`: `profile.png` and so on; from the seventh kind on,
        `profile-2.png`.
    """
    kinds: Kinds = defaultdict(list)
    for path in results:
        result = read_result(path, KEYS)
        subject = result["subject"]
        kinds[labels[subject.get("name", subject.get("label"))]].append(result)
    pictures = folder / "pictures"
    written = []
    every = list(kinds.items())
    for first in range(0, len(every), MOST):
        suffix = f"-{first // MOST + 1}" if first else ""
        for name, figure in _figures(dict(every[first : first + MOST])).items():
            written += save(figure, pictures / f"{name}{suffix}.png")
    return written


def _figures(kinds: Kinds) -> dict[str, Figure]:
    """Return the pictures of some kinds, of what was measured, by their names."""
    firsts = {label: members[0] for label, members in kinds.items()}
    figures: dict[str, Figure] = {}
    if any(r["kernels"].get("final") for r in firsts.values()):
        figures["profile"] = profile(kinds)
        figures["mean_kernels"] = mean_kernels(firsts)
    if any(r["padding"] and r["padding"]["sites"] for r in firsts.values()):
        figures["padding"] = offsets_by_size(firsts)
    if any(r["consistency"] for r in firsts.values()):
        figures["consistency"] = agreement_bars(kinds)
    if any(r["mitigations"] for r in firsts.values()):
        figures["mitigations"] = before_after(kinds)
    return figures
