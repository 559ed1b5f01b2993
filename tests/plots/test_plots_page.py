"""The parts of a report's page: what is in the figures that plotly gets."""

import base64
import gzip
import json
import math
from itertools import combinations, product

import pytest

from symscape.plots.page.lines import Axes, Points, Series, lines, points
from symscape.plots.page.look import rounded
from symscape.plots.page.matrix import matrix
from symscape.plots.page.parts import Cell, Missing, Page, Section, Source, Table
from symscape.plots.page.render import as_json, packed, render
from symscape.plots.read.barriers import CurvePoint, MeanBarrier
from symscape.plots.read.runs import read_final_symmetry

SOURCE = Source("a.csv", "python a.py")
NAN = math.nan


def series(kind, mean, low=NAN, high=NAN):
    return Series(kind, 0, [1, 2], [mean, mean], [low] * 2, [high] * 2, [3, 3])


def test_a_line_says_its_interval_and_n_and_which_kind_switches_it():
    (band, line) = lines("", [series("rot90", 2.0, 1.0, 3.0)], Axes("x", "y"), SOURCE).data
    assert (band["meta"], line["meta"]) == ("rot90", "rot90")
    assert line["customdata"] == ["[1, 3], n = 3"] * 2 and line["y"] == [2.0, 2.0]
    assert band["y"] == [3.0, 3.0, 1.0, 1.0]


def test_one_run_has_a_line_without_a_band():
    (line,) = lines("", [series("rot90", 2.0)], Axes("x", "y"), SOURCE).data
    assert line["customdata"] == ["n = 3"] * 2


def test_magnitudes_of_many_decades_are_logarithmic_and_others_are_not():
    far, near = ([series("a", 0.01), series("b", high)] for high in (1.0, 0.02))
    assert lines("", far, Axes("x", "y"), SOURCE).layout["yaxis"]["type"] == "log"
    assert "type" not in lines("", near, Axes("x", "y"), SOURCE).layout["yaxis"]
    flat = lines("", far, Axes("x", "y", magnitude=False), SOURCE).layout["yaxis"]
    assert "type" not in flat and flat["range"][0] < 0.01 and flat["range"][1] > 1.0


def test_a_wide_interval_takes_no_more_room_than_the_means():
    kinds = [series("a", 0.0, -100.0, 100.0), series("b", 1.0, 0.5, 1.5)]
    low, high = lines("", kinds, Axes("x", "y", magnitude=False), SOURCE).layout["yaxis"]["range"]
    assert (low, high) == pytest.approx((-1.0, 2.0), abs=0.2)


def test_on_a_logarithmic_axis_a_band_is_cut_and_the_pointer_says_the_whole_interval():
    kinds = [series("a", 0.01, -5.0, 9.0), series("b", 1.0)]
    band, line, _ = lines("", kinds, Axes("x", "y"), SOURCE).data
    assert band["y"] == pytest.approx([9.0, 9.0, 0.001, 0.001])
    assert line["customdata"] == ["[-5, 9], n = 3"] * 2


def test_points_show_each_run_and_the_mean_with_its_interval():
    runs, mean = points(
        "", [Points("a", 1, [1.0, 3.0], ["seed=0", "seed=1"], 2.0, 1.5, 4.0)], "y", SOURCE
    ).data
    assert runs["y"] == [1.0, 3.0] and list(runs["customdata"]) == ["seed=0", "seed=1"]
    assert mean["error_y"]["array"] == [2.0] and mean["error_y"]["arrayminus"] == [0.5]


