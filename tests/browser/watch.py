"""A browser page that remembers everything that went wrong on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, Response

OWN_SCHEMES = ("data:", "blob:", "about:")
# JupyterLab 4.6's cell toolbar measures a Markdown cell before it is rendered; the page is not affected.
KNOWN_IN_JUPYTERLAB = "_markdownOverlapsToolbar"


@dataclass
class Watch:
    """What a page asked for and complained about."""

    elsewhere: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def attach(self, page: Page) -> None:
        """Listen from now on."""
        page.on("request", self._request)
        page.on("websocket", lambda socket: self._address(socket.url))
        page.on("response", self._response)
        page.on("console", self._console)
        page.on("pageerror", self._page_error)

    def assert_clean(self) -> None:
        """No request left this machine, none failed, and the console has no error."""
        assert self.elsewhere == []
        assert self.failed == []
        assert self.errors == []

    def _request(self, request: Request) -> None:
        self._address(request.url)

    def _address(self, url: str) -> None:
        local = url.startswith(OWN_SCHEMES) or url.split("://", 1)[-1].startswith("127.0.0.1:")
        if not local:
            self.elsewhere.append(url)

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.failed.append(f"{response.status} {response.url}")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

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
