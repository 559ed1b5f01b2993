"""The notes of a pass while it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch.utils.weak import WeakTensorKeyDictionary

from symscape.audit.tracing.flow import Flow
from symscape.audit.tracing.steps import Axis, Step, Trace


class Reading(Protocol):
    """An operator that reads maps: what is needed here of `rules.Call`."""

    @property
    def flows(self) -> Sequence[Flow]:
        """Of its tensors."""
        ...

    @property
    def first(self) -> Flow:
        """Of the first of them."""
        ...

    @property
    def out(self) -> tuple[int, ...]:
        """The shape of what it makes."""
        ...


@dataclass
class Record:
    """A trace, which activations are maps, and which module is at work."""

    trace: Trace
    flows: Any = field(default_factory=WeakTensorKeyDictionary)
    stack: list[str] = field(default_factory=list)
    """Names of the modules at work, the innermost last."""
    trusted: int = 0
    """How many modules are at work whose constant maps are known to mark no place."""

    @property
    def layer(self) -> str:
        """The name of the innermost module at work."""
        return self.stack[-1] if self.stack else ""

    def add(self, op: str, reads: Sequence[int], **entries: Any) -> int:
        """Note a step; return its number."""
        self.trace.steps.append(Step(op, self.layer, tuple(reads), **entries))
        return len(self.trace.steps) - 1

    def step(self, op: str, call: Reading, **entries: Any) -> Flow:
        """Note a step that reads one map and makes another; return its flow."""
        dims = call.first.dims
        assert dims is not None
        size = (call.out[dims[0]], call.out[dims[1]])
        return Flow(self.add(op, [call.first.step], size=size, **entries), dims)

    def pad(self, call: Reading, sides: Sequence[tuple[int, int]]) -> Flow:
        """Note rows and columns around a map; nothing where there are none."""
        if not any(map(any, sides)):
            return call.first
        self.trace.dynamic = True
        rows, columns = (Axis(1, before=b, after=a) for b, a in sides)
        return self.step("pad", call, axes=(rows, columns))

    def merge(self, call: Reading) -> Flow:
        """Note that maps meet pixel by pixel; those of one step need no note."""
        steps = list(dict.fromkeys(flow.step for flow in call.flows))
        flow = Flow(call.first.step, call.first.dims, call.first.tokens)
        if len(steps) == 1:
            return flow
        size = self.trace.steps[steps[0]].size
        return Flow(self.add("merge", steps, size=size), flow.dims, flow.tokens)

    def head(self, flow: Flow, kind: str) -> Flow | None:
        """Note that a map ends; there is no flow behind it."""
        self.trace.head = kind
        self.add("head", [flow.step])
        return None

    def marked(self) -> tuple[int, str]:
        """Return where the notes stand, for `back_to`."""
        return len(self.trace.steps), self.trace.unknown

    def back_to(self, mark: tuple[int, str]) -> None:
        """Forget what was noted since: it is one step, to be noted as such."""
        del self.trace.steps[mark[0] :]
        self.trace.unknown = mark[1]

    def lose(self, flow: Flow, why: str) -> Flow:
        """Note that a map cannot be followed; return the flow of what came of it."""
        where = f" in {self.layer}" if self.layer else ""
        self.trace.unknown = self.trace.unknown or f"{why}{where}"
        return Flow(self.add("unknown", [flow.step]), None)