def test_a_matrix_is_symmetric_and_has_a_curve_behind_each_cell():
    means = [
        MeanBarrier("s", "a", b, split, "loss", definition, height, 4, 0.5, 1.5)
        for b, height in (("a", 1.0), ("b", 2.0))
        for split in ("train", "test")
        for definition in ("chord", "max")
    ]
    curves = [
        CurvePoint("a", b, "train", "loss", x, 0.1 + x * (1 - x), NAN, NAN, 1)
        for b in ("a", "b")
        for x in (0, 0.5, 1)
    ]
    picture = matrix("", means, curves, ["a", "b"], SOURCE)
    assert picture.data[0]["z"] == [[1.0, 2.0], [2.0, None]]
    assert "n = 4 pairs" in picture.data[0]["text"][0][1]
    assert [b["label"] for b in picture.layout["updatemenus"][0]["buttons"]] == [
        *("loss, chord, train", "loss, max, train", "loss, chord, test", "loss, max, test")
    ]
    assert set(picture.behind) == {"a|a", "a|b"}
    assert picture.behind["a|b"]["data"][0]["y"] == [0.1, 0.35, 0.1]


def test_a_matrix_of_a_hundred_kinds_does_not_fill_the_page():
    kinds = [f"kind {i}" for i in range(100)]
    numbers = list(product(("loss", "error"), ("train", "test"), ("chord", "midmean", "max")))
    means = [
        MeanBarrier("s", a, b, split, metric, definition, 1.23456789, 1)
        for a, b in combinations(kinds, 2)
        for metric, split, definition in numbers
    ]
    curves = [
        CurvePoint(a, b, "train", "loss", 0, 1, NAN, NAN, 1) for a, b in combinations(kinds, 2)
    ]
    picture = matrix("", means, curves, kinds, SOURCE)
    labels = [b["label"] for b in picture.layout["updatemenus"][0]["buttons"]]
    assert labels == ["loss, chord, train", "loss, chord, test"]
    assert not picture.behind and not picture.note
    assert len(as_json([picture.data, picture.layout])) < 2_000_000


def test_numbers_are_short_and_what_is_not_finite_is_a_gap():
    assert rounded([1.23456789, NAN, math.inf]) == [1.2346, None, None]


def test_data_cannot_end_its_script_and_holds_numbers_only():
    text = packed(as_json({"name": "</script><b>"}))
    assert "<" not in text and packed(as_json({"name": "</script><b>"})) == text
    assert json.loads(gzip.decompress(base64.b64decode(text))) == {"name": "</script><b>"}
    with pytest.raises(ValueError, match="JSON compliant"):
        as_json(NAN)


def test_names_are_escaped_and_missing_parts_stand_at_the_end():
    table = Table("t", ("x",), [[Cell("<i>1", 1.0)]], SOURCE)
    sections = [Section("s", "S", tables=[table])]
    text = render(Page("<&>", [], [], sections, [Missing("Curvature", "python sharpness.py")]))
    assert "<title>&lt;&amp;&gt;</title>" in text and "&lt;i&gt;1" in text
    assert 'id="plotly"></script>' in text, "no picture needs no script that draws"
    assert text.index("python sharpness.py") > text.index("python a.py")


def test_a_command_is_said_once_a_section():
    """With several of them, each file says which."""
    sources = [Source("a.csv", "python a.py"), Source("b.csv", "python a.py")]
    tables = [Table(source.file, ["x"], [], source) for source in sources]
    one = render(Page("", [], [], [Section("s", "S", tables=tables)], []))
    assert one.count("<code>python a.py</code>") == 1 and "command 1" not in one
    tables.append(Table("c", ["x"], [], Source("c.csv", "python c.py")))
    two = render(Page("", [], [], [Section("s", "S", tables=tables)], []))
    assert two.count("<code>python a.py</code>") == two.count("<code>python c.py</code>") == 1
    assert two.count(">command 1</a>") == 2 and two.count(">command 2</a>") == 1
    assert 'id="s-2"' in two and 'href="#s-2"' in two


def test_of_symmetry_the_last_epoch_is_read_alone(tmp_path):
    head = "epoch,layer,depth,kind,group,value,null_low,null_mean,null_high"
    rows = [f"{e},l{d},{d},layer,total,{e + d},,," for e in (0, 9, 10) for d in (0, 1)]
    path = tmp_path / "symmetry.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    assert [(m.epoch, m.value) for m in read_final_symmetry(path)] == [(10, 10.0), (10, 11.0)]
