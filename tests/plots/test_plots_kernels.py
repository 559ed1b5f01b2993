"""Pictures of kernels are centred on zero, state their scale, and stay readable at any depth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from symscape.plots.kernels import kernel_gallery, mean_kernel_strip

Readable = Callable[[Figure], list[str]]
Means = Callable[[list[str]], dict[str, NDArray[np.float64]]]


def _images(figure: Figure) -> list[AxesImage]:
    images = figure.axes[0].get_images()
    for image in images:
        low, high = image.get_clim()
        assert low is not None and high is not None and low == -high and high > 0
    return images


def _hidden(image: AxesImage) -> int:
    return int(np.sum(np.ma.getmaskarray(np.ma.asarray(image.get_array()))))


@pytest.mark.parametrize("count", [1, 2, 16, 17, 19, 109])
def test_a_strip_draws_every_layer_twice_and_names_it(
    readable: Readable, mean_kernels: Means, resnet110: list[str], count: int
) -> None:
    names = resnet110[:count]
    figure = mean_kernel_strip(mean_kernels(names), mean_kernels(names), "resnet, seed 3")
    assert len(_images(figure)) == 2 * count
    printed = [text.replace("\n", "") for text in readable(figure)]
    assert set(names) <= set(printed)
    assert {"start", "end"} <= set(printed)
    assert "value / largest |value| of that kernel, printed below it" in printed


def test_each_mean_kernel_is_scaled_to_the_value_printed_below_it(readable: Readable) -> None:
    start = {"conv": np.array([[0.0, -0.032], [0.016, 0.0]])}
    figure = mean_kernel_strip(start, {"conv": 1e-3 * start["conv"]}, "scale")
    assert [image.get_clim()[1] for image in _images(figure)] == [0.032, 3.2e-5]
    assert {"0.032", "3.2e-5"} <= set(readable(figure))


def test_rows_and_columns_are_where_the_kernel_has_them() -> None:
    kernel = np.arange(15.0).reshape(3, 5)
    image, _ = _images(mean_kernel_strip({"conv": kernel}, {"conv": kernel}, "3x5"))
    np.testing.assert_array_equal(np.asarray(image.get_array()), kernel)
    left, right, bottom, top = image.get_extent()
    # y points down the page, and taps are square.
    assert bottom > top and image.origin == "upper"
    assert (right - left) / 5 == pytest.approx((bottom - top) / 3)


def test_zero_and_nan_kernels_are_told_apart(readable: Readable) -> None:
    kernels = {"zero": np.zeros((3, 3)), "lost": np.full((3, 3), np.nan)}
    figure = mean_kernel_strip(kernels, kernels, "degenerate")
    zero, _, lost, _ = _images(figure)
    assert _hidden(zero) == 0
    assert _hidden(lost) == 9
    assert {"0", "nan"} <= set(readable(figure))


def test_a_layer_of_one_side_leaves_a_blank(readable: Readable, mean_kernels: Means) -> None:
    figure = mean_kernel_strip(mean_kernels(["a", "b"]), mean_kernels(["b", "c"]), "grown")
    assert len(_images(figure)) == 4
    assert {"a", "b", "c"} <= set(readable(figure))


def test_long_names_keep_their_tails(readable: Readable, mean_kernels: Means) -> None:
    names = [f"features.denseblock{b}.denselayer{n}.conv2" for b in (1, 2) for n in range(1, 17)]
    printed = readable(mean_kernel_strip(mean_kernels(names), mean_kernels(names), "densenet"))
    assert "…eblock1.denselayer9.conv2" in printed
    assert len([text for text in printed if text.startswith("…")]) == len(set(names))


def test_a_gallery_spreads_six_layers_over_the_depth(
    readable: Readable, random: np.random.Generator, resnet110: list[str]
) -> None:
    kernels = {name: random.normal(size=(32, 16, 3, 3)) for name in resnet110}
    figure = kernel_gallery(kernels, "resnet110, seed 3: filters at the end of training")
    assert len(_images(figure)) == 6 * 20 * 3
    shown = [text.split()[0] for text in readable(figure) if "taps" in text]
    assert len(shown) == 6
    assert (shown[0], shown[-1]) == ("stem.conv", "stages.2.17.conv2")


def test_slices_of_a_layer_share_the_scale_that_is_printed(readable: Readable) -> None:
    weight = np.full((4, 1, 3, 3), 0.1)
    weight[2, 0, 1, 1] = -0.25
    figure = kernel_gallery({"conv": weight}, "shared")
    assert [image.get_clim() for image in _images(figure)] == [(-0.25, 0.25)] * 4
    printed = [text.replace("\N{MULTIPLICATION SIGN}", "x") for text in readable(figure)]
    assert "conv   (4 out x 1 in, 3 x 3 taps)   scale 0.25" in printed


@pytest.mark.parametrize("shape", [(6, 1, 5, 5), (16, 6, 3, 5), (2, 2, 5, 3), (64, 3, 7, 7)])
def test_a_gallery_takes_any_shape(
    readable: Readable, random: np.random.Generator, shape: tuple[int, int, int, int]
) -> None:
    figure = kernel_gallery({"conv": random.normal(size=shape)}, "shape")
    assert len(_images(figure)) == min(shape[0], 20) * min(shape[1], 3)
    readable(figure)
