"""The README's commands exist, and its Python runs."""

import re
import shlex

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from symscape.door import full_key, register_schemas
from tests.smoke.door import ROOT

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [
    line.split("#")[0].strip()
    for language, block in BLOCKS
    if language == "bash"
    for line in block.splitlines()
    if line.startswith("python ")
]


@pytest.mark.parametrize("line", [c for c in COMMANDS if "--help" not in c and "bench" not in c])
def test_commands_compose(line):
    _, door, *words = shlex.split(line)
    assert (ROOT / door).exists()
    overrides = [full_key(w if "[" in w else w.split(",")[0]) for w in words if w != "-m"]
    register_schemas()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(ROOT / "cfg"), version_base="1.3"):
        compose(door.removesuffix(".py"), overrides=overrides)


def test_benchmarks_are_there():
    scripts = [shlex.split(c)[1] for c in COMMANDS if "bench" in c]
    assert scripts and all((ROOT / s).exists() for s in scripts)


def test_targets_are_there():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^make ([\w-]+)", README, flags=re.MULTILINE)
    assert targets and all(re.search(rf"^{t}:", makefile, flags=re.MULTILINE) for t in targets)


def test_pictures_are_there():
    for path in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README):
        assert (ROOT / path).exists(), path


def test_the_python_on_networks_runs():
    (block,) = [b for language, b in BLOCKS if language == "python" and "ConvFactory" in b]
    exec(block, {})


def test_it_is_a_readable_length():
    assert 100 <= len(README.splitlines()) <= 200
