"""The pictures of a curvature analysis can be read, and say what did not converge."""

import pytest

from symscape.errors import SymscapeError
from symscape.plots.read.sharpness import AtLoss, Mean, Single, read_matched
from symscape.plots.sharpness.draw import draw_sharpness
from symscape.plots.sharpness.ends import against_epsilon, by_kind, densities
from symscape.plots.sharpness.training import against_loss, along_training

KINDS = ["vanilla", "hflip", "vflip", "hvflip", "rot90"]
NAN = float("nan")


def means(quantities, scalings=("none", "filter"), unconverged=0, low=5.0, spread=1.0):
    return [
        Mean(kind, kind, -1, subspace, scaling, q, 10.0 + spread * i, low, 12.0 + i, unconverged)
        for i, kind in enumerate(KINDS)
        for subspace in ("own", "ambient")
        for scaling in scalings
        for q in quantities
    ]


@pytest.mark.parametrize("low", [5.0, NAN])
@pytest.mark.parametrize("scalings", [("none",), ("none", "filter"), ("none", "elementwise")])
def test_own_and_ambient_stand_side_by_side(readable, scalings, low):
    texts = readable(by_kind(means(("eigenvalue_1", "trace"), scalings, low=low)))
    assert set(KINDS) <= set(texts) and {"own", "ambient"} <= set(texts)
    assert f"trace, scaling {scalings[-1]}" in texts


def test_what_did_not_converge_has_an_open_marker():
    for unconverged, face in ((0, "#0072B2"), (1, "white")):
        figure = by_kind(means(("eigenvalue_1",), ("none",), unconverged, low=NAN))
        assert figure.axes[0].get_lines()[0].get_markerfacecolor() == face


def test_each_run_is_a_dot_and_an_interval_below_zero_is_whole():
    runs = [
        Single("hflip", "own", "none", "eigenvalue_1", value, 0, 9, 0.1, True)
        for value in (8.0, 14.0)
    ]
    axes = by_kind(means(("eigenvalue_1",), ("none",), low=-3.0), runs).axes[0]
    assert axes.get_lines()[0].get_ydata().tolist() == [8.0, 14.0]
    assert axes.get_ylim()[0] < -3.0
    alone = by_kind(means(("eigenvalue_1",), ("none",), low=NAN), runs[:1])
    assert alone.get_suptitle() == "Curvature by symmetry"
    assert not any(line.get_marker() == "." for line in alone.axes[0].get_lines())


@pytest.mark.parametrize("spread", [1.0, -3.0, 1e5])
def test_values_of_every_size_and_sign_are_drawn(readable, spread):
    readable(by_kind(means(("eigenvalue_1",), spread=spread)))
    quantities = [f"random_ascent_mean@{eps:g}" for eps in (1e-6, 1e-3, 0.1)]
    texts = readable(against_epsilon(means(quantities, spread=spread)))
    assert "ambient, scaling filter" in texts


def entries(name="vanilla"):
    density = {"nodes": [[-1.0, 0.0, 100.0], [0.0, 99.0]], "weights": [[0.5, 0.4999, 1e-4]] * 1}
    density["weights"].append([0.9999, 1e-4])
    measure = {"subspace": "own", "scaling": "none", "density": density}
    measure |= {"eigenvalues": {"values": [100.0, 3.0]}, "trace": {"value": 130.0}}
    points = [
        {"step": s, "learning_rate": 0.1 / (s + 1), "measures": [measure]} for s in (0, 9, 99)
    ]
    return {"run": {"name": name}, "points": points}


def test_a_density_shows_eigenvalues_of_small_weight(readable):
    figure = densities([entries()], {"vanilla": "vanilla"})
    readable(figure)
    (line,) = figure.axes[0].get_lines()
    bottom, top = figure.axes[0].get_ylim()
    outliers = [y for x, y in zip(*line.get_data(), strict=True) if 95 < x < 101]
    assert max(outliers) > 1e3 * bottom and max(line.get_ydata()) < top


def test_curvature_along_training_stands_beside_two_over_the_rate(readable):
    figure = along_training([entries(), entries("rot90")], {"vanilla": "a", "rot90": "b"})
    assert {"2 / lr", "a", "b"} <= set(readable(figure))


def test_damaged_tables_are_named(tmp_path):
    with pytest.raises(SymscapeError, match=r"summary\.csv: no such file"):
        draw_sharpness(tmp_path, [])


PLACES = (
    ("own", "none", "eigenvalue_1"),
    ("own", "filter", "trace"),
    ("kernels", "-", "symmetry"),
)


@pytest.mark.parametrize("low", [5.0, NAN])
def test_kinds_are_compared_where_the_train_loss_is_the_same(readable, low):
    rows = [
        AtLoss(kind, loss, 10.0, *place, 10.0 + i - loss, low, 12.0 + i)
        for i, kind in enumerate(KINDS)
        for place in (
            ("own", "none", "eigenvalue_1"),
            ("own", "filter", "trace"),
            ("kernels", "-", "symmetry"),
        )
        for loss in (0.5, 1.0, 2.0)
    ]
    figure = against_loss(rows)
    texts = readable(figure)
    assert set(KINDS) <= set(texts) and "largest eigenvalue, own, scaling none" in texts
    assert "S of the kernels" in texts and "trace, own, scaling filter" in texts
    first, last = figure.axes[0].get_xlim()
    assert first > last  # Training goes right.


def test_no_common_train_loss_is_no_picture(tmp_path):
    path = tmp_path / "matched.csv"
    path.write_text("label,loss,step,subspace,scaling,quantity,mean,low,high\n")
    assert read_matched(path) == []
