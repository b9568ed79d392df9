"""Both widgets in JupyterLab with a kernel: the page and Python follow each other."""

import re

import pytest
from playwright.sync_api import TimeoutError as StillWaiting
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

START = 120_000  # milliseconds to wait for the server's, the kernel's and the libraries' start
READY = "document.body.innerText.includes('| Idle') && !document.querySelector('.jp-Spinner')"
STARTED = """() => [...document.querySelectorAll('.jp-CodeCell .jp-InputArea-prompt')]
  .some(e => /\\[(\\*|\\d+)\\]/.test(e.textContent))"""


@pytest.fixture
def opened(open_page, lab_url):
    """A notebook of two widgets after its cells have run, and what the page complained about."""
    # A workspace of its own: the default one brings back notebooks that other tests opened, and runs those.
    url = re.sub(r"/lab[^?]*\?", "/lab/workspaces/widgets/tree/widgets_in_lab.ipynb?reset&", lab_url)
    page, watch = open_page(url, height=2400)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=START)
    # The toolbar says idle before the kernel is connected; the status bar does not.
    page.wait_for_function(READY, timeout=START)
    run_all_cells(page)
    page.locator(".eiwork-explorer").wait_for(timeout=START)
    return page, watch


def run_all_cells(page):
    """By the menu, again where a menu that was opened too early ran nothing."""
    for timeout in (15_000, 15_000, START):
        page.locator(".lm-MenuBar-itemLabel", has_text="Run").first.click()
        page.locator(".lm-Menu-itemLabel", has_text="Run All Cells").first.click()
        try:
            page.wait_for_function(STARTED, timeout=timeout)
            return
        except StillWaiting:
            continue
    pytest.fail("JupyterLab ran no cell.")


def test_the_page_and_python_follow_each_other(opened):
    page, watch = opened
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
    slider = page.locator(".eiwork-explorer .eiwork-slider")
    slider.press("ArrowLeft")
    expect(page.locator(".eiwork-explorer .eiwork-caption")).to_have_text("power 2.75")
    watch.assert_clean()
