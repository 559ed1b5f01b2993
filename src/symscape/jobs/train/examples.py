"""What pictures show of one network on a group: a few kernels, and the maps of one image."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from symscape.data.images import ImageSet
from symscape.data.turned import scaled, turned
from symscape.layers.lie.conv import GroupConv2d
from symscape.models.ckg import CKGNetwork
from symscape.runs.files import replacing
from symscape.symmetry.equivariance import acted, followed
from symscape.symmetry.groups import ELEMENTS
from symscape.symmetry.plane import PlaneGrid
from symscape.training.setup import Setup, make_batches

MOST = 9
"""Elements of the group that a picture has room for."""
CHANNELS = 2
"""Of the outputs and inputs of a layer whose kernels are shown."""
MOTIONS = {"rot90": "turned by 90°", "rot180": "turned by 180°", "hflip": "mirrored"}
"""Exact ones that are shown, the first that a group has."""
TIMES = "\N{MULTIPLICATION SIGN}"


def write_examples(path: Path, network: CKGNetwork, setup: Setup, image: Tensor) -> None:
    """Write arrays for pictures of kernels and activations, without pickles.

    Args:
        path: ends in .npz.
        network: in eval mode, on the device of `setup`.
        setup: of its training.
        image: uint8, (1, C, H, W).
    """
    convs = {n: m for n, m in network.named_modules() if isinstance(m, GroupConv2d)}
    arrays = {**_kernels(convs), **_maps(network, convs, setup, image)}
    with replacing(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _kernels(convs: dict[str, GroupConv2d]) -> dict[str, Any]:
    """Return `kernels` (O, I, N, M, k, k) of the first layer between maps on the group."""
    between = {n: c for n, c in convs.items() if c.kernel.elements > 1 and c.kernel_size > 1}
    if not between:
        return {}
    layer, conv = next(iter(between.items()))
    with torch.no_grad():
        plain = conv.weight.cpu()
    size, shown = conv.grid.size, _shown(conv.grid)
    shape = (conv.out_channels, size, conv.in_channels, size, *plain.shape[2:])
    few = plain.reshape(shape)[:CHANNELS, :, :CHANNELS].permute(0, 2, 1, 3, 4, 5)
    return {
        "kernel_layer": layer,
        "kernels": few[:, :, shown][:, :, :, shown].numpy(),
        "elements": _labels(conv.grid, shown),
    }


def _maps(
    network: CKGNetwork, convs: dict[str, GroupConv2d], setup: Setup, image: Tensor
) -> dict[str, Any]:
    """Return an image, the same moved, and what the lifting layer makes of both.

    That is `images` (2, C, H, W) and `maps` (2 or 3, N, H, W) of one channel: the one whose maps
    differ most between elements, or without a group the one that varies most. The third are the
    first, moved as the group says, where that needs no interpolation; `difference` is then that of
    the second and third, over all channels and elements.
    """
    grid = network.grid
    layer, conv = next((n, c) for n, c in convs.items() if c.kernel.lift)
    words, moved, element, p = _motion(grid, image)
    both = ImageSet(torch.cat([image, moved]), torch.zeros(2, dtype=torch.int64))
    batches = make_batches(both, setup.data, setup.hardware, batch_size=2, shuffle=False)
    with torch.no_grad():
        maps = conv(next(iter(batches))[0])
    rows = list(maps.split(1))
    if p is not None:
        rows.append(acted(rows[0], element, p))
    found = torch.cat(rows).cpu()
    found = found.reshape(len(found), -1, grid.size, *found.shape[2:])
    first = found[0].double()
    varied = first.var(1).flatten(1) if grid.size > 1 else first.flatten(1).var(1, keepdim=True)
    channel = int(varied.sum(1).argmax())
    norm = float(found[0].norm()) or math.nan
    return {
        "images": both.images.contiguous().numpy(),
        "motion": words,
        "maps_layer": layer,
        "maps_channel": channel,
        "maps": found[:, channel, _shown(grid)].float().numpy(),
        "maps_elements": _labels(grid, _shown(grid)),
        "difference": float((found[1] - found[-1]).norm()) / norm if p is not None else math.nan,
    }


def _motion(grid: PlaneGrid, image: Tensor) -> tuple[str, Tensor, str, Tensor | None]:
    """Return a motion that the group has, in words; the image moved; the same on maps, if exact.

    Without a group it is a turn all the same, which leaves the one element where it is.
    """
    known = followed(grid.lattice, *image.shape[2:])
    if grid.size == 1:
        known = followed({name: torch.zeros(1).long() for name in MOTIONS}, *image.shape[2:])
    for name, words in MOTIONS.items():
        if name in known:
            return words, ELEMENTS[name](image), name, known[name]
    if grid.rotations > 1:
        degrees = 360 / grid.rotations
        moved = turned(image, torch.tensor([math.radians(degrees)]))
        return f"turned by {degrees:.4g}°", moved, "", None
    factor = math.exp(-float(grid.log_scales[1]))
    return f"shrunk to {factor:.0%}", scaled(image, torch.tensor([factor])), "", None


def _shown(grid: PlaneGrid) -> Tensor:
    """Return which elements are shown: all, or those that are neither mirrored nor scaled."""
    if grid.size <= MOST:
        return torch.arange(grid.size)
    m, _, s = grid.places.unbind(1)
    plain = ((m == 0) & (s == 0)).nonzero()[:, 0]
    if len(plain) == 1:
        plain = torch.arange(grid.size)
    return plain[:: math.ceil(len(plain) / MOST)]


def _labels(grid: PlaneGrid, shown: Tensor) -> list[str]:
    """Return what to call elements, a line for each thing that they do."""
    names = []
    for (m, r, _), log in zip(grid.places[shown].tolist(), grid.log_scales[shown], strict=True):
        parts = [f"{360 * r / grid.rotations:.4g}°"] if grid.rotations > 1 else []
        parts += [f"{TIMES}{math.exp(log):.2f}"] if grid.scales > 1 else []
        names.append("\n".join([*parts, *(["mirror"] if m else [])]))
    return names
