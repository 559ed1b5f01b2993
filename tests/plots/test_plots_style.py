"""A saved picture is whole, reproducible and independent of the user's own settings."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure

from symscape.errors import SymscapeError
from symscape.plots.style import DPI, save, short_name, style


@style()
def _figure() -> Figure:
    figure = Figure(figsize=(2.0, 1.0))
    figure.subplots().plot([1, 2, 3])
    return figure


def test_png_has_200_dpi_and_pdf_comes_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "pictures" / "curve.png"
    assert save(_figure(), path) == [path]
    width, height = (int.from_bytes(path.read_bytes()[i : i + 4], "big") for i in (16, 20))
    assert (width, height) == (2 * DPI, DPI)
    assert save(_figure(), path, pdf=True) == [path, path.with_suffix(".pdf")]
    assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    assert sorted(file.name for file in path.parent.iterdir()) == ["curve.pdf", "curve.png"]


def test_the_same_figure_gives_the_same_bytes_under_any_settings(tmp_path: Path) -> None:
    save(_figure(), tmp_path / "a.png", pdf=True)
    with matplotlib.rc_context({"font.size": 20, "savefig.dpi": 30, "axes.facecolor": "red"}):
        save(_figure(), tmp_path / "b.png", pdf=True)
        assert matplotlib.rcParams["font.size"] == 20
    for suffix in (".png", ".pdf"):
        a, b = ((tmp_path / name).with_suffix(suffix).read_bytes() for name in ("a", "b"))
        assert a == b


def test_a_failed_write_keeps_the_old_picture_and_leaves_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "curve.png"
    path.write_bytes(b"old")

    def fill_the_disk(self: Figure, file: Path, **_: object) -> None:
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", fill_the_disk)
    with pytest.raises(SymscapeError, match=r"curve\.png: cannot be written \(No space left"):
        save(_figure(), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("")
    with pytest.raises(SymscapeError, match=r"curve\.png: cannot be written"):
        save(_figure(), tmp_path / "pictures" / "curve.png")


@pytest.mark.parametrize("place", [(0.99, 0.5), (0.5, 0.5)], ids=["off the page", "on another"])
def test_the_check_of_readability_sees_what_it_is_for(
    readable: Callable[[Figure], list[str]], place: tuple[float, float]
) -> None:
    figure = Figure(figsize=(2.0, 1.0))
    figure.text(0.5, 0.5, "text")
    assert readable(figure) == ["text"]
    figure.text(*place, "more")
    with pytest.raises(AssertionError):
        readable(figure)


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SymscapeError, match=r"curve\.jpg: .* must end in \.png"):
        save(_figure(), tmp_path / "curve.jpg")


def test_short_names_keep_the_tail_within_the_limit() -> None:
    assert short_name("stages.0.0.conv1") == "stages.0.0.conv1"
    assert short_name("features.denseblock1.denselayer12.conv2", 19) == "…denselayer12.conv2"
    assert len(short_name("x" * 99)) == 26


def test_the_room_needs_neither_torch_nor_pyplot() -> None:
    code = (
        "import sys, symscape.plots.run\n"
        "print([m for m in ('torch', 'lightning', 'hydra', 'wandb', 'matplotlib.pyplot')"
        " if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
