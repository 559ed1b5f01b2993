"""The picture of a study can be read, whatever the number of kinds and seeds."""

import pytest

from symscape.errors import SymscapeError
from symscape.plots.summary import PANELS, Mean, draw_summary, summary

NAN = float("nan")
SYMMETRIES = ("vanilla", "hflip", "vflip", "hvflip", "rot90")


def means(augments=("standard",), seeds=3):
    return [
        Mean(
            (symmetry, augment, "resnet20", "cifar10", ""),
            metric,
            0.5 + 0.01 * i,
            NAN if seeds == 1 else 0.4,
            NAN if seeds == 1 else 0.6 + 0.01 * i,
            tuple(0.5 + 0.01 * (i + j) for j in range(seeds)),
        )
        for metric in PANELS
        for i, augment in enumerate(augments)
        for symmetry in SYMMETRIES
    ]


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("augments", [("standard",), ("none", "standard", "rot90")])
def test_kinds_panels_and_n_are_named(readable, augments, seeds):
    texts = readable(summary(means(augments, seeds), "Study paper"))
    assert set(PANELS.values()) <= set(texts)
    assert any("95 % interval" in text for text in texts) == (seeds > 1)
    label = "rot90" if len(augments) == 1 else "rot90 none"
    rows = -(-len(PANELS) // 3)
    assert texts.count(f"{label} (n={seeds})") == rows


def test_more_kinds_than_fit_are_cut_and_this_is_said(readable):
    texts = readable(summary(means([f"a{i}" for i in range(13)]), "Study large"))
    assert any("the first 60 of 65 kinds" in text.replace("\n", " ") for text in texts)


def test_a_damaged_table_is_named(tmp_path):
    (tmp_path / "summary.csv").write_text("metric,mean\n")
    with pytest.raises(SymscapeError, match=r"summary\.csv: cannot be read \(it lacks"):
        draw_summary(tmp_path / "summary.csv", tmp_path / "summary.png")


def test_equal_numbers_need_no_offset_beside_their_axis(readable):
    same = [
        Mean(("d4", "none", "resnet20", "cifar10", ""), metric, v, v, v, (v, v * (1 + 1e-9)))
        for metric, v in (("symmetry/layer/total", 1.0), ("change/hflip", 3e-8), ("test/loss", 0))
    ]
    figure = summary(same, "Study tied")
    readable(figure)
    offsets = [axes.xaxis.get_offset_text().get_text() for axes in figure.axes]
    assert not [text for text in offsets if "+" in text]


def test_intervals_that_dwarf_the_seeds_are_cut(readable):
    kinds = [
        ("hflip", "none", "resnet20", "cifar10", ""),
        ("d4", "none", "resnet20", "cifar10", ""),
    ]
    wide = [Mean(kind, "test/loss", 1.5, -15.0, 18.0, (1.0, 2.0)) for kind in kinds]
    figure = summary(wide, "Study of two")
    readable(figure)
    low, high = figure.axes[0].get_xlim()
    assert -0.2 < low < 0 and 3 < high < 3.2
