"""The means over an epoch weigh its batches by their labels, exactly, on any number of ranks."""

import copy
import math
import pickle
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.nn import functional

from symscape.config.groups import OptimizerConfig, SchedulerConfig
from symscape.training.metrics import LossAndAccuracy
from symscape.training.module import Classifier

SIZES = (7, 0, 2, 64, 1, 33)
CLASSES = 5
Batch = tuple[Tensor, Tensor]


def ragged_batches(shape: tuple[int, ...] = ()) -> list[Batch]:
    """Logits (n, classes, *shape) and labels (n, *shape); one batch is empty."""
    g = torch.Generator().manual_seed(0)
    return [
        (
            torch.randn(n, CLASSES, *shape, generator=g),
            torch.randint(0, CLASSES, (n, *shape), generator=g),
        )
        for n in SIZES
    ]


def count(metric: LossAndAccuracy, batches: list[Batch]) -> LossAndAccuracy:
    for logits, labels in batches:
        loss = functional.cross_entropy(logits, labels) if len(labels) else logits.sum()
        metric.update(loss, logits, labels)
    return metric


def read(metric: LossAndAccuracy) -> list[float]:
    return [float(mean) for mean in metric.compute()]


def reference(batches: list[Batch]) -> list[float]:
    """All labels at once, in float64. A batch's own loss is a float32."""
    logits, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    loss = functional.cross_entropy(logits.double(), labels)
    right = (logits.argmax(1) == labels).double()
    return [pytest.approx(float(loss), rel=1e-6), float(right.mean())]


@pytest.mark.parametrize("shape", [(), (3, 4)], ids=["images", "masks"])
def test_ragged_batches_have_the_mean_of_all_their_labels(shape):
    batches = ragged_batches(shape)
    assert read(count(LossAndAccuracy(), batches)) == reference(batches)


def test_sums_are_those_of_float64():
    """Ten thousand batches of float32 losses: not a bit is lost to float32 sums."""
    losses = torch.rand(10_000, generator=torch.Generator().manual_seed(1))
    metric, labels = LossAndAccuracy(), torch.zeros(3, dtype=torch.long)
    for loss in losses:
        metric.update(loss, torch.zeros(3, 2), labels)
    total = 0.0
    for loss in losses.tolist():
        total += 3 * loss
    assert read(metric) == [total / 30_000, 1.0]


def test_reset_forgets_all():
    batches = ragged_batches()
    metric = count(LossAndAccuracy(), batches[3:])
    metric.reset()
    assert not metric.update_called
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert all(map(math.isnan, read(metric)))
    metric.reset()
    assert read(count(metric, batches[:3])) == reference(batches[:3])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_goes_on_counting(copied):
    batches = ragged_batches()
    metric = count(LossAndAccuracy(), batches[:3])
    assert read(count(copied(metric), batches[3:])) == reference(batches)
    assert read(metric) == reference(batches[:3])


@pytest.mark.parametrize(
    "cast", [nn.Module.half, nn.Module.float, lambda m: m.to(torch.bfloat16)], ids=range(3)
)
def test_a_network_s_type_leaves_the_sums_in_float64(cast):
    """Halfway: they are neither rounded nor begun anew in another type."""
    batches = ragged_batches()
    around = nn.ModuleDict({"metric": LossAndAccuracy(), "network": nn.Linear(2, 2)})
    metric = count(around["metric"], batches[:4])
    before = metric.metric_state
    cast(around)
    assert metric.metric_state == before
    assert read(count(metric, batches[4:])) == reference(batches)
    metric.reset()
    assert {state.dtype for state in metric.metric_state.values()} == {torch.float64}


def test_sums_follow_the_network_to_its_device():
    assert LossAndAccuracy().to("meta").loss.device.type == "meta"


def classifier() -> Classifier:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, CLASSES))
    return Classifier(
        network, total_steps=1, optimizer=OptimizerConfig(), scheduler=SchedulerConfig()
    )


def test_checkpoints_hold_no_sums():
    """A run that was begun before there were any resumes."""
    module = classifier()
    module.validation_step((torch.zeros(3, 1, 2, 2), torch.zeros(3, dtype=torch.long)), 0)
    state = module.state_dict()
    assert set(state) == {f"network.{name}" for name in module.network.state_dict()}
    module.load_state_dict(state, strict=True)


def test_an_epoch_begins_anew_and_may_have_no_validation():
    module = classifier()
    images, labels = torch.randn(3, 1, 2, 2), torch.zeros(3, dtype=torch.long)
    for _ in range(2):
        loss = module.training_step((images, labels), 1).item()
        right = (module.network(images).argmax(1) == labels).double().mean().item()
        assert module.finish_epoch() == ((pytest.approx(loss), right), None)


def _rank(rank: int, folder: Path) -> None:
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2
    )
    batches, metric = ragged_batches(), LossAndAccuracy()
    found = []
    # Each its share; then the second rank has empty parts alone; then not even those.
    for mine in (batches[rank::2], [batches[0], batches[1]][rank:][:1], batches[: 1 - rank]):
        found.append(read(count(metric, mine)))
        metric.reset()
    distributed.destroy_process_group()
    (folder / str(rank)).write_bytes(pickle.dumps(found))


@pytest.mark.slow
def test_two_processes_read_the_same_means(tmp_path):
    multiprocessing.spawn(_rank, (tmp_path,), nprocs=2)
    first, second = (pickle.loads((tmp_path / str(rank)).read_bytes()) for rank in range(2))
    batches = ragged_batches()
    assert first == second == [reference(b) for b in (batches, batches[:1], batches[:1])]
