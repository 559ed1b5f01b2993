"""`python benchmarks/planted.py`: planted permutations that alignment by weights finds.

In residual networks of width 30 to 50: ResNet-20, and 32 blocks of two linear layers each; beside
coordinate ascent from the identity alone.
"""

from __future__ import annotations

import argparse
import time

import torch
from interpolation import State, new_network
from rich.console import Console

from symscape.landscape.alignment import match_weights, permute_state
from symscape.landscape.alignment.ascent import ascend
from symscape.landscape.alignment.pair import WeightPair
from symscape.landscape.alignment.permutation import identity_permutations, random_permutations
from symscape.models.permutations import PermutationSpec, Slot, permutation_spec


def residual_mlp(width: int, seed: int, blocks: int = 32) -> tuple[PermutationSpec, State]:
    """Return the weights of a residual network of linear layers, and its groups."""
    generator = torch.Generator().manual_seed(seed)
    axes: dict[str, tuple[str, str]] = {"in": ("stream", ""), "head": ("", "stream")}
    for block in map(str, range(blocks)):
        axes |= {f"{block}.1": (block, "stream"), f"{block}.2": ("stream", block)}
    spec, state = PermutationSpec(), {}
    places = torch.arange(width)[:, None]
    for name, groups in axes.items():
        rows, columns = (width if group else 10 for group in groups)
        state[name] = torch.randn(rows, columns, generator=generator) / columns**0.5
        for dim, group in enumerate(groups):
            if group:
                spec.sizes[group] = width
                spec.slots.setdefault(group, []).append(Slot(name, (dim, dim), places))
    return spec, state


def resnet(width: int, seed: int) -> tuple[PermutationSpec, State]:
    """Return the weights of a ResNet-20, and its groups."""
    network = new_network("resnet20", seed, width=width)
    return permutation_spec(network), network.state_dict()


def planted(trials: int, console: Console) -> None:
    """Print how often a planted permutation is found in residual networks."""
    for family, make in (("ResNet-20", resnet), ("32 linear blocks", residual_mlp)):
        found, spent = [0, 0], [0.0, 0.0]
        for trial in range(trials):
            generator = torch.Generator().manual_seed(trial)
            spec, state = make(int(torch.randint(30, 51, (1,), generator=generator)), trial)
            hidden = random_permutations(spec, generator)
            moved = permute_state(state, spec, hidden)
            start = identity_permutations(spec)

            begin = time.perf_counter()
            plain, _ = ascend(WeightPair.of(state, moved, spec), start, generator)
            middle = time.perf_counter()
            ours, _ = match_weights(state, moved, spec)
            spent = [spent[0] + middle - begin, spent[1] + time.perf_counter() - middle]
            for i, order in enumerate((plain, ours)):
                found[i] += all(
                    torch.equal(p[order[g]], torch.arange(len(p))) for g, p in hidden.items()
                )
        for i, name in enumerate(("coordinate ascent alone", "match_weights")):
            console.print(
                f"planted in {family}, {name}: {found[i]} of {trials} found, "
                f"{spent[i] / trials:.2f} s each"
            )


def main() -> None:
    """Plant and search."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=100)
    planted(parser.parse_args().trials, Console(width=100, highlight=False))


if __name__ == "__main__":
    main()
