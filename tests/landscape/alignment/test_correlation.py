"""Correlations of channels, summed up batch by batch."""

import torch

from symscape.landscape.alignment.correlation import mean_of, sums_of
from tests.landscape.nets import Fixed, network


def test_correlations_are_those_of_numpy():
    a, b = network(0), network(1)
    x = Fixed().x
    with torch.no_grad():
        left, right = (
            torch.relu(net.norm(net.conv(x))).permute(1, 0, 2, 3).flatten(1) for net in (a, b)
        )
    sums = sums_of(left.T, right.T, (mean_of(left.T), mean_of(right.T)))
    expected = torch.corrcoef(torch.cat([left, right]))[:4, 4:]
    assert torch.allclose(sums.correlation(), expected.nan_to_num(), atol=1e-10)


def test_correlations_of_rounded_activations_far_from_zero():
    """The means of channels are 20 of their deviations: squares in bfloat16 would lose all."""
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(16, 8, generator=generator) / 4
    x = torch.randn(20_000, 16, generator=generator)
    a, b = (20 + x[:, :8]).bfloat16(), (20 + x @ mix).bfloat16()
    sums = sums_of(a[:9_000], b[:9_000], (mean_of(a), mean_of(b)))
    sums = sums.add(sums_of(a[9_000:], b[9_000:], sums.means))
    exact = torch.corrcoef(torch.cat([a, b], 1).double().T)[:8, 8:]
    torch.testing.assert_close(sums.correlation(), exact, rtol=0, atol=2e-3)
    wide = sums_of(a.double(), b.double(), (mean_of(a.double()), mean_of(b.double())))
    torch.testing.assert_close(wide.correlation(), exact, rtol=1e-10, atol=1e-12)
