"""The reader of a folder or an archive of images."""

from __future__ import annotations

from pathlib import Path

from symscape.config.data import DataConfig
from symscape.data.folder.archive import Archive
from symscape.data.folder.tree import Tree
from symscape.errors import ConfigError


def open_source(config: DataConfig) -> Tree | Archive:
    """Return the reader of `data.root`.

    Raises:
        ConfigError: nothing is there, or a file that is no archive.
    """
    if not config.root:
        raise ConfigError("data.root", config.root, f"data={config.name} needs data.root=PATH")
    root = Path(config.root).expanduser()
    if not root.exists():
        kinds = ".zip, .tar, .tar.gz, .tar.bz2, .tar.xz"
        raise ConfigError("data.root", root, f"there is no such folder or archive ({kinds})")
    return Tree(root) if root.is_dir() else Archive(root)
