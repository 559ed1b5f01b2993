"""The pictures of an interpolation can be read, whatever the number of kinds and splits."""

import json
from dataclasses import replace
from itertools import combinations_with_replacement

import pytest

from symscape.errors import SymscapeError
from symscape.plots.barriers.at_loss import against_loss
from symscape.plots.barriers.curves import curves
from symscape.plots.barriers.draw import draw_barriers
from symscape.plots.barriers.matrix import matrix
from symscape.plots.read.barriers import CurvePoint, MeanBarrier, by_level
from symscape.plots.trajectory import draw_trajectories, together, trajectory

KINDS = ["vanilla", "hflip", "vflip", "hvflip", "rot90"]
NAN = float("nan")


def barriers(kinds, splits=("train", "test"), count=9):
    return [
        MeanBarrier("none-reset-0", a, b, split, "loss", "chord", 0.1 + 0.3 * i, count)
        for i, (a, b) in enumerate(combinations_with_replacement(kinds, 2))
        for split in splits
    ]


def points(kinds, splits=("train", "test"), low=0.9):
    return [
        CurvePoint(a, b, split, metric, at / 4, 1 + at * (4 - at) / 8, low, 1.6, 9)
        for a, b in combinations_with_replacement(kinds, 2)
        for split in splits
        for metric in ("loss", "error")
        for at in range(5)
    ]


@pytest.mark.parametrize("kinds", [KINDS, KINDS[:1], KINDS[:2], [f"kind{i}" for i in range(14)]])
@pytest.mark.parametrize("splits", [("train", "test"), ("train", "test", "test/rot90")])
def test_the_matrix_shows_mean_and_n_of_every_cell(readable, kinds, splits):
    texts = readable(matrix(barriers(kinds, splits), "Barrier"))
    cells = len(kinds) * (len(kinds) + 1) // 2
    assert sum("n=9" in text for text in texts) == cells * len(splits)
    assert "0.10\nn=9" in texts and set(kinds) <= set(texts) and set(splits) <= set(texts)


