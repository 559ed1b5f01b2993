"""Augmentation of a whole batch at once, on the device that holds it.

Every policy is: zero-pad, swap rows with columns, then choose a source row for each output row and
a source column for each output column. The choices are index arithmetic, so a batch costs a few
kernels on any device and no loop over images.
Shapes: B images of H rows, W columns, C channels; a row has P = W C bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from symscape.config.data import AUGMENTATIONS
from symscape.errors import ConfigError, check_choice


@dataclass(frozen=True)
class Policy:
    """Which moves a policy makes; each is drawn for each image."""

    hflip: bool = False
    """Left and right change places with probability 1/2."""
    vflip: bool = False
    """Top and bottom change places with probability 1/2, independently."""
    quarters: bool = False
    """0, 1, 2 or 3 quarter turns counterclockwise, equally likely."""
    padding: int = 0
    """Black pixels added on each side, before a window of the old size is cut out."""


POLICIES = {
    "none": Policy(),
    "hflip": Policy(hflip=True),
    "vflip": Policy(vflip=True),
    "hvflip": Policy(hflip=True, vflip=True),
    "rot90": Policy(quarters=True),
    # He et al. 2016, section 4.2: 4 pixels, a random crop, a horizontal flip.
    "standard": Policy(hflip=True, padding=4),
}


@dataclass(frozen=True)
class Augmentation:
    """What happens to each image of a batch: first the crop, then the turns, then the flips."""

    policy: Policy
    moves: Tensor
    """int64, (5, B): swap rows and columns, flip rows, flip columns, top, left of the crop."""

    def __len__(self) -> int:
        return self.moves.shape[1]

    def subset(self, images: slice) -> Augmentation:
        """Return what happens to some of the images."""
        return Augmentation(self.policy, self.moves[:, images])


def check_policy(name: str, height: int, width: int) -> None:
    """Raise ConfigError for an unknown policy, or one that does not fit the shape of the images."""
    check_choice("data.augment", name, AUGMENTATIONS)
    if POLICIES[name].quarters and height != width:
        raise ConfigError("data.augment", name, f"needs square images, these are {height}x{width}")


def draw(policy: str, count: int, generator: torch.Generator | None = None) -> Augmentation:
    """Draw a policy's moves for `count` images, on the CPU: every device sees the same."""
    of = POLICIES[policy]
    moves = torch.zeros(5, count, dtype=torch.int64)
    if of.quarters:
        turns = torch.randint(4, (count,), generator=generator)
        # A quarter turn is a transposition and a flip of the rows; three are its inverse.
        moves[0], moves[1], moves[2] = turns % 2, (turns == 1) | (turns == 2), turns >= 2
    if of.vflip:
        moves[1] = torch.randint(2, (count,), generator=generator)
    if of.hflip:
        moves[2] = torch.randint(2, (count,), generator=generator)
    if of.padding:
        moves[3:] = torch.randint(2 * of.padding + 1, (2, count), generator=generator)
    return Augmentation(of, moves)


def apply(
    images: Tensor,
    augmentation: Augmentation,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Augment and normalise a batch.

    Args:
        images: uint8, (B, C, H, W), fastest with its memory in the order (B, H, W, C).
        augmentation: The moves of these B images; brought to the device of `images`.
        mean: A value a channel, in units where white is 1.
        std: The same; pixels become (pixel / 255 - mean) / std. Padding is black before that.
        dtype: Of the result. Below 32 bits, only the last rounding is that coarse.

    Returns:
        (B, C, H, W), with its memory in the order (B, H, W, C).
    """
    count, channels, height, width = images.shape
    if not count:
        return images.to(dtype)
    rows = images.permute(0, 2, 3, 1).reshape(count, height, width * channels)
    moved = move(rows, augmentation, channels)
    exact = dtype if dtype.itemsize >= 4 else torch.float32
    scale, shift = affine(mean, std, width, exact, images.device)
    values = moved.to(exact)
    torch.addcmul(shift, values, scale, out=values)  # In place: fresh memory costs more than this.
    return values.to(dtype).view(count, height, width, channels).permute(0, 3, 1, 2)


def move(rows: Tensor, augmentation: Augmentation, channels: int) -> Tensor:
    """Apply the moves to uint8 images given as rows, (B, H, P); returns the same shape."""
    policy, height, width = augmentation.policy, rows.shape[1], rows.shape[2] // channels
    if policy.quarters:
        # Found on the CPU, where the moves were drawn: a GPU would be waited for.
        which = augmentation.moves[0].nonzero().view(-1).to(rows.device)
        rows = swapped(rows, which, channels)
    _, flip_rows, flip_columns, top, left = augmentation.moves.to(rows.device)
    if policy.padding:
        rows = padded(rows, policy.padding, channels)
    if policy.vflip or policy.quarters or policy.padding:
        rows = pick_rows(rows, sources(height, flip_rows, top))
    if policy.hflip or policy.quarters or policy.padding:
        rows = pick_columns(rows, sources(width, flip_columns, left), channels)
    return rows


def sources(size: int, flip: Tensor, start: Tensor) -> Tensor:
    """Return where each output row (or column) comes from: int64, (B, size)."""
    step = 1 - 2 * flip
    first = start + flip * (size - 1)
    return first[:, None] + step[:, None] * torch.arange(size, device=flip.device)


def pick_rows(rows: Tensor, chosen: Tensor) -> Tensor:
    """Copy the rows `chosen`, (B, H), of each image: memory moves in whole rows."""
    count, height, bytes_a_row = rows.shape
    offsets = torch.arange(0, count * height, height, device=rows.device)
    flat = (chosen + offsets[:, None]).view(-1)
    return rows.view(-1, bytes_a_row).index_select(0, flat).view(count, -1, bytes_a_row)


def pick_columns(rows: Tensor, chosen: Tensor, channels: int) -> Tensor:
    """Copy the columns `chosen`, (B, W), of each image; one index a byte serves all its rows."""
    channel = torch.arange(channels, device=rows.device)
    chosen_bytes = (chosen[:, :, None] * channels + channel).flatten(1)
    return rows.gather(2, chosen_bytes[:, None].expand(-1, rows.shape[1], -1))


def swapped(rows: Tensor, which: Tensor, channels: int) -> Tensor:
    """Transpose the images at the indices `which`; they are square."""
    count, height, bytes_a_row = rows.shape
    if bytes_a_row != height * channels:
        shape = f"{height}x{bytes_a_row // channels}"
        raise ConfigError("data.augment", "rot90", f"needs square images, these are {shape}")
    images = rows.view(count, height, height, channels)
    turned = images.index_select(0, which).transpose(1, 2).contiguous()
    return images.index_copy(0, which, turned).view(count, height, bytes_a_row)


def padded(rows: Tensor, padding: int, channels: int) -> Tensor:
    """Surround each image with `padding` black pixels (faster than torch's pad, by 10)."""
    count, height, bytes_a_row = rows.shape
    side = padding * channels
    frame = rows.new_zeros(count, height + 2 * padding, bytes_a_row + 2 * side)
    frame[:, padding:-padding, side:-side] = rows
    return frame


@lru_cache(maxsize=64)
def affine(
    mean: tuple[float, ...],
    std: tuple[float, ...],
    width: int,
    dtype: torch.dtype,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Return factor and summand of each byte of a row, (P,) each.

    Repeated over the columns, so that normalising runs along whole rows: 10 times as fast as over
    the channels.
    """
    means, stds = torch.tensor([mean, std], dtype=torch.float64)
    scale, shift = 1 / (255 * stds), -means / stds
    return scale.repeat(width).to(device, dtype), shift.repeat(width).to(device, dtype)
