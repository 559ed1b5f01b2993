"""The walk along a network's graph, as torch.export gives it."""

from __future__ import annotations

import io
import logging
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram, default_decompositions, export
from torch.export.graph_signature import InputKind
from torch.utils._pytree import tree_map

from symscape.errors import SymscapeError
from symscape.models.permutations.walk.call import Call, bound, shapes_of
from symscape.models.permutations.walk.labels import Label, Shape, Value, constant, held_value
from symscape.models.permutations.walk.primitives import Walk
from symscape.models.permutations.walk.rules import RULES, pointwise


@dataclass
class Graph:
    """What the walk along a graph found."""

    walk: Walk
    parameters: dict[str, tuple[Label, ...]] = field(default_factory=dict)
    """Of each entry of the state dict that the graph reads."""
    values: dict[str, Value] = field(default_factory=dict)
    """What the same entries are on the walk."""
    readers: list[tuple[str, Value]] = field(default_factory=list)
    """Weights of convolutions and linear layers, and what these layers read; once a value."""
    calls: Counter[str] = field(default_factory=Counter)
    """How often each such weight is used."""


def walk_along(network: nn.Module, example: Tensor) -> Graph:
    """Return the facts about a network's channels.

    Cost: torch.export, and for each operation a few passes over labels of its result's size.

    Raises:
        SymscapeError: torch.export cannot trace the network; the message has no key yet.
    """
    program = exported(network, example)
    graph, values = Graph(Walk()), dict[fx.Node, Any]()
    sources = _sources(program)
    kernels = dict(_kernels(program.graph))
    state = {**program.state_dict, **program.constants}
    entries = network.state_dict().keys()
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.users:  # What nobody reads may be anything.
            kind, name = sources[node.name]
            values[node] = _source(graph, kind, name, state, entries, kernels.get(node), node)
        elif node.op == "call_function":
            given = _arguments(node, values)
            values[node] = _step(graph, node, given)
        elif node.op == "output":
            for value in tree_map(lambda n: values.get(n), node.args, is_leaf=_is_node)[0]:
                if isinstance(value, Value):
                    graph.walk.hold([value], value.shape, "output")
    return graph


def exported(network: nn.Module, example: Tensor) -> ExportedProgram:
    """Return a functional graph of ATen operations that have rules, as far as torch can."""
    with torch.no_grad(), warnings.catch_warnings(), _silent(), _in_eval_mode(network):
        warnings.simplefilter("ignore")
        try:
            program: ExportedProgram = export(network, (example,))
            program = program.run_decompositions({})
            known = default_decompositions()
            table = {op: known[op] for op in _unknown(program.graph) if op in known}
            return program.run_decompositions(table) if table else program
        except Exception as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise SymscapeError(f"torch.export cannot trace it: {said}") from error


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what torch.export says on its way to an error, whole graphs, from who reads a line."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


