"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), downloaded on first use."""

from __future__ import annotations

import io
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torchvision.datasets import CIFAR10, CIFAR100

from symscape.data.images import ImageSet, channels_last
from symscape.data.lock import exclusive
from symscape.data.split import mixed_order
from symscape.errors import SymscapeError
from symscape.stopping import waited_for

ROOT = "data/cifar"
PATIENCE = 10.0
"""Seconds of silence after which a server counts as unreachable."""
SOURCES: dict[str, type[CIFAR10]] = {"cifar10": CIFAR10, "cifar100": CIFAR100}


def load_cifar(name: str, root: str | None) -> tuple[ImageSet, ImageSet, tuple[str, ...]]:
    """Return the 50,000 training images, the 10,000 test images and the class names.

    torchvision compares the md5 sum of every file with the published one before it unpickles it.

    Raises:
        SymscapeError: neither the files nor the server are there, or a file is damaged.
    """
    folder = Path(root or ROOT).expanduser()
    try:
        train, test = read_or_fetch(name, folder)
    except Exception as error:  # urllib, tarfile, zlib, pickle: whatever breaks, the way out is one
        raise SymscapeError(way_out(name, folder, error)) from error
    return mixed(train), mixed(test), tuple(train.classes)


def read_or_fetch(name: str, folder: Path) -> tuple[Any, Any]:
    """Return torchvision's two parts; the folder is written to only where files are missing."""
    source = SOURCES[name]

    def read(**how: bool) -> tuple[Any, Any]:
        return source(folder, train=True, **how), source(folder, train=False)

    try:
        return waited_for(read)
    except RuntimeError:  # Missing or damaged: fetched again, or unpacked again from the archive.
        folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder), patience(PATIENCE), notice(name, folder), quiet():
        # After a signal it goes on without the lock until the process ends. What it leaves, cut or
        # written by two, has another md5 sum, and is fetched again.
        return waited_for(lambda: read(download=True))


def mixed(source: Any) -> ImageSet:
    """Return torchvision's images in the order that `split` cuts."""
    labels = torch.tensor(source.targets)
    order = torch.from_numpy(mixed_order(labels.numpy()))
    # torchvision's array is a transposed view of the planar file.
    images = torch.from_numpy(source.data)[order].contiguous()
    return channels_last(images, labels[order])


def way_out(name: str, folder: Path, error: Exception) -> str:
    """Say in one line what was tried, where to put the file by hand, and what needs no file."""
    source, why = SOURCES[name], " ".join(str(error).split()) or type(error).__name__
    return (
        f"data={name}: no whole copy in {folder} and no download from {source.url} ({why}); "
        f"put {source.filename} into {folder.absolute()}, or use data=digits: no download"
    )


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Let sockets opened meanwhile give up: torchvision opens them without a time limit."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep torchvision's progress bars out of the log."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        yield


def notice(name: str, folder: Path) -> Any:
    """Return a context that tells a terminal what takes so long."""
    console = Console(file=sys.stderr)  # The real one: `quiet` replaces what sys.stderr names.
    if not console.is_terminal:
        return nullcontext()
    return console.status(f"fetching {name} (170 MB) into {folder}")
