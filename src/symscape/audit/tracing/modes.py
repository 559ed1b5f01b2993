"""Modes of PyTorch under which a network's operators are seen one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from symscape.audit.kernels import Convolution
from symscape.audit.tracing.flow import Flow
from symscape.audit.tracing.operators import keeps_tokens, rule_of
from symscape.audit.tracing.record import Record
from symscape.audit.tracing.rules import Call, marks_a_place, pointwise

NORMS = ("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm")
MAKERS = {"empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like"}
MAKERS |= {"new_empty", "new_zeros", "new_ones", "new_full", "sym_size", "is_same_size"}
"""Operators that look at a map's shape and type alone."""


class Functions(TorchFunctionMode):
    """What is clearer before PyTorch takes it apart: linear layers, circular padding."""

    def __init__(self, record: Record) -> None:
        super().__init__()
        self.record = record

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        x = args[0] if args and isinstance(args[0], Tensor) else None
        flow = None if x is None else self.record.flows.get(x)
        if x is None or flow is None or not flow.known:
            return func(*args, **kwargs)
        if func is functional.linear and x.ndim - 1 not in (flow.dims or ()):
            return self._whole(func, args, kwargs, lambda y: Flow(flow.step, flow.dims))
        if func is functional.pad and _mode(args, kwargs) == "circular":
            return self._whole(func, args, kwargs, partial(self._circular, x, flow, args, kwargs))
        return func(*args, **kwargs)

    def _whole(
        self, func: Callable[..., Any], args: Any, kwargs: Any, flow_of: Callable[[Tensor], Flow]
    ) -> Tensor:
        """Call a function as one operator: what it is made of leaves no steps."""
        mark = self.record.marked()
        y: Tensor = func(*args, **kwargs)
        self.record.back_to(mark)
        self.record.flows[y] = flow_of(y)
        return y

    def _circular(self, x: Tensor, flow: Flow, args: Any, kwargs: Any, y: Tensor) -> Flow:
        pads = list(args[1] if len(args) > 1 else kwargs["pad"])
        sides = {x.ndim - 1 - i // 2: (pads[i], pads[i + 1]) for i in range(0, len(pads), 2)}
        call = Call("pad", (), (flow,), flow, tuple(x.shape), tuple(y.shape))
        return self.record.pad(call, [sides.get(d, (0, 0)) for d in flow.dims or ()])


def _mode(args: Any, kwargs: Any) -> str:
    return str(args[2] if len(args) > 2 else kwargs.get("mode", "constant"))


class Operators(TorchDispatchMode):
    """Sees every operator; brings weights to where an image without content is."""

    def __init__(self, record: Record, meta: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.record, self.meta = record, meta

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        flows = [self.record.flows[t] for t in tensors if t in self.record.flows]
        moved_args, moved_kwargs = args, kwargs
        if self.meta and any(t.device.type == "meta" for t in tensors):
            moved_args, moved_kwargs = tree_map_only(Tensor, _to_meta, (args, kwargs))
        out = func(*moved_args, **moved_kwargs)
        name = func._schema.name.removeprefix("aten::")
        noted = name == "convolution" and self._note_kernel(tensors[1], args[3])
        if flows and name not in MAKERS:
            self._follow(func, name, _filled(func, args, kwargs), tensors, flows, out)
        if noted and (flow := self.record.flows.get(out)) is not None and flow.known:
            maker = len(self.record.trace.convolutions) - 1
            self.record.flows[out] = replace(flow, maker=maker)
        return out

    def _note_kernel(self, weight: Tensor, stride: Sequence[int]) -> bool:
        """Note a kernel that has values; return whether it had."""
        if real := weight.ndim == 4 and weight.device.type != "meta":
            pair = (int(stride[0]), int(stride[-1]))
            self.record.trace.convolutions.append(
                Convolution(self.record.layer, weight.detach(), pair, None)
            )
        return real

    def _follow(
        self,
        func: Any,
        name: str,
        args: Sequence[Any],
        tensors: Sequence[Tensor],
        flows: Sequence[Flow],
        out: Any,
    ) -> None:
        record = self.record
        outputs = [t for t in tree_leaves(out) if isinstance(t, Tensor)]
        if not outputs:
            return
        shaped = next(t for t in tensors if t in record.flows)
        call = Call(name, args, flows, flows[0], tuple(shaped.shape), tuple(outputs[0].shape))
        flow = _flow_behind(record, call, func, tensors)
        if name in NORMS and flows[0].maker is not None:
            _note_norm(record, flows[0].maker, name, args)
        for output in outputs if flow is not None else ():
            record.flows[output] = flow


def _to_meta(tensor: Tensor) -> Tensor:
    return tensor if tensor.device.type == "meta" else tensor.to("meta")


def _filled(func: Any, args: Sequence[Any], kwargs: Any) -> list[Any]:
    """Return all arguments in the order of the operator's schema, with its defaults."""
    names = [a.name for a in func._schema.arguments]
    defaults = [a.default_value for a in func._schema.arguments]
    rest = zip(names[len(args) :], defaults[len(args) :], strict=True)
    return [*args, *(kwargs.get(name, default) for name, default in rest)]


def _flow_behind(record: Record, call: Call, func: Any, tensors: Sequence[Tensor]) -> Flow | None:
    """Return the flow of what an operator makes of maps; None where there is no map any more."""
    rule = rule_of(func)
    for flow in call.flows:
        if not flow.known and flow.tokens is None:
            return flow
    if rule is None or (call.first.tokens is not None and not keeps_tokens(rule)):
        return record.lose(call.first, call.name)
    if call.first.known and not record.trusted and rule is pointwise:
        for tensor in tensors:
            if tensor not in record.flows and marks_a_place(tensor, call):
                return record.lose(call.first, "a constant map that is not symmetric")
    return rule(record, call)


def _note_norm(record: Record, maker: int, name: str, args: Sequence[Any]) -> None:
    """Note by what a BatchNorm scales the rows of the kernel before it."""
    weight, variance, epsilon = args[1], args[4], args[-1]
    batch_statistics = name == "native_batch_norm" and bool(args[5])
    if variance is None or batch_statistics:
        return
    scale = (variance + epsilon).rsqrt() * (1 if weight is None else weight)
    made = record.trace.convolutions[maker]
    record.trace.convolutions[maker] = replace(made, scale=scale.detach())
