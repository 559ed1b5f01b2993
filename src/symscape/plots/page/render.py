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

    That script is packed: 2 MB in place of 5, unpacked by the browser after the first paint.
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
        figures=embedded(figures),
        plotly=packed_plotly() if pictures else "",
    )


def embedded(tree: Any) -> str:
    """Return a tree as JSON that cannot end the script element that it stands in.

    Raises:
        ValueError: a number in it is not finite: JSON knows no NaN.
    """
    text = json.dumps(tree, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


@cache
def packed_plotly() -> str:
    """Return plotly's script, compressed, in letters that HTML can hold."""
    from plotly.offline import get_plotlyjs

    packed = gzip.compress(get_plotlyjs().encode(), compresslevel=9, mtime=0)
    return base64.b64encode(packed).decode()
