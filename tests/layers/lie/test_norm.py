"""Norms that all elements of a channel share."""

import pytest
import torch
from torch import nn

from symscape.layers.lie.norm import TiedBatchNorm, TiedLayerNorm
from tests.layers.lie.grids import GRIDS, conv, error

TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-4}
exact = pytest.mark.parametrize("dtype", TOLERANCES, ids=str)


def images(batch=5, channels=12, seed=0, dtype=torch.float64, side=6) -> torch.Tensor:
    """Far from zero, of unlike channels, channels-last."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, channels, side, side + 1, generator=generator, dtype=torch.float64)
    x = x * torch.linspace(0.5, 2, channels)[:, None, None] + 2
    return x.to(dtype).contiguous(memory_format=torch.channels_last)


def affine(*norms: nn.Module) -> None:
    for norm in norms:
        with torch.no_grad():
            norm.weight.copy_(torch.linspace(1, 3, len(norm.weight)))
            norm.bias.copy_(torch.linspace(-0.5, 0.5, len(norm.bias)))


def backward(function, x: torch.Tensor, *parameters: torch.Tensor) -> list[torch.Tensor]:
    """Return the values of a function and the gradients of some scalar."""
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    y = function(x)
    probe = torch.cos(torch.arange(y.numel())).view(y.shape).to(y)
    return [y.detach(), *torch.autograd.grad((y * probe).sum(), [x, *parameters])]


@exact
@pytest.mark.parametrize(("channels", "size"), [(3, 4), (12, 1), (1, 12)])
def test_batch_norm_is_that_of_the_group_s_volume(channels, size, dtype):
    tied, volume = TiedBatchNorm(channels, size).to(dtype), nn.BatchNorm3d(channels).to(dtype)
    affine(tied, volume)
    close = {"rtol": TOLERANCES[dtype], "atol": TOLERANCES[dtype]}

    def reference(x: torch.Tensor) -> torch.Tensor:
        return volume(x.unflatten(1, (channels, size))).flatten(1, 2)

    for step in range(3):
        x = images(seed=step, dtype=dtype)
        ours = backward(tied, x, tied.weight, tied.bias)
        theirs = backward(reference, x, volume.weight, volume.bias)
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, **close)
    for a, b in zip(tied.state_dict().values(), volume.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, **close)
    tied.eval(), volume.eval()
    for a, b in zip(backward(tied, x), backward(reference, x), strict=True):
        torch.testing.assert_close(a, b, **close)


@exact
def test_layer_norm_is_group_norm_with_repeated_weights(dtype):
    tied, plain = TiedLayerNorm(3, 4).to(dtype), nn.GroupNorm(1, 12).to(dtype)
    affine(tied)
    with torch.no_grad():
        plain.weight.copy_(tied.weight.repeat_interleave(4))
        plain.bias.copy_(tied.bias.repeat_interleave(4))
    ours = backward(tied, images(dtype=dtype), tied.weight, tied.bias)
    theirs = backward(plain, images(dtype=dtype), plain.weight, plain.bias)
    theirs[2:] = [each.view(3, 4).sum(1) for each in theirs[2:]]
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=TOLERANCES[dtype], atol=TOLERANCES[dtype])


@pytest.mark.parametrize("norm", [TiedBatchNorm(2, 3), TiedLayerNorm(2, 3)], ids=["batch", "layer"])
def test_gradients_are_those_of_finite_differences(norm):
    norm = norm.double()

    def function(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(norm, {"weight": weight, "bias": bias}, (x,))

    leaves = images(2, 6, side=3), torch.tensor([1.0, 2.0]), torch.tensor([0.5, -0.5])
    assert torch.autograd.gradcheck(function, [t.double().requires_grad_() for t in leaves])


def test_without_momentum_the_statistics_are_means_over_all_batches():
    norm = TiedBatchNorm(3, 4, momentum=None).double()
    batches = [images(seed=seed) + seed for seed in range(3)]
    for x in batches:
        norm(x)
    rows = [x.unflatten(1, (3, 4)).transpose(0, 1).flatten(1) for x in batches]
    mean = torch.stack([each.mean(1) for each in rows]).mean(0)
    variance = torch.stack([each.var(1) for each in rows]).mean(0)
    torch.testing.assert_close(norm.running_mean, mean)
    torch.testing.assert_close(norm.running_var, variance)
    assert norm.num_batches_tracked == 3


def test_a_channel_that_never_changes_becomes_its_bias():
    norm = TiedBatchNorm(2, 4).double()
    affine(norm)
    y = norm(torch.full((2, 8, 3, 3), 7.0, dtype=torch.float64))
    assert torch.allclose(y, norm.bias.repeat_interleave(4)[:, None, None], atol=1e-10)
    assert torch.allclose(norm.running_var, torch.tensor(0.9).double(), atol=1e-6)


def test_bfloat16_images_keep_float32_statistics():
    norm, volume = TiedBatchNorm(3, 4), nn.BatchNorm3d(3)
    x = images().bfloat16()
    y = norm(x)
    expected = volume(x.float().unflatten(1, (3, 4))).flatten(1, 2)
    assert y.dtype == torch.bfloat16 and norm.running_mean.dtype == torch.float32
    torch.testing.assert_close(y.float(), expected, rtol=0.02, atol=0.02)
    torch.testing.assert_close(norm.running_var, volume.running_var, rtol=1e-3, atol=0)


@pytest.mark.parametrize("group", ["se2", "e2", "sim2"])
def test_statistics_of_upright_images_keep_equivariance_only_where_they_are_tied(group):
    grid = GRIDS[group]
    stripes = images(8, 2, side=9).cumsum(3)
    errors = []
    for norm in (TiedBatchNorm(3, grid.size), nn.BatchNorm2d(3 * grid.size)):
        layer = nn.Sequential(conv(group, "separable", 5, lift=True), norm).double()
        for _ in range(3):
            layer(stripes)
        errors.append(error(layer.eval(), stripes, grid.lattice, lift=True))
    assert errors[0] < 1e-12 and errors[1] > 0.05
