"""Two networks on the same images: exact McNemar tests and mean differences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symscape.audit.consistency import Consistency, ImageMean
from symscape.errors import SymscapeError


@dataclass(frozen=True)
class McNemar:
    """The images on which two networks differ, and how likely such a split is by chance."""

    first_only: int
    """Images that are right, or consistent, with the first network alone."""
    second_only: int
    p: float
    """Two-sided and exact; 1 where no image differs."""


@dataclass(frozen=True)
class Difference:
    """The mean of second - first over images, and its standard error; NaN for one image."""

    mean: float
    error: float


@dataclass(frozen=True)
class Paired:
    """One quantity of two networks under one view."""

    view: str
    """The name of a view, or `images` for the images themselves."""
    quantity: str
    """agreement, variation or accuracy"""
    difference: Difference
    test: McNemar | None
    """Of images whose value is 1: under moves those with one answer, or the right one, to all
    views. None for variation."""


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> McNemar:
    """Return the exact two-sided McNemar test of two networks on the same images.

    The images on which just one is right are split like throws of a coin if both are as good
    (McNemar 1947, with the binomial distribution in place of chi-squared).

    Args:
        first: whether the first network is right, or consistent, on each image.
        second: the same of the second network, in the same order.

    Raises:
        SymscapeError: the numbers of images differ.
        ValueError: there are values other than 0 and 1.
    """
    a, b = _aligned(first, second)
    if not np.isin([a, b], (0, 1)).all():
        raise ValueError("mcnemar: values other than 0 and 1")
    return _mcnemar(a == 1, b == 1)


def _mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> McNemar:
    from scipy.stats import (
        binomtest,
    )  # About a second, which those who compare nothing do not wait.

    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    discordant = only_first + only_second
    p = float(binomtest(only_first, discordant).pvalue) if discordant else 1.0
    return McNemar(only_first, only_second, p)


def mean_difference(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Return the mean of second - first over images, with standard error sd / sqrt(n).

    Raises:
        SymscapeError: the numbers of images differ.
    """
    a, b = _aligned(first, second)
    difference, count = b - a, len(a)
    error = difference.std(ddof=1) / math.sqrt(count) if count > 1 else math.nan
    return Difference(float(difference.mean()), float(error))


def _aligned(
    first: Sequence[float], second: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.shape != b.shape or not a.size:
        raise SymscapeError(
            f"images: {a.size} of the first network, {b.size} of the second; "
            "a comparison needs the same ones"
        )
    return a, b


def compare(first: Consistency, second: Consistency) -> list[Paired]:
    """Return every quantity that both networks have, under each view that both have.

    Args:
        first: of one network.
        second: of another, on the same images in the same order: what the caller knows.

    Raises:
        SymscapeError: the numbers of images or the largest moves differ.
    """
    if first.shifts != second.shifts:
        raise SymscapeError(
            f"shifts: {first.shifts} of the first network, {second.shifts} of the second; "
            "a comparison needs the same"
        )
    kept = {(view, quantity): value for view, quantity, value in _values(second)}
    return [
        _paired(view, quantity, value.values, kept[view, quantity].values)
        for view, quantity, value in _values(first)
        if (view, quantity) in kept
    ]


def _values(consistency: Consistency) -> Iterator[tuple[str, str, ImageMean]]:
    if consistency.accuracy is not None:
        yield "images", "accuracy", consistency.accuracy
    for name, view in consistency.views.items():
        yield name, "agreement", view.agreement
        yield name, "variation", view.variation
        if view.accuracy is not None:
            yield name, "accuracy", view.accuracy


def _paired(view: str, quantity: str, first: list[float], second: list[float]) -> Paired:
    difference = mean_difference(first, second)
    if quantity == "variation":
        return Paired(view, quantity, difference, None)
    return Paired(view, quantity, difference, _mcnemar(np.equal(first, 1), np.equal(second, 1)))
