"""The doors from outside: help, bad input, every experiment."""

import re
from dataclasses import is_dataclass, replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.utils import instantiate
from omegaconf import DictConfig

from symscape.config.audit import AuditConfig
from symscape.config.data import AUGMENTATIONS, DATASETS
from symscape.config.groups import SYMMETRIES
from symscape.config.interpolate import InterpolateConfig
from symscape.config.network.lie import KERNELS, LIE_GROUPS
from symscape.config.network.model import FOREIGN, MODELS
from symscape.config.report import ReportConfig, SummaryConfig
from symscape.config.shared import LoggerConfig, config_keys
from symscape.config.sharpness import SharpnessConfig
from symscape.config.train import TrainConfig
from symscape.door import quoted, register_schemas, typed
from symscape.errors import ConfigError
from symscape.runs.identity import identify
from tests.smoke.door import ROOT, TINY, call
from tests.smoke.forked import forked

DOORS = sorted(p.stem for p in ROOT.glob("*.py"))
ON_GROUPS = {
    **{name: ["data=digits_rot"] for name in ("turned", "lie_fast", "lie_paper")},
    "turned_folder": ["data=digits_rot", "model.parameters=null"],
}
EXPERIMENTS = sorted(p.stem for p in (ROOT / "cfg" / "experiment").glob("*.yaml"))


def test_every_choice_has_a_file():
    groups = {
        "symmetry": SYMMETRIES,
        "model": MODELS,
        "data": DATASETS,
        "group": LIE_GROUPS,
        "kernel": KERNELS,
    }
    for group, names in groups.items():
        files = (ROOT / "cfg" / group).glob("*.yaml")
        assert {p.stem for p in files} == set(names)


def test_every_config_file_opens_with_the_command_that_uses_it():
    for path in (ROOT / "cfg").rglob("*.yaml"):
        head = path.read_text().splitlines()[:2]
        assert any(line.startswith("# python ") for line in head) or path.stem == "door", path


@pytest.mark.parametrize("door", DOORS)
def test_help_and_config_need_no_torch(tmp_path, door):
    """An import of torch would fail in this environment."""
    (tmp_path / "torch.py").write_text("raise RuntimeError('torch was imported')")
    for words in (["--help"], ["--cfg", "job"], ["-sc", "query=bash"]):
        result = call(
            tmp_path,
            door,
            *words,
            PYTHONPATH=str(tmp_path),
            COMP_LINE=f"{door}.py st",
            COMP_POINT=str(len(f"{door}.py st")),
        )
        assert result.returncode == 0, result.stderr
        assert "torch was imported" not in result.stderr
        assert "study" in result.stdout
    assert not (tmp_path / "multirun").exists() and not (tmp_path / "outputs").exists()


BAD = {
    "symmetry=rot91": ("symmetry=rot91", "'rot90'", "hvflip"),
    "model=resnet19": ("model=resnet19", "resnet18"),
    "data=cifar": ("data=cifar", "cifar10"),
    "data.augment=flip": ("data.augment=flip", *AUGMENTATIONS),
    "optimizer.learning_rate=1": ("optimizer.learning_rate", "'optimizer.lr'"),
    "lr=1": ("lr", "'optimizer.lr'"),
    "+nothing=1": ("nothing", "no such key"),
    "symetry=rot90": ("symetry", "'symmetry'"),
    "symmetry=rot90,hflip": ("symmetry=rot90,hflip", "need -m"),
    "seed=abc": ("seed=abc", "Integer"),
    "seed=-1": ("seed=-1", ">= 0"),
    "optimizer.lr=-1": ("optimizer.lr=-1", "> 0"),
    "optimizer.lr=nan": ("optimizer.lr=nan", "finite"),
    "trainer.devices=2": ("trainer.devices=2", "trainer=ddp"),
    "trainer=ddp trainer.devices=0": ("trainer.devices=0", ">= 1"),
    "data=digits trainer=ddp trainer.devices=2 trainer.num_nodes=2": (
        "trainer.num_nodes=2",
        "torchrun",
    ),
    "trainer.max_epochs=0": ("trainer.max_epochs=0", ">= 1"),
    "model.kernel_size=4": ("model.kernel_size=4", "3, 5, 7"),
    "model.kernel_size=[3,5] symmetry=rot90": ("model.kernel_size=[3, 5]", "square"),
    "symmetry.layers=[blok]": ("symmetry.layers=blok", "'blocks'"),
    "data=folder": ("data.root", "PATH"),
    "data=folder data.root=nowhere": ("data.root=nowhere", "no such"),
    "data=digits data.batch_size=5000": ("data.batch_size=5000",),
    "study=../x": ("study=../x", "folder"),
    "group=se2": ("group=se2", "ckgresnet"),
    "model=ckgresnet group=se2 symmetry=rot90": ("symmetry=rot90", "vanilla", "group=se2"),
    "model=ckgresnet group=se2 kernel=separable+2d": ("kernel=separable+2d", "sim2"),
    "model=ckgresnet group=se2 kernel=pixels": ("kernel=pixels", "1, 2 or 4"),
    "model=ckgresnet group=se2 model.kernel_size=[3,5]": ("model.kernel_size=[3, 5]", "square"),
    "model=ckgresnet group=scale group.max_scale=0.9": ("group.max_scale=0.9", "> 1"),
    "data=digits model=ckgresnet group=se2 data.image_size=6": ("model.kernel_size=7", "6 pixels"),
    "data=digits data.turned=test": ("data.turned=test", "digits_rot"),
    "seed=[": ("seed=[",),
    "experiment=slow": ("experiment=slow", "fast"),
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_one_line_before_any_work(tmp_path, words):
    result = forked(tmp_path, "train", *words.split())
    assert result.returncode == 1
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), result.stderr
    for part in BAD[words]:
        assert part in lines[0]
    left = [p for p in tmp_path.rglob("*") if p.is_file() and not p.name.endswith(".lock")]
    assert not left, "nothing but a released lock"


