"""The watch itself: what it must notice, it notices."""

import pytest

pytestmark = pytest.mark.browser


def test_a_clean_page_passes_and_what_goes_wrong_is_noticed(open_page, small_site):
    page, watch = open_page(f"{small_site}/index.html")
    page.wait_for_load_state("networkidle")
    watch.assert_clean()
    page.evaluate("() => fetch('no-such-file.js')")
    assert watch.failed == [f"404 {small_site}/no-such-file.js"]
    page.evaluate("() => fetch('http://localhost:9/').catch(() => null)")
    assert watch.elsewhere == ["http://localhost:9/"]
    with pytest.raises(AssertionError):
        watch.assert_clean()


def test_an_error_in_a_script_is_noticed(open_page):
    page, watch = open_page("about:blank")
    with page.expect_event("pageerror"):
        page.evaluate("() => { setTimeout(() => { throw new Error('broken script') }) }")
    page.evaluate("() => console.error('told')")
    assert watch.errors == ["broken script", "told"]
