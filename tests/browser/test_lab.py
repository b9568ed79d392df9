"""The first lesson in JupyterLab: every cell runs, widgets are alive, nothing leaves this machine."""

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

START = 120_000  # milliseconds to wait for the server's and the kernel's start
RUN = 600_000
READY = "document.body.innerText.includes('| Idle') && !document.querySelector('.jp-Spinner')"
DONE = """() => document.querySelector('[data-mime-type="application/vnd.jupyter.error"]') ||
  [...document.querySelectorAll('.jp-CodeCell .jp-InputArea-prompt')].every(e => /\\[\\d+\\]/.test(e.textContent))"""


@pytest.fixture
def lesson(open_page, lab_url):
    """The first lesson after all its cells have run, and what the page complained about."""
    page, watch = open_page(lab_url, height=4000)  # tall, so that JupyterLab renders every cell
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=START)
    # The toolbar says idle before the kernel is connected; the status bar does not.
    page.wait_for_function(READY, timeout=START)
    page.locator(".lm-MenuBar-itemLabel", has_text="Run").first.click()
    page.locator(".lm-Menu-itemLabel", has_text="Run All Cells").first.click()
    page.wait_for_function(DONE, timeout=RUN)
    return page, watch


def press(page: Page, key: str) -> None:
    page.locator(".eiwork-slider").first.press(key)


def test_the_first_lesson_runs_and_its_slider_moves_by_keyboard(lesson):
    page, watch = lesson
    assert "00_start_here" in page.url
    errors = page.locator('[data-mime-type="application/vnd.jupyter.error"]')
    assert errors.all_inner_texts() == []
    picture = page.locator("img.eiwork-picture").first
    value = page.locator(".eiwork-value").first
    press(page, "Home")
    first, at_first = picture.get_attribute("src"), value.inner_text()
    press(page, "End")
    expect(picture).not_to_have_attribute("src", first or "")
    expect(value).not_to_have_text(at_first)
    at_last = value.inner_text()
    press(page, "ArrowLeft")
    expect(value).not_to_have_text(at_last)
    assert [
        image.get_attribute("alt")
        for image in page.locator(".jp-OutputArea img").all()
        if not image.get_attribute("alt")
    ] == []
    watch.assert_clean()
