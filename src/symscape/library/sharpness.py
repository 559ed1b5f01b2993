"""The curvature of the loss at a network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from symscape.curvature.hessian import MICRO_BATCH, Hessian
from symscape.curvature.lanczos import MAX_PRODUCTS, TOLERANCE, Eigenvalues, largest_eigenvalues
from symscape.curvature.subspaces import Restricted, choose_bases
from symscape.errors import check_choice, check_number
from symscape.layers.bases import kernel_bases
from symscape.library.inputs import batches, plain_network

SUBSPACES = ("ambient", "own")


def top_eigenvalues(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    k: int = 1,
    *,
    subspace: str = "ambient",
    tolerance: float = TOLERANCE,
    max_products: int = MAX_PRODUCTS,
    micro_batch: int = MICRO_BATCH,
    seed: int = 0,
) -> Eigenvalues:
    """Return the k eigenvalues of largest size of the Hessian of the mean cross-entropy.

    In eval mode, with the BatchNorm statistics that the network has.

    Cost: at most `max_products` products with the Hessian, of two to three gradients each; memory
    of n numbers a product, for n parameters.

    Args:
        network: maps images to logits (N, classes); it is left as it is.
        images: (N, C, H, W), normalised as for training; all are on the network's device at once.
        labels: (N,).
        k: how many.
        subspace: ambient: in all effective kernels; own: in orthonormal coordinates of the kernels
            that a symmetric network may take. The same for a plain one.
        tolerance: of the residuals ||H v - lambda v|| / |lambda|, which come with the values.
        max_products: after which to stop; then `converged` is false.
        micro_batch: images at once; the result depends on it by rounding alone.
        seed: of the start vector.

    Raises:
        SymscapeError: images or labels do not fit, or k is above the dimension.

    Examples:
        The Hessian of a linear classifier with two classes and zero weights has, at one image x,
        the largest eigenvalue ||x||^2 / 2:

        >>> import torch
        >>> from torch import nn
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2, bias=False))
        >>> _ = nn.init.zeros_(network[1].weight)
        >>> image = torch.randn(1, 3, 2, 2)
        >>> found = top_eigenvalues(network, image, torch.tensor([0]))
        >>> abs(found.values[0] / (image.square().sum().item() / 2) - 1) < 1e-4
        True
    """
    check_choice("subspace", subspace, SUBSPACES)
    plain = plain_network(network).requires_grad_(True)
    shown = batches(plain, images, labels, len(images))
    x, y = next(iter(shown))
    hessian = Hessian(plain, x, y, micro_batch=micro_batch)
    space = Restricted(hessian, choose_bases(plain, kernel_bases(network), subspace))
    check_number("k", k, at_least=1, at_most=space.dimension)
    like = torch.empty(0, dtype=hessian.dtype, device=x.device)
    return largest_eigenvalues(
        space, k, like=like, tolerance=tolerance, max_products=max_products, seed=seed
    )
