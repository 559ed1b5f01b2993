"""Weights on disk: safetensors with a content hash, of effective networks and their buffers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from symscape.errors import SymscapeError
from symscape.runs.files import replacing

ANEW = "train.py force=true trains a run anew"


def content_hash(state: Mapping[str, Tensor]) -> str:
    """Return the sha256 over names, types, shapes and bytes: equal for bit-identical weights."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def save_weights(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> str:
    """Write a state dict, all or nothing; return its content hash, which the file holds too."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    digest = content_hash(tensors)
    with replacing(path) as part:
        # Written by Python, whose errors say that a disk is full; safetensors' own do not.
        part.write_bytes(save(tensors, {"symscape": json.dumps({**metadata, "sha256": digest})}))
    return digest


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a state dict and its metadata; the content hash is checked, nothing is executed.

    Raises:
        SymscapeError: the file is missing, damaged or foreign.
    """
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = json.loads((file.metadata() or {})["symscape"])
    except FileNotFoundError:
        raise SymscapeError(f"{path}: no such weights file") from None
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise SymscapeError(
            f"{path}: damaged, or no weights of symscape ({error}); {ANEW}"
        ) from error
    if content_hash(state) != metadata.get("sha256"):
        raise SymscapeError(f"{path}: damaged: its content does not match its hash; {ANEW}")
    return state, metadata
