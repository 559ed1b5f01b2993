import pytest
import torch

from symscape.landscape.batchnorm import output_moments, rescaled, reset_statistics
from symscape.landscape.interpolation import Line
from tests.landscape.nets import Fixed, network, state


def test_one_batch_gives_its_own_statistics():
    net, data = network(), Fixed(count=30, batch=30)
    reset_statistics(net, data)
    maps = net.conv(data.x)
    assert torch.allclose(net.norm.running_mean, maps.mean((0, 2, 3)))
    assert torch.allclose(net.norm.running_var, maps.var((0, 2, 3)))
    assert not net.training


def test_ragged_batches_are_weighted_by_their_images():
    net, data = network(), Fixed(count=600, batch=330)
    reset_statistics(net, data)
    maps = net.conv(data.x)
    assert torch.allclose(net.norm.running_mean, maps.mean((0, 2, 3)))
    parts = 0.55 * maps[:330].var((0, 2, 3)) + 0.45 * maps[330:].var((0, 2, 3))
    assert torch.allclose(net.norm.running_var, parts)


def test_a_small_last_batch_is_joined_with_the_one_before():
    ragged, whole = network(), network()
    reset_statistics(ragged, Fixed(count=331, batch=330))
    reset_statistics(whole, Fixed(count=331, batch=331))
    assert torch.equal(ragged.norm.running_var, whole.norm.running_var)


def test_what_was_there_before_does_not_matter_and_momentum_is_left_alone():
    net, other = network(), network()
    torch.nn.init.constant_(other.norm.running_mean, 7.0)
    for each in (net, other):
        reset_statistics(each, Fixed())
    assert torch.equal(net.norm.running_mean, other.norm.running_mean)
    assert net.norm.momentum == 0.1


def test_no_images_are_an_error_and_no_batchnorm_is_none():
    with pytest.raises(ValueError, match="no image"):
        reset_statistics(network(), [])
    reset_statistics(network(norm="layer"), [])


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_repair_gives_every_channel_the_interpolated_moments(norm):
    a, b = network(0, norm=norm), network(1, norm=norm)
    data = Fixed(count=40, batch=40)
    line = Line(network(norm=norm), {}, bn="repair", statistics=data)
    ends = [line.moments(state(net)) for net in (a, b)]
    targets = {
        k: tuple(torch.lerp(x, y, 0.25) for x, y in zip(ends[0][k], ends[1][k], strict=True))
        for k in ends[0]
    }
    line.fill(state(a), state(b), 0.25)
    seen = {}
    with rescaled(line.network, targets):
        reset_statistics(line.network, data)
        wrapped = [n for n, m in line.network.named_modules() if type(m).__name__ == "Rescaled"]
        for name in wrapped:
            module = line.network.get_submodule(name)
            module.register_forward_hook(lambda _m, _i, y, n=name: seen.update({n: y.clone()}))
        line.network.train()(data.x)
    assert set(seen) == set(targets)
    for name, y in seen.items():
        assert torch.allclose(y.mean((0, 2, 3)), targets[name][0], atol=1e-6)
        assert torch.allclose(y.std((0, 2, 3), correction=0), targets[name][1], atol=1e-6)


def test_moments_are_those_of_the_outputs():
    net, data = network(), Fixed()
    moments = output_moments(net, data)
    y = net.norm(net.conv(data.x))
    assert torch.allclose(moments["norm"][0], y.mean((0, 2, 3)))
    assert torch.allclose(moments["norm"][1], y.std((0, 2, 3), correction=0))
    assert len(moments) == 21
