"""A plain network for passes without gradients: fewer passes over memory, fewer multiplications.

A BatchNorm in eval mode goes into the convolution before it, kernels that turn out to be tied are
evaluated by their fold where that pays, and those that turn out to be sums of few products, as on a
line between factored group kernels, product by product.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from symscape.layers.folding.costs import WORTH, forward_cost
from symscape.layers.folding.fold import evaluated_fold
from symscape.layers.folding.ties import Seen, Ties, orbit_means, versions
from symscape.layers.products import Product, in_products, products_of
from symscape.layers.rewriting import Norm, affine_of, rewritten
from symscape.layers.sampling.strided import convolve


def for_evaluation(network: nn.Module, precision: str) -> nn.Module:
    """Return the same function for passes without gradients; it shares all tensors with `network`.

    What is made of the tensors is made again whenever they change, so it serves every network that
    is filled in: a run's, and those on the line between two runs. Which taps are tied is read from
    the kernels. Where a norm of `network` is in train mode, its pass is as always.

    Args:
        network: in eval mode.
        precision: float32, bfloat16 or float64, in which it computes.
    """
    return rewritten(network, partial(_Evaluation, precision=precision))


@dataclass
class _Tensors:
    """What a convolution computes with."""

    kernel: Tensor
    bias: Tensor | None
    values: Tensor | None = None
    """Of the orbits; made where it folds."""
    products: list[Product] = field(default_factory=list)
    """Whose sum the kernel is; none where it is evaluated as a whole."""


class _Evaluation(nn.Module):
    """A convolution and the BatchNorm behind it, if any."""

    def __init__(self, conv: nn.Conv2d, norm: Norm | None, precision: str) -> None:
        super().__init__()
        self.conv, self.norm, self.precision = conv, norm, precision
        self.ties = Ties(conv)
        self.made: tuple[Seen, torch.dtype, bool] | None = None
        self.tensors: _Tensors
        self.whole: Seen = ()
        """Of a kernel that is no sum of few products, with whatever norm behind it."""

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, I, H, W) to what both modules make of it."""
        conv, norm = self.conv, self.norm
        y: Tensor
        if torch.is_grad_enabled() or conv.weight.is_inference():
            y = conv(x) if norm is None else norm(conv(x))
            return y
        kind, dtype = x.device.type, conv.weight.dtype
        if torch.is_autocast_enabled(kind) and x.dtype != torch.float64:
            dtype = torch.get_autocast_dtype(kind)
            x = x.to(dtype)
        merged = norm is not None and not norm.training
        self._make(dtype, merged)
        y = self._convolve(x)
        return y if merged or norm is None else norm(y)

    def _make(self, dtype: torch.dtype, merged: bool) -> None:
        """Make the kernel and bias, of both modules or of the convolution alone, where outdated."""
        conv, norm = self.conv, self.norm
        others = (*norm.parameters(), *norm.buffers()) if norm is not None and merged else ()
        key = (versions(*conv.parameters(), *others), dtype, merged)
        if self.made == key:
            return
        kernel, bias = conv.weight, conv.bias
        if norm is not None and merged:
            kernel, bias = affine_of(norm, kernel, bias)
        self.made = key
        self.tensors = _Tensors(kernel.to(dtype), None if bias is None else bias.to(dtype))
        if self._factorable and dtype == kernel.dtype and kernel.device.type == "cpu":
            # In bfloat16 a processor's own instructions make up for it, and between two products
            # it would round once more.
            now = versions(conv.weight)
            if now != self.whole:
                self.tensors.products = products_of(kernel)
                # Channel by channel: a norm's scale makes no sum of few products of another.
                self.whole = () if self.tensors.products else now

    @property
    def _factorable(self) -> bool:
        conv = self.conv
        return conv.groups == 1 and {*conv.stride, *conv.dilation} == {1}

    def _convolve(self, x: Tensor) -> Tensor:
        """Convolve: product by product where the kernel is a few, else with a fold if it pays."""
        conv, made = self.conv, self.tensors
        if made.products:
            return in_products(x, made.products, made.bias, conv.padding)
        geometry = self.ties.geometry(x) if x.device.type == "cpu" else None
        sizes = (conv.in_channels, conv.out_channels, len(x), self.precision)
        if geometry is None or not forward_cost(geometry, *sizes) < WORTH:
            return convolve(
                x, made.kernel, made.bias, conv.stride, conv.padding, conv.dilation, conv.groups
            )
        if made.values is None:
            made.values = orbit_means(made.kernel, geometry.labels)
        return evaluated_fold(x, made.values, made.bias, geometry)