def test_an_empty_folder_is_one_line(tmp_path):
    (tmp_path / "images").mkdir()
    result = forked(tmp_path, "train", "data=folder", "data.root=images")
    assert result.returncode == 1 and len(result.stderr.strip().splitlines()) == 1
    assert "images" in result.stderr


def test_the_traceback_is_there_for_who_asks(tmp_path):
    result = call(tmp_path, "train", "seed=-1", HYDRA_FULL_ERROR="1")
    assert "Traceback" in result.stderr


def test_an_unknown_study_is_one_line(tmp_path):
    result = call(tmp_path, "summary", "study=none")
    assert result.returncode == 1 and len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_trains(tmp_path, name):
    """On digits in place of data that must be downloaded, narrow and short."""
    small = [w for w in TINY if w != "model=resnet20"]
    own = ON_GROUPS.get(name, ["symmetry=hvflip"])
    result = forked(tmp_path, "train", f"experiment={name}", *small, *own)
    assert result.returncode == 0, result.stderr
    assert "test accuracy" in result.stdout


def test_a_sweep_goes_on_after_a_failure_skips_what_is_done_and_is_shown(tmp_path):
    words = ("-m", *TINY, "study=sweep", "symmetry=rot90,vanilla")
    first = forked(tmp_path, "train", *words, "optimizer.lr=1e30,0.1")
    assert first.returncode == 1 and "not finite" in first.stderr
    shown = call(tmp_path, "summary", "study=sweep", COLUMNS="200")
    assert shown.returncode == 0
    # In the table, and named again below it.
    assert shown.stdout.count("failed") == 4 and shown.stdout.count("training.png") == 2
    again = forked(tmp_path, "train", *words, "optimizer.lr=0.1")
    assert again.returncode == 0 and "skipped    2" in again.stdout


def test_a_study_in_a_file_is_thirty_different_runs_and_gives_way_to_the_command_line():
    jobs = jobs_of("paper_sweep")
    folders = {identify(typed(c, TrainConfig), "").name for c in jobs}
    assert len(folders) == 10 and len(jobs) == 30
    assert {c.seed for c in jobs_of("paper_sweep", "seed=7")} == {7}
    wanted = jobs_of("paper_sweep", "symmetry=d4,diag", "data.augment=hflip")
    assert {c.symmetry.name for c in wanted} == {"d4", "diag"} and len(wanted) == 6


def test_the_claims_are_decided_on_eleven_kinds_of_five_seeds():
    lines = [set(line) for line in lines_of("claims")]
    of_seed = [[line for line in lines if f"seed={seed}" in line] for seed in range(5)]
    assert len(lines) == 55 and [len(group) for group in of_seed] == [11] * 5
    others = [[line - {f"seed={seed}"} for line in of_seed[seed]] for seed in range(5)]
    assert all(group == others[0] for group in others)
    jobs = [typed(c, TrainConfig) for c in jobs_of("claims", "seed=0")]
    kinds = {(c.symmetry.name, c.symmetry.like, c.model.width, c.data.augment) for c in jobs}
    plain = ("vanilla", "hflip", "vflip", "hvflip", "rot90")
    assert kinds == {
        *((name, "rot90", 16, "none") for name in plain),
        ("random", "hflip", 16, "none"),
        ("random", "rot90", 16, "none"),
        ("rot90", "rot90", "auto", "none"),
        *((name, "rot90", 16, "standard") for name in ("vanilla", "hflip", "rot90")),
    }
    only = [typed(c, TrainConfig) for c in jobs_of("claims", "seed=7", "data.augment=rot90")]
    assert {(c.seed, c.data.augment) for c in only} == {(7, "rot90")}
    # The augmented grid comes to kinds that others have already.
    assert len(only) == 8


