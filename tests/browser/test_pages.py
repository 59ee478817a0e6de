"""The pages in a browser: `make browser`. From the disk, without a network, by keys alone, narrow and wide."""

import base64
import json
import os
import pathlib
import shutil

import pages
import pytest

from tfuda.reports.pages import index, page

pytestmark = pytest.mark.browser

PLACES = {"browser": "/usr/bin/chromium", "driver": "/usr/bin/chromedriver"}
WORDS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SHOTS = os.environ.get("TFUDA_SHOTS")  # a folder for pictures of all pages


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """{name: page}: of a run with labels, without, that has not ended, of 345 classes, and the index of all."""
    top = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFUDA_TRUST", "pages")
        first = pages.trained(top / "runs" / pages.HOSTILE, cell="toalign", steps=12, segment=2)
        runs = {
            "labelled": first,
            "blind": pages.altered(first, top / "runs" / "blind", target=False, task="A-U"),
            "early": pages.altered(first, top / "runs" / "early", rows=2, seed=3),
            "many": pages.trained(top / "runs" / "many", data="pages:many", seed=1, steps=2),
        }
        for run in [*runs.values()]:
            page.page([run], "", print)
        made = {name: run / "report.html" for name, run in runs.items()}
        yield {**made, "index": index.index([top / "runs"], "", print)}


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = PLACES["browser"]
    for word in (*WORDS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    made = webdriver.Chrome(options=options, service=Service(PLACES["driver"]))
    yield made
    made.quit()


def opened(driver, path: pathlib.Path, width: int = 1280, dark: bool = False):
    """Load a file from the disk; the logs begin anew."""
    driver.get("about:blank")
    driver.get_log("browser"), driver.get_log("performance")
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(path.resolve().as_uri())


def shoot(driver, name: str, width: int):
    height = driver.execute_script("return document.documentElement.scrollHeight")
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    pathlib.Path(SHOTS).mkdir(parents=True, exist_ok=True)
    taken = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
    pathlib.Path(SHOTS, f"{name}.png").write_bytes(base64.b64decode(taken))


def press(driver, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(driver).send_keys(*keys).perform()


def keys():
    from selenium.webdriver.common.keys import Keys

    return Keys


def active(driver) -> str:
    """What holds the focus, as HTML."""
    return driver.execute_script("return document.activeElement.outerHTML.slice(0, 400)")


def go(driver, until, most: int = 120) -> str:
    """Press Tab until the focus is on what `until` says yes to; every stop on the way shows that it has the focus."""
    for _ in range(most):
        press(driver, keys().TAB)
        assert driver.execute_script(
            "const e = document.activeElement, s = getComputedStyle(e);"
            "return e === document.body || (s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2)"
        ), active(driver)
        if until(active(driver)):
            return active(driver)
    raise AssertionError("the focus never gets there")


def by(driver, selector):
    return driver.find_element("css selector", selector)


NAMES = ("labelled", "blind", "early", "many", "index")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", NAMES)
def test_a_page_loads_in_silence_and_fits_its_window(driver, files, name, width, dark):
    opened(driver, files[name], width, dark)
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"} and len(
        asked - {u for u in asked if u[:5] == "data:"}
    ) == 1
    assert driver.get_log("browser") == []
    assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert driver.execute_script("return [...document.images].every((i) => i.complete && i.naturalWidth > 0)")
    assert files[name].stat().st_size < 5 * 2**20
    if SHOTS:
        shoot(driver, f"{name}-{width}-{'dark' if dark else 'light'}", width)


@pytest.mark.parametrize("name", NAMES)
def test_names_are_inert_and_every_picture_has_words(driver, files, name):
    opened(driver, files[name])
    title = driver.title
    assert (
        title not in ("", "run")
        and driver.execute_script("return document.querySelectorAll('main b, main i').length") <= 4
    )
    assert driver.execute_script(
        "return [...document.querySelectorAll('img')].every((i) => i.alt) &&"
        "[...document.querySelectorAll('svg')].every((s) => s.parentElement.closest('svg') ||"
        " s.getAttribute('aria-hidden') === 'true' ||"
        " (s.getAttribute('role') === 'img' && s.getAttribute('aria-label')))"
    )
    assert driver.execute_script("return document.querySelectorAll('[onerror], main script:not([type])').length") == 0
    # a script that came in all the same would be refused
    driver.execute_async_script(
        "document.body.insertAdjacentHTML('beforeend', arguments[0]); setTimeout(arguments[1], 300)", pages.CLASSES[2]
    )
    assert driver.title == title and "Content Security Policy" in str(driver.get_log("browser"))


CONTRAST = pathlib.Path(__file__).with_name("contrast.js").read_text("utf-8")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_all_text_stands_out_from_its_ground(driver, files, name, dark):
    opened(driver, files[name], dark=dark)
    driver.execute_script("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert driver.execute_script(CONTRAST) == []


def test_by_keys_alone_values_are_read_and_lines_hidden(driver, files):
    opened(driver, files["labelled"])
    press(driver, keys().TAB)
    assert "Skip to the content" in active(driver)
    go(driver, lambda html: 'type="range"' in html)
    press(driver, keys().HOME)
    first = by(driver, ".chart .keys output").text
    row = dict(zip(*[line.split(",") for line in (files["labelled"].parent / "metrics.csv").read_text().split()[:2]]))
    assert first == f"{100 * float(row['target_accuracy']):.1f} %" and by(driver, ".slider output").text == "2"
    press(driver, keys().ARROW_RIGHT)
    assert by(driver, ".slider output").text == "4"
    assert by(driver, "input[type=range]").get_attribute("aria-valuetext") == "step 4"
    go(driver, lambda html: 'type="checkbox"' in html)
    line = by(driver, 'path[data-line="0"]')
    assert line.value_of_css_property("visibility") == "visible"
    press(driver, keys().SPACE)
    assert line.value_of_css_property("visibility") == "hidden"
    press(driver, keys().SPACE)
    assert line.value_of_css_property("visibility") == "visible"


def test_the_pointer_reads_values(driver, files):
    from selenium.webdriver.common.action_chains import ActionChains

    opened(driver, files["labelled"])
    frame = by(driver, ".frame")
    ActionChains(driver).move_to_element_with_offset(frame, -frame.size["width"] // 2 + 48, 0).perform()
    assert by(driver, ".slider output").text == "2"
    ActionChains(driver).move_to_element_with_offset(frame, frame.size["width"] // 2 - 18, 0).perform()
    assert by(driver, ".slider output").text == "12"


def test_colours_are_chosen_by_a_key_and_remembered(driver, files):
    opened(driver, files["labelled"])
    light = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    go(driver, lambda html: 'id="theme"' in html)
    press(driver, keys().ENTER)
    dark = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert dark != light and by(driver, "#theme").text == "Light colours"
    opened(driver, files["labelled"])
    assert driver.execute_script("return getComputedStyle(document.body).backgroundColor") == dark
    driver.execute_script("localStorage.clear()")


def test_storage_that_is_refused_does_no_harm(driver, files):
    refused = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no'); } })"
    script = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": refused})
    opened(driver, files["index"])
    by(driver, "#theme").click()
    assert by(driver, "#theme").text == "Light colours" and driver.get_log("browser") == []
    driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def cells(driver, column: int) -> list[str]:
    return driver.execute_script(
        "return [...document.querySelectorAll('.runs tbody tr')].map((r) => r.cells[arguments[0]].textContent)",
        column,
    )


def test_the_index_is_sorted_by_keys(driver, files):
    opened(driver, files["index"])
    go(driver, lambda html: ">seed<" in html)
    press(driver, keys().ENTER)
    assert cells(driver, 3) == ["3", "1", "0", "0"]
    head = "return document.activeElement.closest('th').getAttribute('aria-sort')"
    assert driver.execute_script(head) == "descending"
    press(driver, keys().ENTER)
    assert cells(driver, 3) == ["0", "0", "1", "3"] and driver.execute_script(head) == "ascending"
    go(driver, lambda html: ">last<" in html)
    press(driver, keys().ENTER)
    known = [float(text) for text in cells(driver, 4)[:3]]
    assert known == sorted(known, reverse=True) and cells(driver, 4)[3] == "–"
    assert driver.execute_script("return document.querySelectorAll('[aria-sort]').length") == 1


def test_the_index_filters_and_draws_what_is_checked(driver, files):
    opened(driver, files["index"])
    drawn = "return document.querySelectorAll('#overlay .line').length"
    assert driver.execute_script(drawn) == 3  # all that have target labels
    assert "Target accuracy of 3 runs of 2 cells" in by(driver, "#overlay").get_attribute("aria-label")
    go(driver, lambda html: 'id="filter"' in html)
    press(driver, *"toalign step")
    assert by(driver, "#count").text == "1 of 4 runs"
    go(driver, lambda html: 'id="all"' in html)
    press(driver, keys().ENTER)
    assert driver.execute_script(drawn) == 1
    go(driver, lambda html: 'type="checkbox"' in html)
    press(driver, keys().SPACE)
    assert (
        driver.execute_script(drawn) == 0 and by(driver, "#overlay").get_attribute("aria-label") == "No run is drawn."
    )


def test_the_index_leads_to_the_pages(driver, files):
    opened(driver, files["index"])
    links = driver.execute_script("return [...document.querySelectorAll('.runs a')].map((a) => a.href)")
    assert len(links) == 4
    for link in links:
        driver.get(link)
        assert "report of a run" in by(driver, "header").text


def test_five_hundred_runs_stay_quick_and_small(driver, files, tmp_path):
    run = files["labelled"].parent
    for i in range(500):
        folder = tmp_path / f"{i:03}"
        folder.mkdir()
        about = json.loads((run / "config.json").read_text())
        about["config"]["seed"] = i
        (folder / "config.json").write_text(json.dumps(about))
        shutil.copy(run / "result.json", folder)
        head, line = (run / "metrics.csv").read_text().splitlines()[:2]
        lines = [",".join([str(20 * k + 20), *line.split(",")[1:]]) for k in range(400)]
        (folder / "metrics.csv").write_text("\n".join([head, *lines]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFUDA_TRUST", "pages")
        path = index.index([tmp_path], "", print)
    assert path.stat().st_size < 5 * 2**20
    opened(driver, path)
    clock = "const t = performance.now(); document.querySelector(arguments[0]).click(); return performance.now() - t"
    assert driver.execute_script(clock, "th:nth-child(4) button") < 1000
    assert driver.execute_script(clock, "#all") < 2000
    assert driver.execute_script("return document.querySelectorAll('#overlay .line').length") == 500