@contextmanager
def _in_eval_mode(network: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _unknown(graph: fx.Graph) -> set[Any]:
    """Return the operations that no rule is for."""
    ops = {node.target for node in graph.nodes if node.op == "call_function"}
    return {op for op in ops if isinstance(op, torch._ops.OpOverload) and _rule(op) is None}


def _rule(op: Any) -> Any:
    """Return the rule of an operation; None where there is none."""
    found = RULES.get(str(op._schema.name).partition("::")[2])
    if str(op._schema.name).partition("::")[0] != "aten":
        return None
    if found is None and torch.Tag.pointwise in op.tags:
        random = torch.Tag.nondeterministic_seeded in op.tags
        return None if random else pointwise
    return found


def _sources(program: ExportedProgram) -> dict[str, tuple[str, str]]:
    """Return for each placeholder its kind and its name in the state dict."""
    kinds = {
        InputKind.PARAMETER: "parameter",
        InputKind.BUFFER: "buffer",
        InputKind.USER_INPUT: "input",
    }
    found = {}
    for spec in program.graph_signature.input_specs:
        name = getattr(spec.arg, "name", "")
        found[name] = (kinds.get(spec.kind, "constant"), spec.target or "")
    return found


def _kernels(graph: fx.Graph) -> Iterator[tuple[fx.Node, int]]:
    """Yield the placeholders that are kernels of convolutions, or become ones, with the groups.

    Their axes beyond two number taps, and each group has inputs of its own.
    """
    for node in graph.nodes:
        if node.op != "call_function" or "conv" not in str(node.target):
            continue
        given = bound(node.target, node.args, node.kwargs)
        weight = given["weight"]
        shape, seen, left = weight.meta["val"].shape, {weight}, [weight]
        while left:
            each = left.pop()
            value = each.meta.get("val")
            if each.op == "placeholder" and getattr(value, "shape", None) == shape:
                yield each, int(given.get("groups", 1))
            new = set(each.all_input_nodes) - seen
            seen |= new
            left += new


def _source(
    graph: Graph,
    kind: str,
    name: str,
    state: Mapping[str, Any],
    entries: Any,
    groups: int | None,
    node: fx.Node,
) -> Value:
    """Return the value of a placeholder."""
    if kind == "input":
        return held_value(node.meta["val"].shape, "input")
    tensor = state[name].detach()
    channels = kind == "parameter" or (tensor.dim() == 1 and tensor.is_floating_point())
    if name not in entries or not channels:
        return constant(tensor.cpu())
    return _parameter(graph, name, tuple(tensor.shape), groups)


def _parameter(graph: Graph, name: str, shape: Shape, groups: int | None) -> Value:
    """Return the value of an entry of the state dict, whose indices get numbers."""
    if name in graph.values:
        return graph.values[name]
    axes = range(len(shape) if groups is None else min(2, len(shape)))
    in_groups = groups is not None and groups > 1 and shape[1] > 1
    facts, labels = graph.walk.facts, []
    for axis in (0,) if in_groups else axes:
        if shape[axis] > 1:
            sizes = [n if a == axis else 1 for a, n in enumerate(shape)]
            labels.append(Label(facts.new(*sizes).expand(shape)))
    taps = frozenset(a for a in range(1 if in_groups else 2, len(shape)) if shape[a] > 1)
    fixed = taps if groups is not None else frozenset[int]()
    value = Value(shape, tuple(labels), fixed, "order along an axis" if fixed else "")
    graph.parameters[name] = value.labels
    if in_groups:
        assert groups is not None
        value = replace(value, columns=Label(facts.new(groups, 1, shape[1])))
        graph.parameters[name] += (_in_groups(value),)
    graph.values[name] = value
    return value


def _in_groups(value: Value) -> Label:
    """Return the label of a kernel's inputs along its first two axes."""
    assert value.columns is not None
    numbers, (rows, inputs) = value.columns.numbers, value.shape[:2]
    each = rows // len(numbers)
    copies = torch.arange(each)[None, :, None].expand(len(numbers), each, inputs)
    view = (rows, inputs, *[1] * (len(value.shape) - 2))
    return Label(
        numbers.expand(-1, each, -1).reshape(view).expand(value.shape),
        copies.reshape(view).expand(value.shape),
    )


def _arguments(node: fx.Node, values: Mapping[fx.Node, Any]) -> Any:
    return tree_map(
        lambda leaf: values[leaf] if _is_node(leaf) else leaf,
        (node.args, dict(node.kwargs)),
        is_leaf=_is_node,
    )


def _is_node(leaf: Any) -> bool:
    return isinstance(leaf, fx.Node)


def _step(graph: Graph, node: fx.Node, given: Any) -> Any:
    """Return what a node gives, and note what layers read."""
    args, kwargs = given
    if not isinstance(node.target, torch._ops.OpOverload):
        pick: Any = node.target  # One of several results, or arithmetic of sizes.
        return pick(*args, **kwargs)
    value = node.meta.get("val")
    several = isinstance(value, list | tuple)
    picks = [user.args[1] for user in node.users if several and len(user.args) > 1]
    used = frozenset(pick for pick in picks if isinstance(pick, int))
    arguments = bound(node.target, args, kwargs)
    call = Call(node.target, arguments, tuple(shapes_of(value)), several, used)
    _note_reader(graph, node, call)
    values = call.values()
    for each in values:
        if each.columns is not None and not ("conv" in call.name and each is call.get("weight")):
            graph.walk.hold([Value(each.shape, (each.columns,))], each.shape, call.name)
    if all(each.tensor is not None for each in values):
        with torch.no_grad():
            result = call.computed()
        return tree_map(lambda t: constant(t) if isinstance(t, Tensor) else t, result)
    rule = _rule(node.target)
    if rule is None:
        held = [graph.walk.hold(values, shape, call.name) for shape in call.shapes]
        return held if several else held[0]
    return rule(graph.walk, call)


def _note_reader(graph: Graph, node: fx.Node, call: Call) -> None:
    """Note a convolution or linear layer whose weight is an entry of the state dict."""
    if call.name not in ("linear", "conv1d", "conv2d", "conv3d"):
        return
    weight, x = call["weight"], call["input"]
    stack = list(node.meta.get("nn_module_stack", {}).values())
    for name, value in graph.values.items():
        called = bool(stack) and stack[-1][0] == name.rpartition(".")[0]
        graph.calls[name] += value is weight
        if value is weight and called and not any(x is each for _, each in graph.readers):
            graph.readers.append((name, x))
