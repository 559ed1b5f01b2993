"""Pictures of tests that look at none: composed as ever, and written without being rendered.

Rendering takes half of the time of a tiny run. Tests that look at pictures ask for `rendered`.
"""

import base64
from os import PathLike
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

render = Figure.savefig
BLANK = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg=="
)
"""A PNG of one white pixel."""


def sketch(figure: Figure, path: PathLike[str], **_: Any) -> None:
    """Stand in for `Figure.savefig`."""
    Path(path).write_bytes(BLANK)
