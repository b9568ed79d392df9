"""JupyterLab with a kernel: every cell of the first lesson runs, the page and Python follow each other."""

import re

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as StillWaiting

pytestmark = pytest.mark.browser

START = 120_000  # milliseconds to wait for the server's, the kernel's and the libraries' start
RUN = 600_000
READY = "document.body.innerText.includes('| Idle') && !document.querySelector('.jp-Spinner')"
PROMPTS = "[...document.querySelectorAll('.jp-CodeCell .jp-InputArea-prompt')].map(e => e.textContent)"
STARTED = f"() => {PROMPTS}.some(text => /\\[(\\*|\\d+)\\]/.test(text))"
ERROR = '[data-mime-type="application/vnd.jupyter.error"]'
DONE = f"() => document.querySelector('{ERROR}') || {PROMPTS}.every(text => /\\[\\d+\\]/.test(text))"


def run_all_cells(page: Page) -> None:
    """Run a notebook by the menu, again where a menu that was opened too early ran nothing."""
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=START)
    # The toolbar says idle before the kernel is connected; the status bar does not.
    page.wait_for_function(READY, timeout=START)
    for timeout in (15_000, 15_000, START):
        page.locator(".lm-MenuBar-itemLabel", has_text="Run").first.click()
        page.locator(".lm-Menu-itemLabel", has_text="Run All Cells").first.click()
        try:
            page.wait_for_function(STARTED, timeout=timeout)
        except StillWaiting:
            continue
        page.wait_for_function(DONE, timeout=RUN)
        assert page.locator(ERROR).all_inner_texts() == []
        return
    pytest.fail("JupyterLab ran no cell.")


def test_the_first_lesson_runs_and_its_slider_moves_by_keyboard(open_page, lab_url):
    page, watch = open_page(lab_url, height=4000)  # tall, so that JupyterLab renders every cell
    run_all_cells(page)
    assert "00_start_here" in page.url
    names = (".eiwork-slider", "img.eiwork-picture", ".eiwork-value")
    slider, picture, value = (page.locator(name).first for name in names)
    slider.press("Home")
    first, at_first = picture.get_attribute("src"), value.inner_text()
    slider.press("End")
    expect(picture).not_to_have_attribute("src", first or "")
    expect(value).not_to_have_text(at_first)
    at_last = value.inner_text()
    slider.press("ArrowLeft")
    expect(value).not_to_have_text(at_last)
    assert [image for image in page.locator(".jp-OutputArea img").all() if not image.get_attribute("alt")] == []
    watch.assert_clean()


def test_the_page_and_python_follow_each_other(open_page, lab_url):
    # A workspace of its own: the default one brings back notebooks that other tests opened, and runs those.
    url = re.sub(r"/lab[^?]*\?", "/lab/workspaces/widgets/tree/widgets_in_lab.ipynb?reset&", lab_url)
    page, watch = open_page(url, height=2400)
    run_all_cells(page)
    comparer = page.locator(".eiwork-comparer")
    told = page.locator(".jp-OutputArea .widget-label")
    canvas = comparer.locator("canvas").first
    value = comparer.locator(".eiwork-legend output")
    # The arrow keys are the widget's, not JupyterLab's: they move the marked pixel and no cell.
    canvas.press("ArrowDown")
    expect(told).to_have_text(re.compile(r"Python knows \[9, 8\]: 0\.\d+"))
    canvas.press("ArrowRight")
    expect(told).to_have_text(re.compile(r"Python knows \[9, 9\]: 0\.\d+"))
    assert told.inner_text().endswith(value.first.inner_text())
    assert value.nth(0).inner_text() != value.nth(1).inner_text()

    comparer.get_by_label("view", exact=True).select_option("difference")
    expect(value.nth(1)).to_have_text(value.first.inner_text())
    expect(comparer.locator(".eiwork-caption")).to_contain_text("= 0.0000")

    # Between the precomputed pictures Python computes.
    page.locator(".eiwork-explorer .eiwork-slider").press("ArrowLeft")
    expect(page.locator(".eiwork-explorer .eiwork-caption")).to_have_text("power 2.75")
    watch.assert_clean()


def test_a_watched_page_passes_when_clean_and_what_goes_wrong_is_noticed(open_page, small_site):
    page, watch = open_page(f"{small_site}/index.html")
    page.wait_for_load_state("networkidle")
    watch.assert_clean()
    page.evaluate("() => fetch('no-such-file.js')")
    assert watch.failed == [f"404 {small_site}/no-such-file.js"]
    page.evaluate("() => fetch('http://localhost:9/').catch(() => null)")
    assert watch.elsewhere == ["http://localhost:9/"]
    with pytest.raises(AssertionError):
        watch.assert_clean()
    page, watch = open_page("about:blank")
    with page.expect_event("pageerror"):
        page.evaluate("() => { setTimeout(() => { throw new Error('broken script') }) }")
    page.evaluate("() => console.error('told')")
    assert watch.errors == ["broken script", "told"]
