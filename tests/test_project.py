"""What the files around the code say agrees."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import symscape

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_environment_yml_says_what_pyproject_says():
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip = next(e["pip"] for e in entries if isinstance(e, dict))
    assert set(pip) == {*PROJECT["dependencies"], "--editable ."}
    assert f"python{PROJECT['requires-python']}" in entries


def test_ci_installs_from_pyproject_alone():
    text = (ROOT / ".ci" / "run").read_text() + (ROOT / "Makefile").read_text()
    installs = [line for line in text.splitlines() if "pip install" in line]
    packages = {"uv", "--editable"}
    assert all(packages & set(line.replace("'", " ").split()) for line in installs)


def test_what_the_code_imports_is_declared():
    names = {"sklearn": "scikit-learn", "PIL": "pillow", "yaml": "pyyaml", "hydra": "hydra-core"}
    extras = PROJECT["optional-dependencies"]
    declared = {
        re.split(r"[<>=\[]", d)[0]
        for d in PROJECT["dependencies"]
        + extras["ray"]
        + extras["slurm"]
        + extras["zoo"]
        + extras["galaxy"]
    }
    found = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
            elif isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
    import sys

    third_party = {names.get(n, n) for n in found - {"symscape", "__future__"}} - set(
        sys.stdlib_module_names
    )
    # Triton comes with the builds of torch that it serves.
    assert third_party - {"triton"} <= declared


def test_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"] == symscape.__version__
    assert f"## [{PROJECT['version']}]" in (ROOT / "CHANGELOG.md").read_text()


def tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=False
    )
    if listing.returncode:
        pytest.skip("no git checkout")
    return [ROOT / name for name in listing.stdout.split("\0") if name]


def test_no_file_names_a_registry_or_a_machine():
    host = "|".join(("py" + r"pi\.org", "python" + "hosted", "registry" + r"\.npm"))
    place = "|".join(f"/{name}/" for name in ("wo" + "rk", "ho" + "me", "ro" + "ot"))
    for path in tracked():
        if path.suffix in (".png", ".pdf") or not path.exists():
            continue
        text = path.read_text(encoding="utf-8")
        assert not re.search(host, text), path
        assert not re.search(rf"(^|[\s\"'=]){place}", text), path


def test_git_keeps_nothing_large():
    for path in tracked():
        assert not path.exists() or path.stat().st_size < 500_000, path
