"""What paths must come to: flat between a network and itself, far below the line between two."""

import pytest
import torch

from symscape.config.analysis import FilterConfig
from symscape.jobs.interpolate.job import interpolate
from symscape.landscape.alignment import permute_state
from symscape.landscape.alignment.permutation import random_permutations
from symscape.models.permutations import permutation_spec
from symscape.runs.find import find_runs, load_network, weights_path
from symscape.runs.results import PathResult, read_results
from symscape.runs.weights import save_weights
from tests.jobs.study import asking, copy_of

VANILLA = FilterConfig(symmetry="vanilla")


def measured(root, **changes):
    small = {"path": "quadratic", "path_epochs": 1, "points": 5, "only": VANILLA}
    interpolate(asking(root, **small | changes))
    (folder,) = (root / "tests" / "interpolate").glob(f"{changes.get('path', 'quadratic')}-*")
    (result,) = read_results(folder, PathResult)
    return result


def chords(result):
    both = (result.barriers, result.line["barriers"])
    return [each["train"]["loss"]["chord"] for each in both]


def plant(root):
    """Put the weights of seed 0, its channels permuted, in place of those of seed 1."""
    first, second = (r for r in find_runs(root, "tests") if r.config.symmetry.name == "vanilla")
    network = load_network(first)
    spec = permutation_spec(network)
    order = random_permutations(spec, torch.Generator().manual_seed(1))
    moved = permute_state(network.state_dict(), spec, order)
    digest = save_weights(weights_path(second.folder), moved, {"step": 40})
    manifest = second.folder / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text.replace(second.manifest.weights["final"], digest))


def test_the_path_to_a_planted_permutation_is_flat_once_it_is_aligned(study, tmp_path, few_batches):
    root = copy_of(study, tmp_path)
    plant(root)
    result = measured(root, align="weights", path_lr=1e-4)
    bent, line = chords(result)
    assert line < 1e-5 and bent < 1e-3
    values = result.curves["train"]["loss"]
    assert max(values) - min(values) < 0.05 * values[0]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["quadratic", "polygon"])
def test_the_barrier_of_a_path_is_below_a_tenth_of_the_line_s(study, tmp_path, path):
    # Statistics of a hundred images are other ones at every weight: they alone make a barrier.
    enough = {"train_images": 200, "bn_images": 300, "path_epochs": 5}
    result = measured(copy_of(study, tmp_path), path=path, **enough)
    bent, line = chords(result)
    assert line > 0.1 and bent < line / 10
