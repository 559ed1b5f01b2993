"""The content key of a folder or an archive, found without reading it again."""

from __future__ import annotations

from symscape.config.data import DataConfig
from symscape.data.folder.keys import cache_folder, remembered
from symscape.data.folder.source import open_source


def folder_key(config: DataConfig) -> str:
    """Return a hex sha256 of the images.

    It covers relative paths and bytes, so a tree, a zip and a tar archive of the same images have
    the same key, wherever they lie. It is remembered under the paths, sizes and times of change of
    the files; where it is not known yet, the images are read and, as a run needs them next, decoded
    on the way (see `build`).

    Raises:
        SymscapeError: the folder is missing or malformed, or the cache cannot be written.
    """
    known = remembered(cache_folder(config), open_source(config).fingerprint())
    if known is None:
        from symscape.data.folder.build import build

        return build(config)
    return known
