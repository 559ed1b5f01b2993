"""Importing the library brings torch, and none of the frameworks at the rim."""

from tests.test_architecture import FILES, imported_files, imports, name_of

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


def test_it_is_light():
    paths, into = {name_of(path): path for path in FILES}, imported_files()
    reached, ahead = set(), {"symscape.library"}
    while ahead:
        reached |= ahead
        ahead = set().union(*(into[name] for name in ahead)) - reached
    assert len(reached) > 30
    for name in reached:
        top = {module.split(".")[0] for module in imports(paths[name])}
        # Cohen's kappa alone, within the function that needs it.
        allowed = {"torchmetrics"} if name == "symscape.audit.consistency" else set()
        assert not top & HEAVY - allowed, name
