"""`python benchmarks/reporting.py`: how long the report of a large study takes, and how it opens.

100 runs of 10 kinds, 100 epochs each, and all 4,950 pairs, in result files as doors write them but
of made-up numbers: the seconds of `report.py`, the size of its page, and the first paint of it in
Chromium, where chromium and chromedriver are installed. One small study is reported before, in the
same way: what the start of Python and the libraries cost.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from synthetic import write_pairs, write_runs, write_sharpness, write_trajectories

DOOR = Path(__file__).parents[1] / "report.py"
PLAIN = ("vanilla", "hflip", "vflip", "hvflip", "rot180", "diag", "rot90", "d4")
KINDS = [{"symmetry": name} for name in PLAIN]
KINDS += [{"symmetry": name, "augment": "standard"} for name in ("vanilla", "rot90")]
PATIENCE = 60
"""Seconds to wait for a picture."""


def main() -> None:
    """Make both studies, report on them, and open the page of the large one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=100)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _make(root, "small", KINDS[:2], 2, 2)
        start = _seconds(root, "small")
        runs = _make(root, "large", KINDS, wanted.seeds, wanted.epochs)
        seconds = _seconds(root, "large")
        page = root / "large" / "report.html"
        size = page.stat().st_size / 1e6
        print(f"{runs} runs, {runs * (runs - 1) // 2:,} pairs: {seconds:.1f} s, {size:.1f} MB")
        print(f"4 runs, 6 pairs: {start:.1f} s")
        print(_first_paint(page))


def _make(root: Path, study: str, kinds: list[dict[str, str]], seeds: int, epochs: int) -> int:
    runs = write_runs(root, study, kinds, seeds, epochs)
    write_pairs(root / study, runs, lambda a, b: 1 + 0.1 * a.config.seed + 0.01 * b.config.seed)
    write_trajectories(root / study, runs, lambda run: 2 + 0.1 * run.config.seed)
    write_sharpness(root / study, runs, lambda run, subspace: 10.0 + run.config.seed)
    return len(runs)


def _seconds(root: Path, study: str) -> float:
    """Return the wall time of the door, as who types the command waits for it."""
    begin = time.perf_counter()
    command = [sys.executable, str(DOOR), f"root={root}", f"study={study}"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def _first_paint(page: Path) -> str:
    """Return the times of the first paint, of the first picture and of the last, in a phrase."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        return "no chromium with chromedriver: not opened"
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.page_load_strategy = "eager"  # The page counts as loaded when all pictures are drawn.
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options, Service(driver))
    try:
        browser.get(page.as_uri())
        moments = {
            "first paint": "performance.getEntriesByType('paint')[0]?.startTime",
            "a picture": "document.querySelector('.chart .main-svg') && performance.now()",
            "all pictures": "document.documentElement.dataset.drawn && performance.now()",
        }
        return ", ".join(f"{name} {_when(browser, said)}" for name, said in moments.items())
    finally:
        browser.quit()


def _when(browser: Any, moment: str) -> str:
    """Return when an expression was first true, in a phrase."""
    end = time.monotonic() + PATIENCE
    while not (found := browser.execute_script(f"return {moment}")):
        if time.monotonic() > end:
            return f"not within {PATIENCE} s"
        time.sleep(0.02)
    return f"after {found / 1000:.2f} s"


if __name__ == "__main__":
    main()
