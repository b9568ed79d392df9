"""The built book at a plain file server: mathematics, widgets, alternative texts, and nothing from elsewhere."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from watch import CONTRAST, Watch, opened

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
LESSONS = [f"notebooks/{path.stem}" for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))]
PROSE = [path.stem for path in sorted((ROOT / "book").glob("*.md"))]

DRAWN = """() => [...document.querySelectorAll('.math')].every(e => e.querySelector('mjx-container')) &&
  document.querySelectorAll('.widget-subarea').length ===
  document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]').length"""


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


def is_complete(page: Page) -> None:
    """Mathematics is typeset, pictures are loaded and described, tables are drawn."""
    assert page.locator("h1").count() >= 1
    assert page.locator("mjx-merror").count() == 0, "mathematics that could not be typeset"
    for wrong, told in (("!i.alt.trim()", "pictures without an alternative text"), ("!i.naturalWidth", "not loaded")):
        found = page.evaluate(f"() => [...document.images].filter(i => {wrong}).map(i => i.src.slice(0, 80))")
        assert found == [], told
    texts = page.evaluate("() => [...document.querySelectorAll('p')].map(p => p.innerText)")
    assert [text for text in texts if re.match(r"\|.*\|", text)] == [], "a table that is shown as its source"


@pytest.mark.parametrize("name", [*PROSE, "status", "search", "genindex"])
def test_a_page_is_complete_and_needs_nothing_from_elsewhere(browser, book_url, name):
    with drawn(browser, book_url, name) as (page, watch):
        is_complete(page)
        watch.assert_clean()
        links = {link.get_attribute("href") for link in page.locator("nav.bd-links a").all()}
        assert name != "intro" or {f"{lesson}.html" for lesson in LESSONS} <= links, "the contents lead to every lesson"


def test_a_lesson_is_complete_and_needs_nothing_from_elsewhere(lesson):
    page, watch = lesson
    is_complete(page)
    watch.assert_clean()


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
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        expect(page.locator("html")).to_have_attribute("data-theme", scheme)
        texts = page.locator(".eiwork-title, .eiwork-caption, .eiwork-name")
        contrasts = texts.evaluate_all(f"texts => texts.map(e => ({CONTRAST})(e, 'color'))")
        assert [contrast for contrast in contrasts if contrast <= 4.5] == [], scheme
        figures = page.locator("img.eiwork-figure, img.eiwork-picture")
        grounds = figures.evaluate_all("figures => figures.map(e => getComputedStyle(e).backgroundColor)")
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
