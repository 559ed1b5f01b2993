"""Filling a network with weights; reading those that were trained elsewhere, safely."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from symscape.errors import ConfigError, SymscapeError

NESTS = ("state_dict", "model", "model_state_dict", "model_ema")
"""Keys under which training programs keep a state dict."""
PICKLED = (b"PK", *(b"\x80" + bytes([protocol]) for protocol in range(2, 6)))
"""How files of torch.save begin, and other pickles: zip archives, and opcodes with a protocol."""
PREFIXES = ("module.", "_orig_mod.")
"""What wrappers put before every name."""


def read_foreign(path: Path, key: str = "weights") -> dict[str, Tensor]:
    """Return the state dict of a .safetensors file, or of a .pt or .pth one by weights_only.

    Nests (`state_dict`, `model`) and prefixes of wrappers (`module.`) are taken off.

    Args:
        path: of the file.
        key: of the config that names it.

    Raises:
        SymscapeError: the file is missing, damaged, holds more than tensors, or no state dict.
    """
    if not path.is_file():
        raise ConfigError(key, path, "no such file (null: random, pretrained: the library's)")
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise ConfigError(key, path, f"damaged ({error})") from error
    except Exception as error:
        raise ConfigError(key, path, _why(path, error)) from error
    return _unwrapped(f"{key}={path}", state)


def _why(path: Path, error: Exception) -> str:
    """Return in a line why a file cannot be read."""
    text = str(error)
    with path.open("rb") as file:
        pickled = file.read(2) in PICKLED
    if pickled and ("weights_only" in text or "Unsupported" in text):
        return "holds more than tensors, which could execute; save the state_dict() alone"
    return "damaged, or no weights; .safetensors, .pt and .pth are read"


def _unwrapped(source: str, state: Any) -> dict[str, Tensor]:
    while isinstance(state, Mapping) and (nests := [k for k in NESTS if _is_nest(state, k)]):
        state = state[nests[0]]
    if not isinstance(state, Mapping) or not state:
        raise SymscapeError(f"{source}: holds {type(state).__name__}, no state dict")
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise SymscapeError(f"{source}: {name} is {type(value).__name__}, no tensor")
    plain = dict(state)
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in plain):
            plain = {name.removeprefix(prefix): value for name, value in plain.items()}
    return plain


def _is_nest(state: Mapping[str, Any], key: str) -> bool:
    return isinstance(state.get(key), Mapping)


def fill_network(network: nn.Module, state: Mapping[str, Tensor], source: object) -> None:
    """Copy a state dict into a network of the same architecture.

    Raises:
        SymscapeError: names or shapes differ, or a value is not finite; the first one is named.
    """
    own = network.state_dict()
    for name in sorted(own.keys() ^ state.keys()):
        where = "the file" if name in state else "the network"
        raise SymscapeError(f"{source}: of another architecture: {name} is in {where} alone")
    for name, tensor in state.items():
        if tensor.shape != own[name].shape:
            shapes = f"{tuple(tensor.shape)} in the file, {tuple(own[name].shape)} in the network"
            raise SymscapeError(f"{source}: of another architecture: {name} is {shapes}")
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise SymscapeError(f"{source}: {name} holds values that are not finite")
    network.load_state_dict(dict(state))
