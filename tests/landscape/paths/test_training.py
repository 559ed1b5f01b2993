"""Training the middle of a path: its gradient, its space, its bits."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.func import functional_call
from torch.nn import functional

from symscape.config.groups import SymmetryConfig
from symscape.config.network.model import ModelConfig
from symscape.landscape.batchnorm import batch_norms
from symscape.landscape.paths.training import MiddleTraining, PathError, Progress, Recipe
from symscape.layers.bases import kernel_bases
from symscape.models.build import build_network
from symscape.symmetry.basis import projector
from symscape.symmetry.groups import Symmetry
from tests.landscape.nets import Fixed, network, state

RECIPE = Recipe(epochs=4, lr=0.1, weight_decay=1e-3, seed=3)
KERNEL = "stages.1.0.conv1.weight"


class Epoch(Fixed):
    """Batches that know their number."""

    def __len__(self):
        return len(self.cuts) - 1


def training(shape="quadratic", symmetry="vanilla", own=False, recipe=RECIPE):
    a, b = network(0, symmetry), network(1, symmetry)
    bases = None
    if own:
        model = ModelConfig("resnet20", width=4)
        form = SymmetryConfig(symmetry)
        bases = kernel_bases(build_network(model, form, in_channels=3, classes=5, seed=0))
    return MiddleTraining(network(), shape, state(a), state(b), recipe, bases)


def after(epochs, *args, **options):
    trained = training(*args, **options)
    for epoch in range(epochs):
        trained.epoch(Epoch(seed=epoch))
    return trained


def by_hand(shape, a, middle, b, t):
    if shape == "quadratic":
        return (1 - t) ** 2 * a + 2 * t * (1 - t) * middle + t**2 * b
    return (1 - 2 * t) * a + 2 * t * middle if t <= 0.5 else (2 - 2 * t) * middle + (2 * t - 1) * b


@pytest.mark.parametrize("shape", ["quadratic", "polygon"])
@pytest.mark.parametrize("seed", [3, 4])
def test_a_step_follows_the_gradient_that_autograd_finds_through_the_path(shape, seed):
    trained = training(shape, recipe=replace(RECIPE, momentum=0.0, seed=seed))
    start = {n: z.clone().requires_grad_() for n, z in trained.progress.middle.items()}
    batches = Epoch(count=20)
    t = np.random.default_rng((seed, 0)).random(1)[0]
    net = network()
    for norm in batch_norms(net):
        norm.train()
    theta = {n: by_hand(shape, trained.a[n], m, trained.b[n], t) for n, m in start.items()}
    ((x, y),) = batches
    loss = functional.cross_entropy(functional_call(net, theta, (x,)), y)
    squares = sum(p.square().sum() for p in theta.values())
    total = loss + RECIPE.weight_decay / 2 * squares
    gradients = torch.autograd.grad(total, list(start.values()))
    trained.epoch(batches)
    for (name, before), gradient in zip(start.items(), gradients, strict=True):
        wanted = before.detach() - RECIPE.lr * gradient
        assert torch.allclose(trained.progress.middle[name], wanted, atol=1e-12), name
    assert trained.progress.losses == [pytest.approx(loss.item(), rel=1e-12)]


@pytest.mark.parametrize("shape", ["quadratic", "polygon"])
@pytest.mark.parametrize("symmetry", ["hflip", "rot90"])
def test_in_own_coordinates_every_point_obeys(shape, symmetry):
    project = projector(Symmetry(symmetry).orbits((3, 3)))

    def asymmetry(trained, t):
        trained.bend().fill(trained.parameters, t)
        kernels = trained.parameters[KERNEL].detach().flatten(2)
        return ((kernels @ project.T - kernels).norm() / kernels.norm()).item()

    own, ambient = (after(2, shape, symmetry, own=each) for each in (True, False))
    assert all(asymmetry(own, t) < 1e-14 for t in (0.0, 0.2, 0.5, 0.9, 1.0))
    assert asymmetry(ambient, 0.5) > 1e-4  # Images have no symmetry, so nor has a gradient.


def test_in_own_coordinates_a_step_is_a_projected_step():
    """U (z - lr U^T g) = K - lr P g: momentum and weight decay included."""
    own = after(3, symmetry="rot90", own=True).bend().middle
    project = projector(Symmetry("rot90").orbits((3, 3)))
    free = training(symmetry="rot90")

    def projected(name, tensor):
        wide = tensor.dim() == 4 and tensor.shape[-1] == 3
        return (tensor.flatten(2) @ project.T).view(tensor.shape) if wide else tensor.clone()

    free._restrict = projected
    for epoch in range(3):
        free.epoch(Epoch(seed=epoch))
    for name, kernel in free.bend().middle.items():
        assert torch.allclose(own[name], kernel, atol=1e-10), name


@pytest.mark.parametrize("own", [False, True])
def test_a_training_that_goes_on_comes_to_the_same_bits(own):
    whole = after(4, symmetry="rot90", own=own)
    half = after(2, symmetry="rot90", own=own).progress
    kept = Progress(
        {n: z.clone() for n, z in half.middle.items()},
        {n: m.clone() for n, m in half.momentum.items()},
        list(half.losses),
    )
    rest = training(symmetry="rot90", own=own)
    rest.resume(kept)
    for epoch in (2, 3):
        rest.epoch(Epoch(seed=epoch))
    assert rest.progress.losses == whole.progress.losses
    for part in ("middle", "momentum"):
        one, other = getattr(rest.progress, part), getattr(whole.progress, part)
        assert one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def test_the_points_depend_on_the_seed():
    losses = [after(1, recipe=replace(RECIPE, seed=seed)).progress.losses for seed in (3, 3, 4)]
    assert losses[0] == losses[1] != losses[2]


def test_training_lowers_the_loss_along_the_path():
    trained = training(recipe=Recipe(epochs=12, lr=0.1))
    for _ in range(12):
        trained.epoch(Epoch(count=60))
    assert trained.progress.losses[-1] < 0.7 * trained.progress.losses[0]


def test_a_loss_that_is_not_finite_ends_it():
    with pytest.raises(PathError, match="epoch 1 is nan"):
        after(2, recipe=Recipe(epochs=2, lr=1e200))
