"""How exactly a network keeps the symmetries of its group: in its layers and in its logits.

Maps on a group of N elements are (B, C N, H, W); channel c at element n is channel c N + n. A
symmetry l of the square that maps the elements to themselves, h_p(n) = l h_n, acts on them by
(T_l f)[:, c, p(n)] = l(f[:, c, n]).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from symscape.symmetry.groups import ELEMENTS, SWAPS_AXES


def acted(maps: Tensor, element: str, permutation: Tensor) -> Tensor:
    """Return T_l f.

    Args:
        maps: f, (B, C N, H, W).
        element: l, a name of ELEMENTS.
        permutation: p (N,), int64.
    """
    by_element = maps.reshape(len(maps), -1, len(permutation), *maps.shape[2:])
    moved = ELEMENTS[element](by_element)
    return moved[:, :, permutation.argsort().to(maps.device)].flatten(1, 2)


def followed(lattice: Mapping[str, Tensor], height: int, width: int) -> dict[str, Tensor]:
    """Return those symmetries that move something and leave images their shape."""
    return {
        name: p
        for name, p in lattice.items()
        if name != "identity" and (height == width or name not in SWAPS_AXES)
    }


@torch.no_grad()
def layer_errors(
    network: Callable[[Tensor], Tensor],
    layers: Mapping[str, nn.Module],
    lattice: Mapping[str, Tensor],
    batches: Iterable[Tensor],
) -> dict[tuple[str, str], float]:
    """Return, for each layer and symmetry but the identity, ||phi(T x) - T phi(x)|| / ||phi(x)||.

    phi(x) is the layer's output on images x, and norms run over all of them. 0: equivariant up to
    rounding; about 1.4: unrelated. NaN where a layer's output is 0.

    Args:
        network: maps images (B, C, H, W), in eval mode; called once a batch and symmetry, and once.
        layers: modules of it, whose outputs are maps on the group.
        lattice: symmetries by name, each with its permutation p (N,). Images that are not square
            have no quarter turns and transpositions.
        batches: of images. Two outputs of every layer are held at a time.
    """
    errors: dict[tuple[str, str], float] = {}
    norms = dict.fromkeys(layers, 0.0)
    for images in batches:
        with _outputs(layers) as before:
            network(images)
        for layer, maps in before.items():
            norms[layer] += _square(maps)
        for name, p in followed(lattice, *images.shape[2:]).items():
            moved = ELEMENTS[name](images).contiguous(memory_format=torch.channels_last)
            with _outputs(layers) as after:
                network(moved)
            for layer, maps in after.items():
                error = _square(maps - acted(before[layer], name, p))
                errors[layer, name] = errors.get((layer, name), 0.0) + error
    return {
        (layer, name): math.sqrt(error / norms[layer]) if norms[layer] else math.nan
        for (layer, name), error in errors.items()
    }


def _square(maps: Tensor) -> float:
    return float(torch.linalg.vector_norm(maps)) ** 2


@contextmanager
def _outputs(layers: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """Collect what layers return while the context lasts."""
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(module: nn.Module, args: object, output: Tensor) -> None:
            found[name] = output

        return hook

    handles = [layer.register_forward_hook(keep(name)) for name, layer in layers.items()]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def mean_distance(logits: Tensor) -> float:
    """Return the mean distance of two images' logits (B, classes), over all pairs."""
    return float(torch.pdist(logits.double()).mean())


def mean_change(moved: Tensor, logits: Tensor) -> float:
    """Return the mean distance of an image's logits before and after a motion.

    Divided by `mean_distance`, 0 is invariance, and 1 as large a change as another image makes.

    Args:
        moved: logits of moved images, (B, classes).
        logits: of the images themselves.
    """
    return float((moved.double() - logits.double()).norm(dim=1).mean())
