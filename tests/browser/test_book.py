"""The built book at a plain file server: mathematics, widgets, alternative texts, and nothing from elsewhere."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from watch import Watch, opened

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
LESSONS = [f"notebooks/{path.stem}" for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))]
PROSE = [path.stem for path in sorted((ROOT / "book").glob("*.md"))]

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


@contextmanager
def drawn(browser, book_url, name: str, scheme: str = "light") -> Iterator[tuple[Page, Watch]]:
    """A page of the book once its mathematics and its widgets are drawn."""
    with opened(browser, f"{book_url}/{name}.html", scheme) as (page, watch):
        page.wait_for_load_state("networkidle")
        page.wait_for_function(DRAWN)
        yield page, watch


@pytest.fixture(scope="module", params=LESSONS)
def lesson(request, browser, book_url):
    """A lesson; loading one takes seconds, so every test of it looks at the same page and leaves it as it was."""
    with drawn(browser, book_url, request.param) as found:
        yield found


@pytest.mark.parametrize("name", [*PROSE, "status", "search", "genindex"])
def test_a_page_is_complete_and_needs_nothing_from_elsewhere(browser, book_url, name):
    with drawn(browser, book_url, name) as (page, watch):
        is_complete(page)
        watch.assert_clean()
        if name == "intro":
            links = {link.get_attribute("href") for link in page.locator("nav.bd-links a").all()}
            assert {f"{lesson}.html" for lesson in LESSONS} <= links, "the contents lead to every lesson"


def test_a_lesson_is_complete_and_needs_nothing_from_elsewhere(lesson):
    page, watch = lesson
    is_complete(page)
    watch.assert_clean()


def is_complete(page: Page) -> None:
    """Mathematics is typeset, pictures are loaded and described, tables are drawn."""
    assert page.locator("h1").count() >= 1
    assert page.locator("mjx-merror").count() == 0, "mathematics that could not be typeset"
    silent = page.evaluate("() => [...document.images].filter(i => !i.alt.trim()).map(i => i.src.slice(0, 80))")
    assert silent == [], "pictures without an alternative text"
    broken = page.evaluate("() => [...document.images].filter(i => !i.naturalWidth).map(i => i.src.slice(0, 80))")
    assert broken == [], "pictures that did not load"
    unread = page.evaluate(
        "() => [...document.querySelectorAll('p')].map(p => p.innerText).filter(t => /^\\|.*\\|/.test(t))"
    )
    assert unread == [], "a table that is shown as its source"


def test_every_slider_changes_its_picture_without_a_kernel(lesson):
    page, watch = lesson
    for explorer in page.locator(".eiwork-explorer").all():
        picture = explorer.locator("img.eiwork-picture")
        for slider in explorer.locator(".eiwork-slider").all():
            slider.press("Home")
            before, text = picture.get_attribute("src"), picture.get_attribute("alt")
            slider.press("End")
            expect(picture).not_to_have_attribute("src", before or "")
            assert picture.get_attribute("alt") != text, "the text follows the picture"
    watch.assert_clean()


def test_texts_of_widgets_are_readable_in_both_themes(lesson):
    page, _ = lesson
    is_readable(page, "light")
    page.emulate_media(color_scheme="dark")
    is_readable(page, "dark")
    page.emulate_media(color_scheme="light")


def is_readable(page: Page, scheme: str) -> None:
    """Texts of widgets stand out from the theme, and pictures from their own white."""
    expect(page.locator("html")).to_have_attribute("data-theme", scheme)
    texts = page.locator(".eiwork-title, .eiwork-caption, .eiwork-name")
    assert [c for c in texts.evaluate_all(f"texts => texts.map({CONTRAST})") if c <= 4.5] == []
    grounds = page.locator("img.eiwork-figure, img.eiwork-picture").evaluate_all(
        "figures => figures.map(e => getComputedStyle(e).backgroundColor)"
    )
    assert set(grounds) <= {"rgb(255, 255, 255)"}, "figures bring their white ground with them"


def test_solutions_open_and_close(lesson):
    page, _ = lesson
    solutions = page.locator(".solution.dropdown").all()
    assert len(solutions) >= 1, "a lesson has exercises with solutions"
    for solution in solutions:
        expect(solution).to_have_class(re.compile("toggle-hidden"))
        solution.locator(".toggle-button").click()
        expect(solution).not_to_have_class(re.compile("toggle-hidden"))
        solution.locator(".toggle-button").click()
        expect(solution).to_have_class(re.compile("toggle-hidden"))
