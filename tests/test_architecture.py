"""The rooms of the house: who may import whom."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "symscape"

ROOMS = {
    "symmetry",
    "layers",
    "models",
    "data",
    "landscape",
    "curvature",
    "runs",
    "plots",
    "training",
    "jobs",
    "sweeps",
}
# What each room may import of the others.
FLOORS = {
    "symmetry": set(),
    "layers": {"symmetry"},
    "models": {"symmetry", "layers"},
    "data": set(),
    "landscape": {"symmetry", "layers", "models"},
    "curvature": {"symmetry", "layers", "models", "landscape"},
    "runs": {"symmetry", "layers", "models"},
    "plots": set(),
    "training": {"symmetry", "layers", "models", "data", "runs"},
    "jobs": ROOMS - {"jobs", "sweeps"},
    "sweeps": {"jobs", "data", "runs", "training"},
}
ONLY_IN = {
    "hydra": {"door.py"},
    "lightning": {"training"},
    "wandb": {"training"},
    "tensorboard": {"training"},
    "torchmetrics": {"training"},
    "torchvision": {"data"},
    "sklearn": {"data"},
    "matplotlib": {"plots"},
    "ray": {"sweeps"},
    "submitit": {"sweeps"},
    "triton": {"layers"},
}
WITHOUT = {"plots": {"torch"}, "symmetry": {"symscape.config", "symscape.errors"}}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def test_every_room_has_its_floor():
    rooms = {p.name for p in PACKAGE.iterdir() if (p / "__init__.py").exists()}
    assert rooms <= set(FLOORS)
    assert {room(f) for f in FILES if f.parent != PACKAGE} == rooms


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_stay_on_their_floor(path):
    here = room(path)
    for module in imports(path):
        parts = module.split(".")
        if parts[0] == "symscape" and len(parts) > 1 and parts[1] in FLOORS:
            allowed = FLOORS.get(here, set()) | {here}
            assert parts[1] in allowed, f"{here} imports {module}"
        assert here in ONLY_IN.get(parts[0], {here}), f"{here} imports {module}"
        assert not WITHOUT.get(here, set()) & {module, parts[0]}, f"{here} imports {module}"


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.py")), ids=lambda p: p.name)
def test_doors_are_a_hydra_main_and_one_call(path):
    tree = ast.parse(path.read_text())
    top = {n.module for n in tree.body if isinstance(n, ast.ImportFrom)}
    assert top <= {"omegaconf", "symscape.config", "symscape.config_analyses", "symscape.door"}, (
        "heavy imports belong inside main"
    )
    main = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "main")
    assert len(main.body) == 3, "a docstring, an import and a call"


def test_every_module_says_what_it_is_for():
    for path in FILES:
        if path.stat().st_size:
            assert ast.get_docstring(ast.parse(path.read_text())), path
