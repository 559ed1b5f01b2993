"""The folded convolution of a GPU: each fold is summed in registers and multiplied there.

`layers.fold` stores the fold of a block before the product reads it: in the cache of a CPU, but in
the memory of a GPU, whose bandwidth then bounds it. Here each program of a Triton kernel sums the
taps for a tile of pixels and channels and multiplies at once, so that no fold is stored.

Sizes of tiles follow from shapes alone, and no sum depends on an order of arrival: results repeat
to the bit. Shapes and names are those of `layers.fold`.
"""

from __future__ import annotations

import math
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from symscape.layers.folding.geometry import Geometry

# Outputs from which tiles of 128 x 128 fill a GPU: there are 256 of them and more.
MANY = 2**22
# Programs that share a gradient; each writes 64 x 64 float32 sums at most.
PROGRAMS = 512
# Bytes of a tile along the terms of a product: with more, registers spill on GPUs of 2020.
DEPTH = 64


def fuses(x: Tensor) -> bool:
    """Return whether the fold of x is computed here: its type and its GPU allow it.

    Where Triton is not installed, or the GPU is older than Ampere (before which it compiles no
    matrix instructions of these types), `layers.fold` computes with operations of PyTorch.
    """
    return x.dtype in (torch.float32, torch.bfloat16, torch.float16) and _serves(x.device)


@cache
def _serves(device: torch.device) -> bool:
    if device.type != "cuda" or torch.version.cuda is None or find_spec("triton") is None:
        return False
    return torch.cuda.get_device_capability(device) >= (8, 0)


def fused_product(x: Tensor, u: Tensor, geometry: Geometry, bias: Tensor | None = None) -> Tensor:
    """Return y (N, H', W', O): the fold of x times u, plus a bias; without gradients.

    Each output of each filter is written once; each pixel is read once a tap and tile of filters,
    mostly from the cache.

    Args:
        x: images (N, H, W, I), contiguous.
        u: tap values of the orbits (O, d, I), of the type of x.
        geometry: of the convolution; its padding may be negative.
        bias: (O,), of the type of x.
    """
    from symscape.layers.folding.triton_kernels import product

    filters, orbits, inputs = u.shape
    y = x.new_empty(len(x), *geometry.out_size, filters)
    pixels = math.prod(y.shape[:3])
    large = pixels * filters >= MANY and x.element_size() == 2
    of_pixels = 128 if large else 64
    of_filters = _tile(filters, of_pixels)
    programs = _parts(pixels, of_pixels) * _parts(filters, of_filters)
    if programs:
        with torch.cuda.device(x.get_device()):
            product[programs, 1, 1](
                x,
                u.contiguous(),
                y if bias is None else bias.contiguous(),
                y,
                pixels,
                (*geometry.size, *geometry.out_size),
                inputs,
                filters,
                orbits,
                biased=bias is not None,
                of_pixels=of_pixels,
                of_filters=of_filters,
                of_inputs=_tile(inputs, DEPTH // x.element_size()),
                num_warps=8 if large else 4,
                **_compiled_for(geometry),
            )
    return y


def fused_gradient(x: Tensor, g: Tensor, geometry: Geometry) -> Tensor:
    """Return du (O, d, I) = sum over pixels p of g[p, o] F[p, r, i], of the type of g.

    Shares of the pixels are summed each by programs of their own, then over the shares, all in
    float32. The shares' sums take at most 8 MiB, or those of one share.

    Args:
        x: images (N, H, W, I), contiguous.
        g: gradients (N, H', W', O) of the outputs, contiguous, of the type of x.
        geometry: of the convolution.
    """
    from symscape.layers.folding.triton_kernels import gradient

    inputs, filters, orbits = x.shape[-1], g.shape[-1], geometry.orbits
    pixels = math.prod(g.shape[:3])
    of_pixels, of_filters, of_inputs = DEPTH // x.element_size(), _tile(filters), _tile(inputs)
    tiles = _parts(filters, of_filters) * _parts(inputs, of_inputs)
    steps = _parts(pixels, of_pixels)
    share = of_pixels * _parts(steps, max(PROGRAMS // (tiles * orbits), 1))
    shares = _parts(pixels, share) if pixels else 0
    sums = x.new_empty(shares, filters, orbits, inputs, dtype=torch.float32)
    if shares:
        with torch.cuda.device(x.get_device()):
            gradient[tiles, shares, orbits](
                x,
                g,
                sums,
                pixels,
                share,
                (*geometry.size, *geometry.out_size),
                inputs,
                filters,
                orbits,
                of_pixels=of_pixels,
                of_filters=of_filters,
                of_inputs=of_inputs,
                num_warps=4,
                **_compiled_for(geometry),
            )
    return sums.sum(0).to(g.dtype)


def _parts(length: int, part: int) -> int:
    return -(-length // part)


def _tile(channels: int, most: int = 64) -> int:
    """Return the length of a tile along channels: a power of 2, 16 at least for a product."""
    return min(max(1 << (channels - 1).bit_length(), 16), most)


def _compiled_for(geometry: Geometry) -> dict[str, Any]:
    """Return what a kernel is compiled for, and how."""
    return {
        "labels": sum(geometry.labels, ()),
        "rows": geometry.kernel_size[0],
        "cols": geometry.kernel_size[1],
        "stride": geometry.stride,
        "above": geometry.padding[0],
        "aside": geometry.padding[1],
        # Stages hold the taps of all orbits in shared memory, which large kernels exceed.
        "num_stages": 1,
        # What Triton's default is depends on its version and on the environment.
        "enable_fp_fusion": True,
    }
