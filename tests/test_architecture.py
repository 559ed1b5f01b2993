"""The rooms of the house: who may import whom."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "symscape"

ROOMS = {
    "config",
    "symmetry",
    "layers",
    "models",
    "data",
    "landscape",
    "curvature",
    "audit",
    "runs",
    "plots",
    "training",
    "jobs",
    "sweeps",
    "library",
}
# What each room may import of the others.
FLOORS = {
    "config": set(),
    "door.py": {"config"},
    "symmetry": set(),
    "layers": {"symmetry"},
    "models": {"config", "symmetry", "layers"},
    "data": {"config"},
    "landscape": {"symmetry", "layers", "models"},
    "curvature": {"symmetry", "layers", "models", "landscape"},
    "audit": {"symmetry", "layers"},
    "runs": {"config", "symmetry", "layers", "models"},
    "plots": set(),
    "training": {"config", "symmetry", "layers", "models", "data", "runs"},
    "jobs": ROOMS - {"jobs", "sweeps", "library"},
    "sweeps": {"config", "jobs", "data", "runs", "training"},
    "library": {"config", "symmetry", "layers", "models", "landscape", "curvature", "audit"},
    "callbacks.py": {"training"},
}
# What a room within a room may import of the room around it.
WITHIN = {
    "layers/folding": {"layers/folding"},
    "layers/sampling": {"layers/sampling"},
    "landscape/alignment": {"landscape/alignment", "landscape/evaluation"},
    "landscape/paths": {
        "landscape/paths",
        "landscape/batchnorm",
        "landscape/evaluation",
        "landscape/interpolation",
    },
    "layers/lie": {"layers/lie", "layers/folding"},
    "config/network": {"config/network"},
    "models/permutations": {
        "models/permutations",
        "models/ckg",
        "models/ckg_parts",
        "models/resnet",
    },
    "models/permutations/walk": {"models/permutations"},
    "audit/tracing": {"audit/tracing", "audit/kernels"},
    "data/decoding": {"data/decoding"},
    "data/folder": {"data/folder", "data/decoding", "data/images", "data/lock", "data/split"},
    "data/sets": {"data/sets", "data/images", "data/split", "data/lock"},
    "training/callbacks": {"training/callbacks", "training/module"},
    "training/ranks": {"training/ranks"},
    "training/loggers": {"training/loggers"},
    "plots/read": {"plots/read"},
    "plots/lie": {"plots/lie", "plots/read", "plots/canvas", "plots/style"},
    "plots/page": {"plots/page", "plots/read", "plots/style"},
    "plots/sharpness": {"plots/sharpness", "plots/read", "plots/style"},
    "plots/barriers": {"plots/barriers", "plots/read", "plots/style"},
    "plots/audit": {"plots/audit", "plots/read", "plots/canvas", "plots/style"},
    "jobs/analysis": {"jobs/analysis", "jobs/console"},
    "jobs/train": {"jobs/train", "jobs/console"},
    "jobs/interpolate": {"jobs/interpolate", "jobs/analysis", "jobs/console"},
    "jobs/interpolate/paths": {"jobs/interpolate", "jobs/analysis", "jobs/console"},
    "jobs/sharpness": {"jobs/sharpness", "jobs/analysis", "jobs/console"},
    "jobs/audit": {"jobs/audit", "jobs/analysis", "jobs/console"},
    "jobs/summary": {"jobs/summary", "jobs/analysis", "jobs/console"},
    "jobs/report": {
        "jobs/report",
        "jobs/analysis",
        "jobs/console",
        "jobs/summary",
        "jobs/audit",
    },
}
MOST_FILES = 10
"""Side by side in a room, its face apart; and some air."""
ONLY_IN = {
    "hydra": {"door.py"},
    "lightning": {"training"},
    "wandb": {"training"},
    "tensorboard": {"training"},
    "torchmetrics": {"training", "audit"},
    "torchvision": {"data", "models"},
    "timm": {"models"},
    "sklearn": {"data"},
    "matplotlib": {"plots"},
    "plotly": {"plots"},
    "jinja2": {"plots"},
    "ray": {"sweeps"},
    "submitit": {"sweeps"},
    "triton": {"layers"},
}
ZOO = {"torchvision", "timm"}
"""In `models`, only zoo.py knows them."""
WITHOUT = {"plots": {"torch"}, "symmetry": {"symscape.errors"}}
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
        assert here != "models" or path.name == "zoo.py" or parts[0] not in ZOO, path


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.py")), ids=lambda p: p.name)
def test_doors_are_a_hydra_main_and_one_call(path):
    tree = ast.parse(path.read_text())
    top = {n.module for n in tree.body if isinstance(n, ast.ImportFrom)}
    allowed = {"omegaconf", "symscape.door"}
    assert {m for m in top if not m.startswith("symscape.config.")} <= allowed, (
        "heavy imports belong inside main"
    )
    main = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "main")
    assert len(main.body) == 3, "a docstring, an import and a call"


def name_of(path: Path) -> str:
    """Return the dotted name of a module; a room's is that of its face."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_files() -> dict[str, set[str]]:
    """Return which modules each module imports, anywhere in it."""
    names = {name_of(path) for path in FILES}
    found: dict[str, set[str]] = {}
    for path in FILES:
        into = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                into |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                members = {f"{node.module}.{alias.name}" for alias in node.names}
                into |= members & names or {node.module or ""}
        found[name_of(path)] = into & names
    return found


def test_no_two_files_import_each_other_in_a_circle():
    """Kahn's algorithm: what is left when files without imports are taken away is a circle."""
    left = imported_files()
    while free := {name for name, into in left.items() if not into}:
        left = {name: into - free for name, into in left.items() if name not in free}
    assert not left, f"circles among {sorted(left)}"


@pytest.mark.parametrize("inner", sorted(WITHIN))
def test_a_room_within_a_room_keeps_to_itself(inner):
    outer = inner.split("/")[0]
    for path in (PACKAGE / inner).glob("*.py"):
        for module in imports(path):
            parts = module.split(".")
            if parts[:2] == ["symscape", outer]:
                place = "/".join(parts[1:3])
                assert place in WITHIN[inner], f"{path.name} imports {module}"


def test_every_room_within_a_room_is_known():
    faces = {p.parent.relative_to(PACKAGE) for p in PACKAGE.rglob("__init__.py")}
    assert {str(face) for face in faces if len(face.parts) > 1} == set(WITHIN)


def test_no_room_is_crowded():
    rooms = {path.parent for path in FILES}
    crowded = {
        str(room): count
        for room in rooms
        if (count := len(list(room.glob("*.py"))) - 1) > MOST_FILES
    }
    assert not crowded


def test_every_module_says_what_it_is_for():
    for path in FILES:
        if path.stat().st_size:
            assert ast.get_docstring(ast.parse(path.read_text())), path
