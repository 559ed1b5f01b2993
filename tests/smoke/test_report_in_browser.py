"""The page of a report in a real browser: Chromium, from disk, without a network."""

import shutil
import subprocess
import time

import pytest

from benchmarks.synthetic import write_pairs, write_runs, write_sharpness, write_trajectories
from symscape.config.report import ReportConfig
from symscape.jobs.report.job import report

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium with chromedriver"),
]
KINDS = [{"symmetry": name} for name in ("vanilla", "hflip", "rot90")]
WIDE, NARROW = (1300, 900), (400, 850)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    runs = write_runs(tmp_path_factory.mktemp("browser"), "shown", KINDS, seeds=3)
    place = runs[0].folder.parents[1]
    write_pairs(place, runs, lambda a, b: 1 + 0.1 * a.config.seed + len(b.config.symmetry.name))
    write_trajectories(place, runs, lambda run: 2.0 + run.config.seed / 10)
    write_sharpness(place, runs, lambda run, subspace: 10.0 + run.config.seed)
    return report(ReportConfig(study="shown", root=str(place.parent)))


@pytest.fixture(scope="module")
def browser():
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service(DRIVER))
    yield driver
    driver.quit()


def opened(browser, page, size=WIDE, scheme="light"):
    """Open the page with the network off; return when it is ready."""
    off = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", off)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    width, height = size
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get_log("browser")  # Of earlier pages.
    browser.get(page.as_uri())
    until(lambda: browser.execute_script("return document.documentElement.dataset.ready"))


def until(done, seconds=60.0):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


def draw_all(browser):
    """Return every picture when all are drawn, which takes no scrolling."""
    until(lambda: browser.execute_script("return document.documentElement.dataset.drawn"))
    charts = browser.find_elements("css selector", ".chart")
    assert all(chart.find_elements("css selector", ".main-svg") for chart in charts)
    return charts


def column(browser, name):
    """Return the heading and the cells of a column of the table of kinds."""
    table = browser.find_element("xpath", "//figcaption[.='Kinds of runs']/..//table")
    heads = table.find_elements("css selector", "th")
    place = next(i for i, head in enumerate(heads) if name in head.text)
    rows = table.find_elements("css selector", "tbody tr")
    return heads[place], [row.find_elements("tag name", "td")[place].text for row in rows]


def test_all_pictures_are_drawn_without_an_error_on_the_console(browser, page):
    opened(browser, page)
    assert len(draw_all(browser)) >= 10
    assert browser.get_log("browser") == []
    asked = browser.execute_script("return performance.getEntriesByType('resource').length")
    assert asked == 0


def test_a_click_on_a_heading_sorts_the_table(browser, page):
    opened(browser, page)
    for order in (False, True):
        head, _ = column(browser, "test accuracy")
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", head)
        head.find_element("tag name", "button").click()
        head, cells = column(browser, "test accuracy")
        values = [float(cell.split()[0]) for cell in cells]
        assert values == sorted(values, reverse=order) and len(set(values)) > 1
        assert head.get_attribute("aria-sort") == ("descending" if order else "ascending")


def test_a_kind_is_switched_off_and_on_in_all_pictures(browser, page):
    opened(browser, page)
    charts = draw_all(browser)
    visible = "return arguments[0].data.filter(t => t.meta === 'rot90').map(t => t.visible)"
    with_kind = [c for c in charts if browser.execute_script(visible, c)]
    assert len(with_kind) >= 9
    for wanted in (False, True):
        browser.find_element("css selector", "[data-kind=rot90]").click()
        shown = [browser.execute_script(visible, chart) for chart in with_kind]
        assert {each for traces in shown for each in traces} == {wanted}


def test_a_cell_of_the_matrix_shows_the_curves_behind_it(browser, page):
    from selenium.webdriver import ActionChains

    opened(browser, page)
    draw_all(browser)
    behind = browser.find_element("css selector", ".behind")
    chart = behind.find_element("xpath", "preceding-sibling::*[contains(@class, 'chart')]")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", chart)
    title = "return arguments[0].layout.xaxis.title.text"
    before = browser.execute_script(title, behind)
    plane = chart.find_element("css selector", ".nsewdrag")
    middle = ActionChains(browser).move_to_element(plane)
    middle.pause(0.3).click().perform()
    until(lambda: browser.execute_script(title, behind) != before)
    assert browser.execute_script(title, behind) == "alpha: 0 is hflip, 1 is hflip"


def test_a_value_stands_under_the_pointer(browser, page):
    from selenium.webdriver import ActionChains

    opened(browser, page)
    chart = draw_all(browser)[0]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", chart)
    plane = chart.find_element("css selector", ".nsewdrag")
    x, y = browser.execute_script(
        "const a = arguments[0]._fullLayout, t = arguments[0].data.findLast(t => t.name);"
        "return [a.xaxis.d2p(t.x[3]), a.yaxis.d2p(t.y[3])]",
        chart,
    )
    size = plane.size
    move = ActionChains(browser).move_to_element_with_offset(
        plane, int(x - size["width"] / 2), int(y - size["height"] / 2)
    )
    move.pause(0.3).perform()
    until(lambda: "n = 3" in chart.find_element("css selector", ".hoverlayer").text)


def test_it_follows_the_system_into_the_dark_and_the_reader_back(browser, page):
    opened(browser, page, scheme="dark")
    chart = draw_all(browser)[0]
    paper = "return getComputedStyle(document.body).backgroundColor"
    ink = "return arguments[0].layout.font.color"
    assert browser.execute_script(paper) == "rgb(20, 23, 27)"
    assert browser.execute_script(ink, chart) == "#e6e9ed"
    browser.execute_script("scrollTo(0, 0)")
    browser.find_element("id", "theme").click()
    assert browser.execute_script(paper) == "rgb(255, 255, 255)"
    until(lambda: browser.execute_script(ink, chart) == "#1b1f24")


def test_a_phone_shows_it_without_scrolling_sideways(browser, page):
    opened(browser, page, size=NARROW)
    draw_all(browser)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= NARROW[0]


def test_a_program_that_waits_until_it_is_loaded_gets_all_pictures(page):
    """Printing and screenshots on the command line wait for the same moment."""
    flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom")
    command = [CHROMIUM, *flags, page.as_uri()]
    made = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    charts = made.stdout.split('<div class="chart')[1:]
    assert len(charts) >= 10 and all('class="main-svg"' in chart for chart in charts)
    assert "<iframe" not in made.stdout


def test_paper_has_every_picture_as_wide_as_its_column(browser, page):
    """Asked to print before anything is drawn out of sight, and on a narrow page."""
    opened(browser, page)
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    screen = {"width": 700, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    widths = (
        "return [...document.querySelectorAll('.chart')].map(c =>"
        "[c.clientWidth, c.querySelector('.main-svg').getBoundingClientRect().width])"
    )
    found = browser.execute_script(widths)
    assert len(found) >= 10 and all(own == pytest.approx(drawn, abs=1) for own, drawn in found)
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert not browser.find_elements("css selector", ".chart .main-svg[viewBox]")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_tools_of_a_picture_show_where_the_pointer_is(browser, page):
    from selenium.webdriver import ActionChains

    opened(browser, page)
    first, second = draw_all(browser)[:2]
    tools = [chart.find_element("css selector", ".modebar") for chart in (first, second)]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", first)
    ActionChains(browser).move_to_element(first.find_element("css selector", ".nsewdrag")).perform()
    until(lambda: tools[0].value_of_css_property("opacity") == "1")
    assert tools[1].value_of_css_property("opacity") == "0"
