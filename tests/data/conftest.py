"""Fixtures of the data tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.folder.image_trees import make_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two classes, 5 training and 2 test images each, 6x8 pixels, RGB."""
    return make_tree(tmp_path / "images")
