"""Where the rows and columns of a map lie among a tensor's dimensions, and what moves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Flow:
    """What is known of an activation."""

    step: int
    """The step that made the map."""
    dims: tuple[int, int] | None
    """Its dimensions of rows and columns; None where they cannot be told apart any more."""
    tokens: int | None = None
    """The dimension that holds all pixels of a map, rows and columns together."""
    maker: int | None = None
    """The convolution whose output it is, untouched."""

    @property
    def known(self) -> bool:
        """Whether rows and columns are dimensions by themselves."""
        return self.dims is not None


def moved(dims: tuple[int, int], order: Sequence[int], rank: int) -> tuple[int, int]:
    """Return where rows and columns lie after a permutation of dimensions."""
    order = [d % rank for d in order]
    return order.index(dims[0]), order.index(dims[1])


def reduced(dims: tuple[int, int], gone: Sequence[int]) -> tuple[int, int]:
    """Return where they lie after other dimensions are taken away."""
    rows, columns = (d - sum(g < d for g in gone) for d in dims)
    return rows, columns


def broadcast(dims: tuple[int, int], rank: int, result: int) -> tuple[int, int]:
    """Return where they lie in a result of more dimensions."""
    return dims[0] + result - rank, dims[1] + result - rank


def groups(old: Sequence[int], new: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Return which dimensions of a shape became which of another, as few together as can be.

    Dimensions of size 1 that stand alone are left out.
    """
    found: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(old) or j < len(new):
        if i < len(old) and old[i] == 1:
            i += 1
            continue
        if j < len(new) and new[j] == 1:
            j += 1
            continue
        before, after, left, right = [i], [j], old[i], new[j]
        while left != right:
            if left < right:
                i += 1
                before.append(i)
                left *= old[i]
            else:
                j += 1
                after.append(j)
                right *= new[j]
        found.append((before, after))
        i, j = i + 1, j + 1
    return found
