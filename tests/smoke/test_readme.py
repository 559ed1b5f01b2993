"""The commands of the README and of the pages exist, and their Python runs."""

import re
import shlex
from pathlib import Path
from textwrap import dedent

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from symscape.door import full_key, quoted, register_schemas
from tests.smoke.door import ROOT

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
ELLIPSIS = "..."
"""What a page leaves out of a command that it has shown before."""


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return code(page.read_text(), language)


def code(text: str, language: str) -> list[str]:
    """Return the blocks in a language, those within lists too."""
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", text, flags=re.DOTALL | re.MULTILINE)
    return [dedent(block) for block in found]


def commands(page: Path) -> list[str]:
    """Return the commands of a page, continued lines joined."""
    lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.startswith("python ")]


COMMANDS = sorted({command for page in PAGES for command in commands(page)})
SCRIPTS = [c for c in COMMANDS if "bench" in c or "docs/studies/" in c]
DOORS = [c for c in COMMANDS if "--help" not in c and c not in SCRIPTS and ELLIPSIS not in c]


@pytest.mark.parametrize("line", DOORS)
def test_commands_compose(line):
    _, door, *words = shlex.split(line)
    assert (ROOT / door).exists()
    first = (w if "[" in w else w.split(",")[0] for w in words if w != "-m")
    overrides = [quoted(full_key(word)) for word in first]
    register_schemas()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(ROOT / "cfg"), version_base="1.3"):
        compose(door.removesuffix(".py"), overrides=overrides)


def test_benchmarks_and_studies_are_there():
    scripts = [shlex.split(c)[1] for c in SCRIPTS]
    assert scripts and all((ROOT / s).exists() for s in scripts)


def test_targets_are_there():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^make ([\w-]+)", README.read_text(), flags=re.MULTILINE)
    assert targets and all(re.search(rf"^{t}:", makefile, flags=re.MULTILINE) for t in targets)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pictures_and_pages_are_there(page):
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert link.startswith("https://") or (page.parent / link).exists(), link


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=name)
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec("\n".join(blocks(page, "python")), {})


def test_it_is_a_readable_length():
    assert 100 <= len(README.read_text().splitlines()) <= 200
