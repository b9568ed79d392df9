"""The built book at a plain file server: mathematics, widgets, alternative texts, and nothing from elsewhere."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
LESSONS = [f"notebooks/{path.stem}" for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))]
PROSE = [path.stem for path in sorted((ROOT / "book").glob("*.md"))]
PAGES = [*PROSE, "status", "search", "genindex", *LESSONS]

DRAWN = """() => [...document.querySelectorAll('.math')].every(e => e.querySelector('mjx-container')) &&
  document.querySelectorAll('.widget-subarea').length ===
  document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]').length"""
# Contrast (WCAG 2) of the text of an element against the first opaque ground behind it.
CONTRAST = """element => {
  const channels = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  let ground = element;
  while (ground && (c => c.length === 4 && c[3] === 0)(channels(getComputedStyle(ground).backgroundColor)))
    ground = ground.parentElement;
  const behind = luminance(channels(getComputedStyle(ground || document.documentElement).backgroundColor));
  const text = luminance(channels(getComputedStyle(element).color));
  return (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
}"""


@pytest.fixture
def read(open_page, book_url):
    """Open a page of the book and wait until its mathematics and its widgets are drawn."""

    def open_and_wait(name: str, scheme: str = "light") -> tuple[Page, object]:
        page, watch = open_page(f"{book_url}/{name}.html", scheme)
        page.wait_for_load_state("networkidle")
        page.wait_for_function(DRAWN)
        return page, watch

    return open_and_wait


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_complete_and_needs_nothing_from_elsewhere(read, name):
    page, watch = read(name)
    assert page.locator("h1").count() >= 1
    assert page.locator("mjx-merror").count() == 0, "mathematics that could not be typeset"
    silent = page.evaluate(
        "() => [...document.images].filter(i => !i.alt.trim()).map(i => i.src.slice(0, 80))"
    )
    assert silent == [], "pictures without an alternative text"
    broken = page.evaluate(
        "() => [...document.images].filter(i => !i.naturalWidth).map(i => i.src.slice(0, 80))"
    )
    assert broken == [], "pictures that did not load"
    unread = page.evaluate(
        "() => [...document.querySelectorAll('p')].map(p => p.innerText).filter(t => /^\\|.*\\|/.test(t))"
    )
    assert unread == [], "a table that is shown as its source"
    watch.assert_clean()


@pytest.mark.parametrize("name", LESSONS)
def test_every_slider_changes_its_picture_without_a_kernel(read, name):
    page, watch = read(name)
    for explorer in page.locator(".eiwork-explorer").all():
        picture = explorer.locator("img.eiwork-picture")
        for slider in explorer.locator(".eiwork-slider").all():
            slider.press("Home")
            before, text = picture.get_attribute("src"), picture.get_attribute("alt")
            slider.press("End")
            expect(picture).not_to_have_attribute("src", before or "")
            assert picture.get_attribute("alt") != text, "the text follows the picture"
    watch.assert_clean()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", LESSONS)
def test_texts_of_widgets_are_readable_in_both_themes(read, name, scheme):
    page, _ = read(name, scheme)
    assert page.evaluate("() => document.documentElement.dataset.theme") == scheme
    for text in page.locator(".eiwork-title, .eiwork-caption, .eiwork-name").all():
        assert text.evaluate(CONTRAST) > 4.5
    for figure in page.locator("img.eiwork-figure, img.eiwork-picture").all():
        ground = figure.evaluate("e => getComputedStyle(e).backgroundColor")
        assert ground == "rgb(255, 255, 255)", "figures bring their white ground with them"


def test_the_contents_lead_to_every_lesson(read):
    page, _ = read("intro")
    links = {link.get_attribute("href") for link in page.locator("nav.bd-links a").all()}
    assert {f"{name}.html" for name in LESSONS} <= links


def test_solutions_open_and_close(read):
    n_solutions = 0
    for name in LESSONS:
        page, _ = read(name)
        for solution in page.locator(".solution.dropdown").all():
            expect(solution).to_have_class(re.compile("toggle-hidden"))
            solution.locator(".toggle-button").click()
            expect(solution).not_to_have_class(re.compile("toggle-hidden"))
            solution.locator(".toggle-button").click()
            expect(solution).to_have_class(re.compile("toggle-hidden"))
            n_solutions += 1
    assert n_solutions > 0, "a course has exercises with solutions"
