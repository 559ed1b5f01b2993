"""The 1,797 handwritten digits of scikit-learn: real images that need no download.

E. Alpaydin and C. Kaynak 1998, UCI "Optical Recognition of Handwritten Digits", its test part.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from symscape.data.images import ImageSet
from symscape.data.split import held_out, mixed_order

SIZE = 32
LEVELS = 16
"""The original pixels count the inked cells of a 4 x 4 square."""
TEST_FRACTION = 0.2
FRAMED, MARGIN = 16, 4
"""Pixels of a digit that is to be turned, and of the black on each side: a diagonal of 16 pixels is
one of 23, so no turn cuts a corner off."""


def load_framed() -> tuple[ImageSet, ImageSet, tuple[str, ...]]:
    """Return the digits upright and with room to turn: uint8, (N, 1, 24, 24), parts as theirs."""
    train, test, classes = load_digits(FRAMED)
    return framed(train), framed(test), classes


def framed(images: ImageSet) -> ImageSet:
    """Put black on each side of the images."""
    return ImageSet(pad(images.images, [MARGIN] * 4), images.labels)


def load_digits(size: int = SIZE) -> tuple[ImageSet, ImageSet, tuple[str, ...]]:
    """Return the training images, the test images (a stratified fifth) and the class names.

    Images are uint8, (N, 1, size, size): the 8 x 8 originals, interpolated bilinearly.
    """
    from sklearn.datasets import load_digits as read_originals  # Takes a second: only where needed.

    bunch = read_originals()
    order = torch.from_numpy(mixed_order(bunch.target))
    images = enlarge(torch.from_numpy(bunch.images), size)
    digits = ImageSet(images, torch.from_numpy(bunch.target).long()).subset(order)
    cut = held_out(digits.labels.numpy(), TEST_FRACTION)
    test, train = digits.subset(slice(cut)), digits.subset(slice(cut, None))
    # What is left of a mixed order is only nearly mixed.
    train = train.subset(torch.from_numpy(mixed_order(train.labels.numpy())))
    return train, test, tuple(str(name) for name in bunch.target_names)


def enlarge(originals: Tensor, size: int = SIZE) -> Tensor:
    """Bring levels 0..16, (N, 8, 8), to uint8 levels 0..255, (N, 1, size, size)."""
    scaled = originals.double()[:, None] * (255 / LEVELS)
    return interpolate(scaled, size=(size, size), mode="bilinear").round().to(torch.uint8)
