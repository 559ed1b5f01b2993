"""What the doors share: schemas for Hydra, and errors as one line.

The doors are the scripts beside `cfg/`. This is the only module of the package that knows Hydra.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn, TypeVar

from hydra._internal.utils import get_args_parser
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from symscape.config.audit import AuditConfig
from symscape.config.interpolate import InterpolateConfig
from symscape.config.report import ReportConfig, SummaryConfig
from symscape.config.shared import config_keys
from symscape.config.sharpness import SharpnessConfig
from symscape.config.train import TrainConfig
from symscape.errors import SymscapeError, did_you_mean
from symscape.stopping import STATUS, end_at_once, handling

Config = TypeVar("Config")
Result = TypeVar("Result")
LAUNCHER = "hydra.launcher."
# Settings of a sweep, not of its jobs: they need not be written with LAUNCHER before them.
SWEEP_KEYS = ("continue_on_failure", "jobs_per_gpu", "cpus_per_job", "address")
# Settings below these are handed on as they are.
FREE = ("model.arguments.",)
# What the user wishes, read before `run_door` sets the variable for its own end.
SHOW_TRACEBACK = os.environ.get("HYDRA_FULL_ERROR") == "1"


def register_schemas() -> None:
    """Make the schemas known to Hydra under the names that the primary files use."""
    store = ConfigStore.instance()
    store.store(name="train_schema", node=TrainConfig)
    store.store(name="summary_schema", node=SummaryConfig)
    store.store(name="interpolate_schema", node=InterpolateConfig)
    store.store(name="sharpness_schema", node=SharpnessConfig)
    store.store(name="audit_schema", node=AuditConfig)
    store.store(name="report_schema", node=ReportConfig)
    _use_own_launchers(store)
    # Hydra copies its list of sources, and with it all that is stored, for each of some hundred
    # questions that `--help` asks: a second. The store is one a process and its configs are copied
    # when they are read, so it stands for its copy.
    vars(store)["__deepcopy__"] = lambda _memo: store


def _use_own_launchers(store: ConfigStore) -> None:
    """Let `hydra/launcher=basic` and `=ray` name the files in cfg/hydra/launcher.

    Hydra would merge them with launchers of these names that it or a plugin brings.
    """
    Plugins.instance()  # Looks for plugins, whose configs it adds, once a process.
    for name in ("basic", "ray"):
        store.repo["hydra"]["launcher"].pop(f"{name}.yaml", None)


def call_job(job: Callable[[Config], Result], config: DictConfig, schema: type[Config]) -> Result:
    """Call a job with the composed config as a checked instance of its schema.

    In a single run a user's mistake ends the process here. In a sweep it is raised, so that the
    sweep says which job failed and goes on with the others.
    """
    try:
        return job(typed(config, schema))
    except SymscapeError as error:
        # A job of a sweep that runs in a process of its own knows nothing of Hydra.
        alone = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.RUN
        if not alone or SHOW_TRACEBACK:
            raise
        _stop(f"error: {one_line(error, schema)}", 1)


def typed(config: DictConfig, schema: type[Config]) -> Config:
    """Return the composed config as a checked instance of its schema.

    Raises:
        ConfigError: a value that its type allows but its meaning does not.
    """
    known = set(config_keys(schema))
    for key in _dotted(OmegaConf.to_container(config)):
        # `+key=value` adds keys that the schema would drop without a word.
        if key not in known and not key.startswith(FREE):
            raise SymscapeError(_unknown_key(key, schema))
    result = OmegaConf.to_object(config)
    assert isinstance(result, schema)
    return result


def _dotted(tree: object, prefix: str = "") -> Iterator[str]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield f"{prefix}{key}"
            yield from _dotted(value, f"{prefix}{key}.")


def run_door(main: Callable[[], object], schema: type) -> None:
    """Call a Hydra main; a user's mistake ends as one line on stderr and exit status 1.

    With HYDRA_FULL_ERROR=1 in the environment the traceback is shown instead.
    """
    sys.argv[1:] = [quoted(full_key(word)) for word in sys.argv[1:]]
    # Makes Hydra raise its errors, which it would print over many lines.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        check_flags(sys.argv[1:])
        # Until a job says when it may be stopped there is nothing that an end could damage.
        with handling(end_at_once):
            main()
    except BrokenPipeError:  # Who reads has seen enough: `--help | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        # All is tidied up by now. Taking the interpreter down with a cut-off backward pass in its
        # threads ends in a segmentation fault now and then.
        os._exit(STATUS)
    except (SymscapeError, HydraException, OmegaConfBaseException) as error:
        if SHOW_TRACEBACK:
            raise
        _stop(f"error: {one_line(error, schema)}", 1)


def check_flags(words: Sequence[str]) -> None:
    """Raise SymscapeError for a flag that Hydra does not know, or cannot join with another.

    Also for a setting of sweeps in a single run, which would ignore it.
    """
    many = not {"-m", "--multirun"}.isdisjoint(words)
    alone = [word for word in words if re.match(r"--cfg|--info|-c$|-i$", word)]
    if many and alone:
        raise SymscapeError(f"{alone[0]}: shows one run, not a sweep; leave -m out")
    for word in (w for w in words if w.startswith((LAUNCHER, "hydra/launcher=")) and not many):
        raise SymscapeError(f"{word.removeprefix(LAUNCHER)}: a setting of sweeps, needs -m")
    known = [flag for flag in get_args_parser()._option_string_actions if flag.startswith("--")]
    for flag in (word.partition("=")[0] for word in words if word.startswith("--")):
        if not any(each.startswith(flag) for each in known):
            hint = did_you_mean(flag, known)
            raise SymscapeError(f"{flag}: no such flag; {hint}allowed are {', '.join(known)}")


def full_key(word: str) -> str:
    """Return `key=value` with the place of the key in Hydra's config, if it belongs to a sweep.

    Or with Hydra's sign for a key that may be new, if it is one of a tree that anyone may add to.
    """
    key = word.partition("=")[0]
    if key.startswith(FREE):
        return f"++{word}"
    return f"{LAUNCHER}{word}" if key in SWEEP_KEYS else word


def quoted(word: str) -> str:
    """Quote the values of `key=value` that hold a `=`, as every run's folder does (`seed=0`).

    Hydra's grammar wants them quoted, and a shell takes the quotes away.
    """
    key, equals, value = word.partition("=")
    if not equals or "=" not in value or word.startswith("-") or set(value) & set("'\"[{("):
        return word
    return f"{key}=" + ",".join(f"'{part}'" if "=" in part else part for part in value.split(","))


def _stop(message: str, status: int) -> NoReturn:
    print(message, file=sys.stderr)
    raise SystemExit(status)


def one_line(error: BaseException, schema: type) -> str:
    """Return what a user should read of an error: the key, the value, what is allowed."""
    text = str(error)
    if isinstance(error, SymscapeError):
        return " ".join(text.split())
    if isinstance(error, OverrideParseException):
        return f"{error.override}: cannot be read ({text.splitlines()[0]})"
    if option := re.search(r"Could not find '([\w/]+)/([^/']*)'", text):
        return _unknown_option(option[1], option[2], text)
    if key := re.search(r"Could not (?:override|append to|find) '?\+?([\w.]+)'?", text):
        return _unknown_key(key[1], schema)
    if key := re.search(r"Key '([\w.]+)' (?:is )?not in '?\w+", text):
        full = re.search(r"full_key: ([\w.]+)", text)
        return _unknown_key(full[1] if full else key[1], schema)
    if many := re.search(r"Ambiguous value for argument '(.+)'", text):
        name = many[1].partition("=")[0]
        return f"{many[1]}: several runs need -m; a list is written {name}=[...]"
    if override := re.search(r"Error merging override ([^\n]+)", text):
        cause = error.__cause__ or error
        return f"{override[1]}: {str(cause).splitlines()[0]}"
    return " ".join(line.strip() for line in text.splitlines()[:2])


def _unknown_option(group: str, name: str, text: str) -> str:
    options = re.findall(r"^\t(\S+)$", text, flags=re.MULTILINE)
    return f"{group}={name}: {did_you_mean(name, options)}allowed are {', '.join(options)}"


def _unknown_key(key: str, schema: type) -> str:
    if key.startswith(LAUNCHER):
        return f"{key.removeprefix(LAUNCHER)}: not a key of this hydra/launcher"
    keys = list(config_keys(schema))
    parent, _, name = key.rpartition(".")
    siblings = {k.rpartition(".")[2]: k for k in keys if k.rpartition(".")[0] == parent}
    elsewhere = {k.rpartition(".")[2]: k for k in reversed(keys)}
    for names in (siblings, elsewhere):
        if hint := did_you_mean(name, names):
            near = names[hint.split("'")[1]]
            hint = f"did you mean '{near}'? "
            break
    allowed = list(siblings.values()) or [k for k in keys if "." not in k]
    return f"{key}: no such key; {hint}allowed are {', '.join(allowed)}"
