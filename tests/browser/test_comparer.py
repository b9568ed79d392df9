"""The image comparer in the built book: every part answers from the values in the page, without a kernel."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect
from watch import CONTRAST, opened

from eiwork import data

pytestmark = pytest.mark.browser

LESSON = "notebooks/01_inverse_problems_and_null_spaces"
PICTURE = "canvas => canvas.toDataURL()"
CHOICES = ("view", "left", "right", "values along")


@pytest.fixture(scope="module")
def lesson(browser, book_url):
    """The lesson on null spaces, loaded once, what it complained about, and the choices it came with."""
    with opened(browser, f"{book_url}/{LESSON}.html") as (page, watch):
        page.wait_for_load_state("networkidle")
        widget = page.locator(".eiwork-comparer").first
        expect(widget.locator(".eiwork-profile path")).to_have_count(4)
        chosen = {label: widget.get_by_label(label, exact=True).input_value() for label in CHOICES}
        yield page, watch, chosen


@pytest.fixture
def comparer(lesson):
    """The first comparer of the lesson as a reader finds it, and its page."""
    page, watch, chosen = lesson
    widget = page.locator(".eiwork-comparer").first
    for label, option in chosen.items():
        choose(widget, label, option)
    canvas(widget).press("0")
    widget.locator(".eiwork-slider").fill("50")
    page.evaluate("document.activeElement.blur()")
    widget.scroll_into_view_if_needed()
    yield page, widget
    watch.assert_clean()


def canvas(widget: Locator) -> Locator:
    return widget.locator("canvas").first


def picture(widget: Locator) -> str:
    return str(canvas(widget).evaluate(PICTURE))


def values(widget: Locator) -> dict[str, float]:
    """What the widget says that the marked pixel holds in each image."""
    names = widget.locator(".eiwork-legend .eiwork-name").all_inner_texts()
    told = widget.locator(".eiwork-legend output").all_inner_texts()
    return {name: float(text.replace("−", "-")) for name, text in zip(names, told, strict=True)}


def choose(widget: Locator, label: str, option: str) -> None:
    widget.get_by_label(label, exact=True).select_option(option)


def drag(page: Page, widget: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Press, move and release, in shares of the picture's width and height."""
    box = canvas(widget).bounding_box()
    assert box is not None
    (x0, y0), (x1, y1) = ((box["x"] + u * box["width"], box["y"] + v * box["height"]) for u, v in (start, end))
    page.mouse.move(x0, y0)
    page.mouse.down()
    page.mouse.move((x0 + x1) / 2, (y0 + y1) / 2)
    page.mouse.move(x1, y1)
    page.mouse.up()


def test_the_divider_moves_by_keys_and_by_dragging(comparer):
    page, widget = comparer
    slider = widget.locator(".eiwork-slider")
    assert slider.input_value() == "50"
    before = picture(widget)
    slider.press("ArrowRight")
    assert slider.input_value() == "51"
    assert picture(widget) != before
    drag(page, widget, (0.51, 0.2), (0.25, 0.2))
    assert abs(int(slider.input_value()) - 25) <= 1
    slider.press("End")
    left_only = picture(widget)
    slider.press("Home")
    assert picture(widget) != left_only


def test_arrow_keys_and_clicks_read_exact_values(comparer):
    page, widget = comparer
    truth = data.load("ct", "test", 64)[60, 0]
    canvas(widget).press("ArrowDown")
    canvas(widget).press("Shift+ArrowRight")
    row, column = map(int, re.findall(r"\d+", widget.locator(".eiwork-caption").inner_text())[:2])
    assert values(widget)["truth"] == pytest.approx(float(truth[row, column]), abs=1e-4)
    drag(page, widget, (10.5 / 64, 30.5 / 64), (10.5 / 64, 30.5 / 64))
    caption = widget.locator(".eiwork-caption")
    expect(caption).to_contain_text("Row 30, column 10")
    assert values(widget)["truth"] == pytest.approx(float(truth[30, 10]), abs=1e-4)
    shown = values(widget)
    name = next(other for other in shown if other.startswith("A⁺y"))
    difference = float(re.split(" = ", caption.inner_text())[1].rstrip(".").replace("−", "-"))
    assert difference == pytest.approx(shown["truth"] - shown[name], abs=2e-4)
    assert shown["range part"] + shown["null-space part"] == pytest.approx(shown["truth"], abs=2e-4)


