"""A network that was really trained, and itself with its channels permuted."""

import pytest
import torch

from symscape.jobs.analysis.images import hardware_of
from symscape.jobs.analysis.subjects import RunSubject
from symscape.jobs.interpolate.evaluator import LineEvaluator
from symscape.jobs.train.job import train
from symscape.landscape.alignment import match_activations, match_weights, permute_state
from symscape.landscape.alignment.permutation import random_permutations
from symscape.landscape.barriers import barriers
from symscape.landscape.interpolation import line_points
from symscape.models.permutations import permutation_spec
from symscape.runs.find import open_run
from tests.jobs.study import asking
from tests.jobs.tiny import tiny


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory):
    root = tmp_path_factory.mktemp("planted")
    result = train(tiny(root, model={"width": 16}, trainer={"limit_train_batches": 20}))
    config = asking(root)
    return LineEvaluator(config, RunSubject(open_run(result.folder)), hardware_of(config))


def barrier(evaluator, a, b):
    alphas = line_points(5)
    points = evaluator.line.measure(a, b, alphas)
    return max(barriers(alphas, [p[s].loss for p in points])["chord"] for s in ("train", "test"))


@pytest.mark.parametrize("method", ["activations", "weights"])
def test_a_planted_permutation_of_a_trained_network_is_found(evaluator, method):
    network, twin = evaluator.network, evaluator.twin
    state = {k: t.clone() for k, t in network.state_dict().items()}
    spec = permutation_spec(network)
    hidden = random_permutations(spec, torch.Generator().manual_seed(0))
    moved = permute_state(state, spec, hidden)
    assert barrier(evaluator, state, moved) > 0.1
    if method == "weights":
        order, _ = match_weights(state, moved, spec)
    else:
        network.load_state_dict(state)
        twin.load_state_dict(moved)
        batches = evaluator.batches(evaluator.first(500), 100)
        order, _ = match_activations(network, twin, spec, batches)
    right = sum(int((p[order[g]] == torch.arange(len(p))).sum()) for g, p in hidden.items())
    assert right >= 0.98 * sum(spec.sizes.values())  # Channels that never fire are free.
    assert barrier(evaluator, state, permute_state(moved, spec, order)) < 1e-3
