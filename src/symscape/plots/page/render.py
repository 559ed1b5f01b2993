"""Writing a page as one HTML file that needs no network: template, style, script and data in it."""

from __future__ import annotations

import base64
import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from symscape.plots.page.parts import Page

HERE = Path(__file__).parent


def render(page: Page) -> str:
    """Return the HTML of a page; the script that draws is in it where there is a picture.

    That script is packed, and so is what it draws: 2 MB in place of 5, and a tenth of the data. The
    browser unpacks them after the first paint.
    """
    pictures = [picture for section in page.sections for picture in section.pictures]
    figures = [{"data": p.data, "layout": p.layout, "behind": p.behind} for p in pictures]
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        page=page,
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
        figures=packed(as_json(figures)),
        plotly=packed_plotly() if pictures else "",
    )


def packed(text: str) -> str:
    """Return a text, compressed, in letters that HTML can hold and no element ends with."""
    data = gzip.compress(text.encode(), compresslevel=9, mtime=0)
    return base64.b64encode(data).decode()


def as_json(tree: Any) -> str:
    """Return a tree as JSON.

    Raises:
        ValueError: a number in it is not finite: JSON knows no NaN.
    """
    return json.dumps(tree, separators=(",", ":"), allow_nan=False)


@cache
def packed_plotly() -> str:
    """Return plotly's script, packed."""
    from plotly.offline import get_plotlyjs

    return packed(get_plotlyjs())
