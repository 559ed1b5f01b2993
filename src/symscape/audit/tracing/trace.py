"""One pass of an image without content through a network, noting what happens to its map.

On PyTorch's meta device nothing is computed: activations have a shape and no values. What depends
on weights alone runs for real, so a convolution's kernel is the one that is applied, whether it is
stored, normalised, standardised or tied. Where a network looks at values the pass is made once more
with an image of zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from symscape.audit.tracing.flow import Flow
from symscape.audit.tracing.modes import Functions, Operators
from symscape.audit.tracing.record import Record
from symscape.audit.tracing.steps import Axis, Pair, Trace
from symscape.errors import SymscapeError
from symscape.layers.sampling.blur import Blur, taps_for
from symscape.layers.sampling.grid_mean import GridMean
from symscape.layers.sampling.padding import PaddedConv2d


def trace(network: nn.Module, channels: int, size: Pair) -> Trace:
    """Return what happens to an image of (channels, rows, columns) in a network.

    Cost: one pass without arithmetic, 0.07 s for a ResNet-50.

    Args:
        network: maps images (1, C, H, W) to a tensor, in eval mode, on the CPU.
        channels: of the image.
        size: its rows and columns.

    Raises:
        SymscapeError: it cannot compute an image of this size; names the layer.
    """
    try:
        return _pass(network, torch.empty(1, channels, *size, device="meta"))
    except SymscapeError:
        raise
    except Exception:
        # Control flow on values, or an operator that has no shapes alone.
        return _pass(network, torch.zeros(1, channels, *size))


def _pass(network: nn.Module, image: Tensor) -> Trace:
    dtype = next((p.dtype for p in network.parameters() if p.is_floating_point()), image.dtype)
    image, size = image.to(dtype), (image.shape[-2], image.shape[-1])
    record = Record(Trace(size))
    record.flows[image] = Flow(record.add("input", [], size=size), (2, 3))
    meta = image.device.type == "meta"
    with torch.no_grad(), _named(network, record), Operators(record, meta), Functions(record):
        try:
            output = network(image)
        except Exception as error:
            if meta:
                raise
            raise _failed(record, size, error) from error
    _end(record, output)
    return record.trace


def _failed(record: Record, size: Pair, error: Exception) -> SymscapeError:
    reason = (str(error).splitlines() or [repr(error)])[0]
    layer = f"{record.layer}: " if record.layer else ""
    return SymscapeError(f"input_size={size[0]}x{size[1]}: {layer}{reason}")


def _end(record: Record, output: Any) -> None:
    """Note a network whose output is a map, and one whose map was lost."""
    shapes = [tuple(t.shape) for t in tree_leaves(output) if isinstance(t, Tensor)]
    record.trace.output = shapes[0] if shapes else ()
    if record.trace.unknown:
        record.trace.head = "none"
        return
    flows = [record.flows[t] for t in tree_leaves(output) if _is_map(record, t)]
    for flow in flows[:1]:
        if flow.known:
            record.head(flow, "dense")


def _is_map(record: Record, leaf: object) -> bool:
    return isinstance(leaf, Tensor) and leaf in record.flows


@contextmanager
def _named(network: nn.Module, record: Record) -> Iterator[None]:
    """Keep the names of the modules at work; where one raises they stay, to be named."""
    marks: list[tuple[int, str]] = []

    def enter(name: str, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        record.stack.append(name)
        record.trusted += isinstance(module, PaddedConv2d)
        marks.append(record.marked())

    def leave(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        record.trusted -= isinstance(module, PaddedConv2d)
        mark = marks.pop()
        if isinstance(module, Blur | GridMean):
            record.back_to(mark)
            _note_own(record, module, inputs[0], output)
        record.stack.pop()

    hooks = []
    try:
        for name, module in network.named_modules():
            hooks.append(module.register_forward_pre_hook(partial(enter, name)))
            hooks.append(module.register_forward_hook(leave))
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _note_own(record: Record, module: Blur | GridMean, x: Tensor, y: Tensor) -> None:
    """Note a layer of ours whose operators say nothing of windows."""
    if (flow := record.flows.get(x)) is None or flow.dims is None:
        return
    size = (x.shape[-2], x.shape[-1])
    if isinstance(module, Blur):
        taps = [module.taps or taps_for(n) for n in size]
        axes = [Axis(f, module.stride, 1, (f - 1) // 2, f // 2) for f in taps]
    else:
        # All grids together read a row more for each that one of them leaves out.
        record.trace.dynamic = True
        kernel, pads = module.window(size)
        each = zip(kernel, pads.stride, pads.amounts, strict=True)
        axes = [Axis(k, s, 1, p, p) for k, s, p in each]
    step = record.add(
        "blur",
        [flow.step],
        axes=(axes[0], axes[1]),
        size=(y.shape[-2], y.shape[-1]),
        automatic=isinstance(module, Blur) and module.taps is None,
    )
    record.flows[y] = Flow(step, flow.dims)
