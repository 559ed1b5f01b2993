"""Where a run lives: a folder that is a function of its settings.

`<root>/<study>/<name>-<hash>/seed=<n>/`. The hash is of what can change the result in intent; a
value at its default leaves it alone, so an option that is added later keeps old runs valid.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from symscape.config.data import FOLDERS
from symscape.config.groups import SYMMETRIES
from symscape.config.network.lie import LIE_GROUPS
from symscape.config.network.model import AUTO, ON_GROUPS
from symscape.config.train import TrainConfig
from symscape.runs.files import file_key

# What cannot change the result in intent: places, loggers, hardware.
NOT_IDENTITY = {
    "seed": None,
    "study": None,
    "root": None,
    "force": None,
    "logger": None,
    "data": ("root", "cache"),
    "trainer": ("name", "accelerator", "devices", "num_nodes"),
    "symmetry": ("compute", "explain"),
    "group": ("compute",),
}

SCHEDULER_READS = {
    "scheduler.milestones": "steps",
    "scheduler.gamma": "steps",
    "scheduler.warmup": "onecycle",
}


def identity(config: TrainConfig, content: str, weights: str = "") -> dict[str, Any]:
    """Return the settings that make a run what it is, as a tree without values at their default.

    Args:
        config: the run's config.
        content: the content key of its data set, which stands in place of a path.
        weights: likewise that of the file that it starts from, if there is one.
    """
    tree: dict[str, Any] = {"data.content": content} if config.data.name in FOLDERS else {}
    for key in (f.name for f in fields(config)):
        excluded = NOT_IDENTITY.get(key, ())
        value = getattr(config, key)
        if excluded is None:
            continue
        if is_dataclass(value):
            tree |= {f"{key}.{k}": v for k, v in _changed(value).items() if k not in excluded}
        elif value != getattr(TrainConfig(), key):
            tree[key] = value
    tree |= {"model.weights": weights} if weights else {}
    return {key: value for key, value in tree.items() if _matters(key, config)}


def _changed(group: Any) -> dict[str, Any]:
    """Return a group's name and what differs from the defaults that belong to this name."""
    default = asdict(type(group)(name=group.name))
    return {k: v for k, v in asdict(group).items() if k == "name" or v != default[k]}


def _matters(key: str, config: TrainConfig) -> bool:
    """Leave out options that the chosen symmetry, network or schedule does not read."""
    symmetry = config.symmetry
    if key in SCHEDULER_READS:
        return config.scheduler.name == SCHEDULER_READS[key]
    if key.startswith(("group.", "kernel.")):
        return config.model.name in ON_GROUPS and _reads(key, config)
    if key == "model.blur":
        return config.model.downsample == "blur"
    if key in ("symmetry.like", "symmetry.seed"):
        return symmetry.name == "random"
    if key == "symmetry.strength":
        return symmetry.parametrization == "penalty" and symmetry.name != "vanilla"
    if key.startswith("symmetry.") and key != "symmetry.name":
        return symmetry.name != "vanilla"
    return True


def _reads(key: str, config: TrainConfig) -> bool:
    """Whether a network on a group reads an option of its group or its kernels."""
    group, kernel = config.group, config.kernel
    if key in ("group.rotations", "group.sampling"):
        return group.rotates
    if key in ("group.scales", "group.max_scale", "group.reach"):
        return group.scaled
    return not (key.startswith("kernel.") and key != "kernel.name" and kernel.name == "pixels")


def config_hash(config: TrainConfig, content: str) -> str:
    """Return eight hexadecimal digits that name the identity.

    Raises:
        SymscapeError: the file of weights that it starts from cannot be read.
    """
    file = config.model.weights_file
    weights = "" if file is None else file_key("model.weights", file)
    canonical = json.dumps(identity(config, content, weights), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Identity:
    """Which run a config describes: decided once, before anything of it is on disk."""

    content: str
    """The content key of its data set."""
    hash: str
    name: str
    """`<data>-<model>-<symmetry>-<augmentation>-<hash>`: what it is, without its seed; networks on
    groups have `<group>-<kernel>` in place of a symmetry."""
    seed: int
    folder: Path
    """Its one place."""

    @property
    def metadata(self) -> dict[str, Any]:
        """What files of the run say of themselves."""
        return {"name": self.name, "seed": self.seed, "hash": self.hash}


def kind(config: TrainConfig) -> str:
    """Return what a network's kernels are made by: its symmetry, or its group and factors."""
    if config.model.name in ON_GROUPS:
        return f"{config.group.name}-{config.kernel.name}"
    return config.symmetry.name


def kind_order(name: str) -> tuple[int, int, str]:
    """Return where a kind of kernels stands in tables: symmetries, then groups, in usual order."""
    if name in SYMMETRIES:
        return 0, SYMMETRIES.index(name), ""
    group, _, kernel = name.partition("-")
    return 1, LIE_GROUPS.index(group) if group in LIE_GROUPS else len(LIE_GROUPS), kernel


def identify(config: TrainConfig, content: str) -> Identity:
    """Return which run a config describes, given the content key of its data set."""
    assert config.model.width != AUTO, "a width is settled before a run has a name"
    digest = config_hash(config, content)
    name = "-".join(
        (config.data.name, config.model.slug, kind(config), config.data.augment, digest)
    )
    folder = Path(config.root) / config.study / name / f"seed={config.seed}"
    return Identity(content, digest, name, config.seed, folder)
