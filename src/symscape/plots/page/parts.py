"""What a page is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Source:
    """Where numbers come from: a file beside the page, and the command that made it."""

    file: str
    command: str
    link: str = ""
    """Where `file` leads to, if it is a pattern of many."""


@dataclass(frozen=True)
class Cell:
    """A cell of a table; what sorts it, if not its text; more under the pointer; a link."""

    text: str
    sort: float | None = None
    title: str = ""
    link: str = ""
    mark: str = ""
    """A class of its look: a verdict, a kind's colour."""


@dataclass(frozen=True)
class Table:
    """Columns that sort, and where the numbers come from."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    source: Source
    note: str = ""
    folded: bool = False
    """Shown when it is asked for."""


@dataclass(frozen=True)
class Picture:
    """A figure of plotly: its traces and its layout."""

    title: str
    data: Sequence[dict[str, Any]]
    layout: dict[str, Any]
    source: Source
    note: str = ""
    behind: dict[str, Any] = field(default_factory=dict)
    """Figures shown below it when a cell is chosen, by the cell's `x|y` or `y|x`."""
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page with its own heading."""

    key: str
    title: str
    text: str = ""
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()

    @property
    def commands(self) -> list[str]:
        """The commands that made its numbers, each once."""
        sources = [each.source for each in self.pictures] + [each.source for each in self.tables]
        return list(dict.fromkeys(source.command for source in sources if source.command))


@dataclass(frozen=True)
class Missing:
    """A part that is left out, and the command that would make it."""

    title: str
    command: str


@dataclass(frozen=True)
class Page:
    """All of it."""

    title: str
    about: Sequence[str]
    """Facts below the title."""
    kinds: Sequence[tuple[str, str]]
    """Labels of kinds of runs with their CSS backgrounds; each is switched on and off."""
    sections: Sequence[Section]
    missing: Sequence[Missing]
