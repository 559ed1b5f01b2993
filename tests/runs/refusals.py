"""What errors about files have in common."""

from pathlib import Path

import pytest

from symscape.errors import SymscapeError


def one_line(error: pytest.ExceptionInfo[SymscapeError], path: Path) -> str:
    text = str(error.value)
    assert "\n" not in text and str(path) in text
    return text
