"""The examples in docstrings say what is true."""

import doctest
import importlib
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
MODULES = [
    ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    for path in sorted(SOURCE.rglob("*.py"))
    if ">>> " in path.read_text()
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name):
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert found.attempted and not found.failed


def test_every_function_of_the_library_has_an_example():
    own = {"align", "audit_network", "connect", "top_eigenvalues"}
    library = importlib.import_module("symscape.library")
    assert own <= set(library.__all__)
    assert all(">>> " in getattr(library, name).__doc__ for name in own)
