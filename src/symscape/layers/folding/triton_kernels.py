"""Triton kernels of the folded convolution: see `layers.fused`, which launches them.

A program sums the taps of one orbit for a tile of pixels and channels in registers, and multiplies
the sum at once. Where a tap is outside the image, it meets a zero. Sums are float32, rounded once
to the type of the images before a product, which accumulates in float32.

Arguments: x (N, H, W, I), u (O, d, I), y and g (N, H', W', O), all contiguous; pixels, N * H' * W';
sizes, (H, W, H', W'); inputs, I; filters, O; orbits, d; labels, the orbit of each tap, row by row;
rows and cols, of taps; above and aside, the zeros that pad the image; `of_`, lengths of
tiles, powers of 2 and 16 at least.

Only operations that are built into the language are used, none that are Triton functions
themselves: so the kernels can be interpreted on a CPU even where Triton was imported to compile.
"""

from __future__ import annotations

import triton
import triton.language as tl

# What changes with the images alone: specialised to it, a kernel would be compiled for each size.
SIZES = ["pixels", "share", "sizes"]


@triton.jit
def _folded(
    x: tl.tensor,
    p: tl.tensor,
    i: tl.tensor,
    pixels: tl.tensor,
    sizes: tl.tuple,
    inputs: tl.tensor,
    orbit: tl.constexpr,
    labels: tl.constexpr,
    rows: tl.constexpr,
    cols: tl.constexpr,
    stride: tl.constexpr,
    above: tl.constexpr,
    aside: tl.constexpr,
) -> tl.tensor:
    """Return the fold of pixels p and channels i for one orbit, as a tile of p x i."""
    height, width, out_height, out_width = sizes
    image = p // (out_height * out_width)
    top = p // out_width % out_height * stride - above
    left = p % out_width * stride - aside
    # A batch may have more elements than 32 bits count.
    corner = x + ((image.to(tl.int64) * height + top) * width + left)[:, None] * inputs + i[None, :]
    total = tl.full((p.shape[0], i.shape[0]), 0.0, tl.float32)
    for row in tl.static_range(rows):
        for column in tl.static_range(cols):
            if labels[row * cols + column] == orbit:
                tall = (top >= -row) & (top < height - row)
                wide = (left >= -column) & (left < width - column)
                met = (tall & wide & (p < pixels))[:, None] & (i < inputs)[None, :]
                values = tl.load(corner + (row * width + column) * inputs, mask=met, other=0.0)
                total += values.to(tl.float32)
    return total.to(x.dtype.element_ty)


@triton.jit(do_not_specialize=SIZES)
def product(
    x: tl.tensor,
    u: tl.tensor,
    bias: tl.tensor,
    y: tl.tensor,
    pixels: tl.tensor,
    sizes: tl.tuple,
    inputs: tl.tensor,
    filters: tl.tensor,
    orbits: tl.constexpr,
    labels: tl.constexpr,
    rows: tl.constexpr,
    cols: tl.constexpr,
    stride: tl.constexpr,
    above: tl.constexpr,
    aside: tl.constexpr,
    biased: tl.constexpr,
    of_pixels: tl.constexpr,
    of_filters: tl.constexpr,
    of_inputs: tl.constexpr,
) -> None:
    """Write y[p, o] = bias[o] + sum_ri F[p, r, i] u[o, r, i]; a program writes one tile of it."""
    # Programs that start together share pixels, so that x comes from the cache but once.
    across = (filters + of_filters - 1) // of_filters
    p = tl.program_id(0) // across * of_pixels + tl.arange(0, of_pixels)
    o = tl.program_id(0) % across * of_filters + tl.arange(0, of_filters)
    total = tl.full((of_pixels, of_filters), 0.0, tl.float32)
    for start in range(0, inputs, of_inputs):
        i = start + tl.arange(0, of_inputs)
        there = (i < inputs)[:, None] & (o < filters)[None, :]
        for orbit in tl.static_range(orbits):
            folded = _folded(
                x, p, i, pixels, sizes, inputs, orbit, labels, rows, cols, stride, above, aside
            )
            where = (o[None, :] * orbits + orbit) * inputs + i[:, None]
            values = tl.load(u + where, mask=there, other=0.0)
            total = tl.dot(folded, values, total, input_precision="ieee")
    if biased:
        total += tl.load(bias + o, mask=o < filters, other=0.0).to(tl.float32)[None, :]
    out = y + p.to(tl.int64)[:, None] * filters + o[None, :]
    tl.store(out, total.to(y.dtype.element_ty), mask=(p < pixels)[:, None] & (o < filters)[None, :])


@triton.jit(do_not_specialize=SIZES)
def gradient(
    x: tl.tensor,
    g: tl.tensor,
    sums: tl.tensor,
    pixels: tl.tensor,
    share: tl.tensor,
    sizes: tl.tuple,
    inputs: tl.tensor,
    filters: tl.tensor,
    orbits: tl.constexpr,
    labels: tl.constexpr,
    rows: tl.constexpr,
    cols: tl.constexpr,
    stride: tl.constexpr,
    above: tl.constexpr,
    aside: tl.constexpr,
    of_pixels: tl.constexpr,
    of_filters: tl.constexpr,
    of_inputs: tl.constexpr,
) -> None:
    """Write sums[s, o, r, i], the sum of g[p, o] F[p, r, i] over the s-th share of the pixels.

    A program writes one tile of one orbit, for one share.
    """
    across = (inputs + of_inputs - 1) // of_inputs
    o = tl.program_id(0) // across * of_filters + tl.arange(0, of_filters)
    i = tl.program_id(0) % across * of_inputs + tl.arange(0, of_inputs)
    first = tl.program_id(1) * share
    out = sums + (tl.program_id(1) * filters + o)[:, None] * orbits * inputs + i[None, :]
    # The taps of an orbit are known when compiling: there is a loop for each, and a program runs
    # one of them.
    for orbit in tl.static_range(orbits):
        if tl.program_id(2) == orbit:
            total = tl.full((of_filters, of_inputs), 0.0, tl.float32)
            for start in range(first, first + share, of_pixels):
                p = start + tl.arange(0, of_pixels)
                folded = _folded(
                    x, p, i, pixels, sizes, inputs, orbit, labels, rows, cols, stride, above, aside
                )
                there = (o < filters)[:, None] & (p < pixels)[None, :]
                where = p.to(tl.int64)[None, :] * filters + o[:, None]
                gradients = tl.load(g + where, mask=there, other=0.0)
                total = tl.dot(gradients, folded, total, input_precision="ieee")
            there = (o < filters)[:, None] & (i < inputs)[None, :]
            tl.store(out + orbit * inputs, total, mask=there)
