"""The content key of a data set: which images a run is about, whatever their place.

Standard library alone, and bytes that were read before are not read again: a finished run is
recognised without loading torch.
"""

from __future__ import annotations

from symscape.config.data import FOLDERS, DataConfig
from symscape.data.folder.content import folder_key


def content_key(config: DataConfig) -> str:
    """Return what identifies the images: a data set's name, or for a folder a hex sha256.

    Raises:
        SymscapeError: the folder is missing or malformed, or the cache cannot be written.
    """
    return folder_key(config) if config.name in FOLDERS else config.name
