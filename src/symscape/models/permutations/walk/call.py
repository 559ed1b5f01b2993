"""One operation of a graph: its arguments by name, values in place of tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from symscape.models.permutations.walk.labels import Shape, Value


@dataclass(frozen=True, eq=False)
class Call:
    """An ATen operation with what it is given."""

    target: Any
    arguments: Mapping[str, Any]
    """By the names of its schema, with its defaults."""
    shapes: tuple[Shape, ...]
    """Of its results."""
    several: bool
    """Its result is a list or tuple."""
    used: frozenset[int] = frozenset()
    """Which of several results anyone reads."""

    @property
    def name(self) -> str:
        """Its name without overload: `conv2d`."""
        return str(self.target._schema.name).partition("::")[2]

    @property
    def shape(self) -> Shape:
        """Of its first result."""
        return self.shapes[0]

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return an argument, or a default where there is none of this name or it is None."""
        found = self.arguments.get(name)
        return default if found is None else found

    def values(self) -> list[Value]:
        """Return all tensors that it is given."""
        return [leaf for leaf in tree_leaves(dict(self.arguments)) if isinstance(leaf, Value)]

    def first(self) -> Value:
        """Return the first tensor."""
        return self.values()[0]

    def axes(self, name: str, value: Value) -> frozenset[int]:
        """Return an argument that names axes of a value, as a set; all where it is empty."""
        given = self.arguments.get(name)
        if given is None or given == []:
            return frozenset(range(len(value.shape)))
        given = [given] if isinstance(given, int) else given
        return frozenset(axis % max(1, len(value.shape)) for axis in given)

    def axis(self, value: Value, name: str = "dim") -> int:
        """Return an argument that names one axis of a value."""
        return int(self.arguments[name]) % max(1, len(value.shape))

    def on(self, tensor: Tensor) -> Any:
        """Return what it does to another tensor in place of the first."""
        rest = list(self.arguments.values())[1:]
        args, kwargs = [], {}
        for argument, value in zip(self.target._schema.arguments[1:], rest, strict=True):
            if argument.kwarg_only:
                kwargs[argument.name] = value
            else:
                args.append(value)
        return self.target(tensor, *_filled(args), **_filled(kwargs))

    def computed(self) -> Any:
        """Return its result on constants."""
        args, kwargs = [], {}
        for argument in self.target._schema.arguments:
            value = self.arguments[argument.name]
            if argument.name == "device" and value is not None:
                value = torch.device("cpu")  # Where labels and constants are.
            if argument.kwarg_only:
                kwargs[argument.name] = value
            else:
                args.append(value)
        return self.target(*_filled(args), **_filled(kwargs))


Rule = Callable[..., Any]


def entering(rules: dict[str, Rule]) -> Callable[..., Callable[[Rule], Rule]]:
    """Return a decorator that enters a rule under the names of operations."""

    def rule(*names: str) -> Callable[[Rule], Rule]:
        def entered(function: Rule) -> Rule:
            rules.update(dict.fromkeys(names, function))
            return function

        return entered

    return rule


def _filled(given: Any) -> Any:
    return tree_map(lambda leaf: leaf.tensor if isinstance(leaf, Value) else leaf, given)


def bound(target: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of an operation by name, with the defaults of its schema."""
    found: dict[str, Any] = {}
    for i, argument in enumerate(target._schema.arguments):
        if i < len(args):
            found[argument.name] = args[i]
        elif argument.name in kwargs:
            found[argument.name] = kwargs[argument.name]
        else:
            found[argument.name] = argument.default_value
    return found


def shapes_of(result: Any) -> Iterator[Shape]:
    """Yield the shapes of what a node of the graph gives; () for what is no tensor."""
    for each in result if isinstance(result, list | tuple) else [result]:
        yield tuple(each.shape) if isinstance(each, torch.Tensor) else ()
