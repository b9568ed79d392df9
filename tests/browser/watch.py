"""A browser page that remembers everything that went wrong on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, Error, Page

OWN_SCHEMES = ("data:", "blob:", "about:")
# JupyterLab 4.6's cell toolbar measures a Markdown cell before it is rendered; the page is not affected.
KNOWN_IN_JUPYTERLAB = "_markdownOverlapsToolbar"
# Contrast (WCAG 2) of a colour of an element, "color" or "stroke", against the first opaque ground behind it.
CONTRAST = """(element, property) => {
  const channels = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  let ground = element;
  while (ground && (c => c.length === 4 && c[3] === 0)(channels(getComputedStyle(ground).backgroundColor)))
    ground = ground.parentElement;
  const behind = luminance(channels(getComputedStyle(ground || document.documentElement).backgroundColor));
  const shown = luminance(channels(getComputedStyle(element)[property]));
  return (Math.max(shown, behind) + 0.05) / (Math.min(shown, behind) + 0.05);
}"""


@dataclass
class Watch:
    """What a page asked for and complained about."""

    elsewhere: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def attach(self, page: Page) -> None:
        """Listen from now on."""
        page.on("request", lambda request: self._address(request.url))
        page.on("websocket", lambda socket: self._address(socket.url))
        page.on("response", lambda r: self.failed.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        page.on("console", lambda told: self.errors.append(told.text) if told.type == "error" else None)
        page.on("pageerror", self._page_error)

    def assert_clean(self) -> None:
        """No request left this machine, none failed, and the console has no error."""
        assert (self.elsewhere, self.failed, self.errors) == ([], [], [])

    def _address(self, url: str) -> None:
        local = url.startswith(OWN_SCHEMES) or url.split("://", 1)[-1].startswith("127.0.0.1:")
        if not local:
            self.elsewhere.append(url)

    def _page_error(self, error: Error) -> None:
        if KNOWN_IN_JUPYTERLAB not in (error.stack or ""):
            self.errors.append(str(error))


@contextmanager
def opened(
    browser: Browser, url: str, scheme: str = "light", width: int = 1280, height: int = 900
) -> Iterator[tuple[Page, Watch]]:
    """An address in a fresh profile, light or dark, and what goes wrong on it."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    try:
        page = context.new_page()
        watch = Watch()
        watch.attach(page)
        page.goto(url)
        yield page, watch
    finally:
        context.close()
