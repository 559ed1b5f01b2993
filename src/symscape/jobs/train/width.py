"""`model.width=auto`: the width is found before a run has a name, so that it has one name only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symscape.config.data import DataConfig
from symscape.config.network.model import AUTO
from symscape.config.train import TrainConfig
from symscape.errors import ConfigError


def settled(config: TrainConfig, say: Callable[[str], None] = lambda _: None) -> TrainConfig:
    """Return the config with a number for its width; others as they are.

    It takes torch, and a look at the images: their channels and classes count too.

    Args:
        config: of a training.
        say: is told which width it became.

    Raises:
        SymscapeError: the images cannot be had, or no width has about so many parameters.
    """
    if config.model.width != AUTO:
        return config
    from symscape.models.sizing import with_width

    try:
        found, count, wanted = with_width(config, _shapes(config.data))
    except ValueError as error:
        raise ConfigError("model.parameters", config.model.parameters, str(error)) from error
    say(
        f"model.width=auto: {found.model.width}, with {count:,} free parameters; "
        f"{wanted:,} wanted ({count / wanted - 1:+.1%})"
    )
    return found


_known: dict[str, dict[str, Any]] = {}
"""By data config: a sweep asks once for each of its jobs."""


def _shapes(data: DataConfig) -> dict[str, Any]:
    """Return channels, classes and size of the images."""
    from symscape.data.load import load_data
    from symscape.models.build import shapes_of

    key = repr(data)
    if key not in _known:
        _known[key] = shapes_of(load_data(data).describe())
    return _known[key]