def test_a_single_pair_has_one_cell_and_pairs_of_different_kinds_no_empty_row():
    (pair,) = [m for m in barriers(KINDS[:2]) if m.a != m.b and m.split == "train"]
    (axes,) = [axes for axes in matrix([pair], "Barrier").axes if axes.images]
    assert axes.images[0].get_array().shape == (1, 1)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["vanilla"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["hflip"]
    cross = [m for m in barriers(KINDS) if m.a != m.b]
    first = matrix(cross, "Barrier").axes[0].images[0].get_array()
    assert first.shape == (4, 4) and (~first.mask).sum() == 10


def test_n_is_said_where_cells_are_too_small_for_it(readable):
    texts = readable(matrix(barriers([f"kind{i}" for i in range(15)]), "Barrier"))
    assert any("n=9 pairs a cell" in text.replace("\n", " ") for text in texts)


def test_all_panels_of_the_matrix_share_one_colour_scale():
    figure = matrix(barriers(KINDS), "Barrier")
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(images) == 2 and images[0].norm is images[1].norm


@pytest.mark.parametrize("kinds", [KINDS, KINDS[:1], KINDS[:2]])
@pytest.mark.parametrize("metric", ["loss", "error"])
def test_the_curves_name_their_cells_and_splits(readable, kinds, metric):
    texts = readable(curves(points(kinds), metric, "Curves"))
    assert {"train", "test"} <= set(texts)
    cells = len(kinds) * (len(kinds) + 1) // 2
    assert sum(text.endswith(", n=9") for text in texts) == cells
    assert any(kinds[-1] in text for text in texts)


LONG = ["random like hflip none", "random like rot90 none", "vanilla standard", "rot90 width 27"]


@pytest.mark.parametrize("kinds", [LONG[:2], LONG, [*LONG, *KINDS]])
def test_long_names_of_kinds_stay_in_their_panels(readable, kinds):
    texts = readable(curves(points(kinds), "loss", "Curves"))
    assert f"{kinds[0]} -\n{kinds[1]}, n=9" in texts or len(kinds) == 2


def test_more_kinds_than_fit_are_cut_and_this_is_said(readable):
    kinds = [f"kind{i}" for i in range(8)]
    texts = readable(curves(points(kinds, low=NAN), "loss", "Curves"))
    assert any("the first 24 of 36" in text.replace("\n", " ") for text in texts)


def entries(plane=True, share=0.7):
    return {
        "run": {"name": "digits-resnet20-rot90", "seed": 0, "symmetry": "rot90", "augment": "none"},
        "alphas": [0, 0.5, 1],
        "curves": {"train": {"loss": [2.3, 2.4, 1.0]}, "test": {"loss": [2.3, 2.0, 1.1]}},
        "rise": {"train": {"loss": 0.1}, "test": {"loss": 0.0}},
        "steps": [0, 1, 10],
        "path": {
            "distance": [0, 1, 2],
            "coordinates": [[-1, 0], [0, 1], [1, 0]],
            "shares": [share, 0.2],
        },
        "plane": {"x": [-2, 0, 2], "y": [-1, 0, 1], "loss": [[3, 2, None], [2, 1.5, 1], [3, 2, 2]]}
        if plane
        else None,
    }


@pytest.mark.parametrize("plane", [True, False])
def test_a_trajectory_says_whether_its_line_is_monotone(readable, plane):
    texts = readable(trajectory(entries(plane)))
    assert "train, rises by 0.1" in texts and "test, monotone" in texts
    assert ("component 1 (70% of the variance)" in texts) is plane


def test_all_trajectories_share_a_picture(readable):
    texts = readable(together([entries(), entries()]))
    assert "rot90 none (n=2)" in texts


def test_a_share_that_is_no_number(readable):
    assert "component 1 (- of the variance)" in readable(trajectory(entries(share=None)))


def test_damaged_tables_are_named(tmp_path):
    folder = tmp_path / "none-reset-0"
    folder.mkdir()
    with pytest.raises(SymscapeError, match=r"curves\.csv: no such file"):
        draw_barriers(folder)
    (folder / "curves.csv").write_text("label_a,label_b\n1,2\n")
    with pytest.raises(SymscapeError, match="lacks the columns split, metric"):
        draw_barriers(folder)
    (folder / "x.json").write_text(json.dumps({"run": {}}))
    with pytest.raises(SymscapeError, match=r"x\.json: cannot be read"):
        draw_trajectories([folder / "x.json"], folder)


@pytest.mark.parametrize("kinds", [KINDS, KINDS[:1]])
def test_barriers_at_equal_loss_are_a_panel_for_each_two_kinds(readable, kinds):
    means = [
        replace(each, level=level, mean=each.mean * level, low=each.mean * level - 0.05, high=9.0)
        for each in barriers(kinds)
        for level in (2.0, 1.0, 0.5)
    ]
    figure = against_loss(means, "At equal train loss")
    texts = readable(figure)
    assert all(any(kind in text for text in texts) for kind in kinds)
    assert {"train", "test"} <= set(texts)
    assert len(figure.axes) == len(kinds) * (len(kinds) + 1) // 2
    for axes in figure.axes:
        assert axes.xaxis_inverted()
        assert {tuple(line.get_xdata()) for line in axes.lines} >= {(2.0, 1.0, 0.5)}


def test_barriers_are_compared_at_several_losses_where_all_else_is_equal():
    (one, *_) = barriers(KINDS[:1])
    asked = [(1.0, "none"), (2.0, "none"), (NAN, "none"), (1.0, "weights"), (NAN, "weights")]
    means = [replace(one, level=level, others=(align,)) for level, align in asked]
    ((first, second),) = by_level(means)
    assert (first.level, second.level) == (2.0, 1.0)
    assert first.others == second.others == ("none",)