def test_keys_buttons_and_after_a_click_the_wheel_zoom_about_the_marked_pixel(comparer):
    page, widget = comparer
    level, profile = widget.locator(".eiwork-level"), widget.locator(".eiwork-profile svg path")
    canvas(widget).hover()
    before = page.evaluate("scrollY")
    page.mouse.wheel(0, 100)
    page.wait_for_function(f"scrollY > {before}")
    expect(level).to_have_text("1 ×")  # the wheel scrolls the page past a picture that was not clicked
    whole, line = picture(widget), profile.first.get_attribute("d")
    canvas(widget).press("+")
    expect(level).to_have_text("2 ×")
    assert picture(widget) != whole
    assert profile.first.get_attribute("d") != line, "the profile shows the columns that are seen"
    widget.get_by_label("zoom in", exact=True).click()
    expect(level).to_have_text("4 ×")
    here = widget.locator(".eiwork-caption").inner_text()
    near = picture(widget)
    # Dragging the enlarged image moves it and not the mark; away from the divider.
    drag(page, widget, (0.2, 0.2), (0.4, 0.3))
    assert picture(widget) != near
    assert widget.locator(".eiwork-caption").inner_text() == here
    canvas(widget).hover()
    page.mouse.wheel(0, 100)
    expect(level).to_have_text("2 ×")
    canvas(widget).press("0")
    expect(level).to_have_text("1 ×")
    assert picture(widget) == whole


def test_views_images_and_lines_can_be_chosen(comparer):
    _, widget = comparer
    swipe = picture(widget)
    choose(widget, "view", "difference")
    assert picture(widget) != swipe
    expect(widget.locator(".eiwork-tag").first).to_contain_text("truth − A⁺y")
    expect(widget.locator(".eiwork-caption")).to_contain_text("Blue is −")
    expect(widget.locator(".eiwork-slider")).to_be_hidden()
    difference = picture(widget)
    choose(widget, "right", "range part")
    assert picture(widget) != difference
    choose(widget, "view", "side by side")
    second = widget.locator("canvas").nth(1)
    expect(second).to_be_visible()
    assert second.evaluate(PICTURE) != picture(widget)
    profile = widget.locator(".eiwork-profile")
    assert re.match(r"Values along row \d+: truth from", profile.get_attribute("aria-label") or "")
    choose(widget, "values along", "column")
    assert (profile.get_attribute("aria-label") or "").startswith("Values along column")


def test_it_says_in_words_what_it_shows_and_its_curves_stand_out_in_both_themes(comparer):
    page, widget = comparer
    assert len(widget.get_attribute("aria-label") or "") > 40
    label = canvas(widget).get_attribute("aria-label") or ""
    assert label.startswith("truth on the left of a divider, A⁺y")
    assert "Arrow keys" in label
    for control in widget.locator("canvas, input, select, button").all():
        assert control.get_attribute("data-lm-suppress-shortcuts") == "true", "JupyterLab would take its keys"
    curves = widget.locator(".eiwork-profile path")
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        expect(page.locator("html")).to_have_attribute("data-theme", scheme)
        dashes = curves.evaluate_all("paths => paths.map(p => getComputedStyle(p).strokeDasharray)")
        assert len(set(dashes)) == 4, "told apart without colour"
        contrasts = curves.evaluate_all(f"paths => paths.map(e => ({CONTRAST})(e, 'stroke'))")
        assert [contrast for contrast in contrasts if contrast <= 3] == [], scheme
