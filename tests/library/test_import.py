"""Importing the library brings torch, and none of the frameworks at the rim."""

import ast

from tests.test_architecture import FILES, imported_files, name_of

HEAVY = {
    "lightning",
    "hydra",
    "omegaconf",
    "wandb",
    "matplotlib",
    "ray",
    "submitit",
    "torchmetrics",
}


def imported_at_once(path) -> set[str]:
    """The packages that importing a file brings; imports within functions wait."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def test_it_is_light():
    paths, into = {name_of(path): path for path in FILES}, imported_files()
    reached, ahead = set(), {"symscape.library"}
    while ahead:
        reached |= ahead
        ahead = set().union(*(into[name] for name in ahead)) - reached
    assert len(reached) > 30
    for name in reached:
        assert not imported_at_once(paths[name]) & HEAVY, name