def lines_of(experiment: str, *words: str) -> list[list[str]]:
    """Return the options of every job that `train.py -m experiment=...` would start."""
    register_schemas()
    with initialize_config_dir(str(ROOT / "cfg"), version_base="1.3"):
        name = f"experiment={experiment}"
        sweeper = compose("train", [name], return_hydra_config=True).hydra.sweeper
        lines = [f"{key}={value}" for key, value in sweeper.params.items()] + [name, *words]
        parsed = OverridesParser.create().parse_overrides(lines)
        (jobs,) = instantiate(sweeper).split_arguments(parsed, None)
        return jobs


def jobs_of(experiment: str, *words: str) -> list[DictConfig]:
    """Compose all of them."""
    lines = lines_of(experiment, *words)
    with initialize_config_dir(str(ROOT / "cfg"), version_base="1.3"):
        return [compose("train", line) for line in lines]


@pytest.mark.slow
def test_a_study_in_a_file_trains(tmp_path):
    small = [w for w in TINY if w != "model=resnet20"]
    result = forked(
        tmp_path, "train", "-m", "experiment=paper_sweep", *small, "symmetry=rot90", "seed=3"
    )
    assert result.returncode == 0, result.stderr
    assert "done    2" in result.stdout
    folders = {p.parent.name.split("-")[3] for p in (tmp_path / "multirun/paper").glob("*/seed=3")}
    assert folders == {"none", "standard"}


CHOICES = {
    "train": TrainConfig(),
    "interpolate": InterpolateConfig(study="x"),
    "sharpness": SharpnessConfig(study="x"),
    "audit": AuditConfig(study="x"),
    "report": ReportConfig(study="x"),
}


@pytest.mark.parametrize("door", CHOICES)
def test_help_lists_the_choices_that_the_checks_allow(door):
    text = (ROOT / "cfg" / "hydra" / "help" / f"{HELP.get(door, door)}.yaml").read_text()
    lines = text.split("== Choices (key=value) ==\n")[1].split("\n\n")[0].splitlines()
    for key, choices in (line.strip().split(": ") for line in lines):
        *groups, name = key.split(".")
        group = getattr(CHOICES[door], groups[0]) if groups else CHOICES[door]
        if is_dataclass(getattr(group, name)):  # Chosen by the name of a file.
            allowed = error_of(replace, group, **{name: LoggerConfig(name="tensorboard")})
            assert f"{allowed.removeprefix('an analysis takes ').replace(' or ', ', ')}" == choices
            continue
        assert error_of(replace, group, **{name: "?"}) == choices


HELP = {"train": "symscape"}


def error_of(function, *arguments, **words):
    with pytest.raises(ConfigError) as caught:
        function(*arguments, **words)
    return re.sub(
        " or a pair$", "", str(caught.value).split(": ", 1)[1].removeprefix("allowed are ")
    )


def test_config_keys_are_dotted_names():
    keys = set(config_keys(TrainConfig))
    assert {"seed", "optimizer.lr", "symmetry.layers", "data"} <= keys
    assert set(config_keys(SummaryConfig)) == {"study", "root"}


def test_runs_land_where_the_command_runs(tmp_path: Path):
    result = call(tmp_path, "train", *TINY, "symmetry=rot90", "data.augment=true")
    assert result.returncode == 0, result.stderr
    folders = list((tmp_path / "multirun" / "default").glob("digits-resnet20-rot90-standard-*"))
    assert len(folders) == 1
    assert {p.name for p in tmp_path.iterdir()} == {"multirun"}


def test_values_with_an_equals_sign_are_quoted_for_hydra():
    assert quoted("a=runs/seed=0") == "a='runs/seed=0'"
    assert quoted("a=x/seed=0,y/seed=1") == "a='x/seed=0','y/seed=1'"
    for word in ("seed=0", "-m", "data.root='x=y'", "only.seed=[0,1]", "--cfg=job"):
        assert quoted(word) == word


@pytest.mark.parametrize("name", sorted(MODELS.keys() - {FOREIGN}))
def test_a_model_file_has_its_family_s_sizes(name):
    """The schema is made with one model's: what a file leaves out would stay as it is there."""
    register_schemas()
    with initialize_config_dir(str(ROOT / "cfg"), version_base="1.3"):
        composed = compose("train", [f"model={name}"])
    family = MODELS[name]
    assert (composed.model.width, composed.model.kernel_size) == (family.width, family.kernel_size)
