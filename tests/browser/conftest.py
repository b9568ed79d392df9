"""A browser without a network, the built book behind a plain file server, and JupyterLab as `eiwork lab` starts it."""

import fcntl
import http.server
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from book.builder import build_book, run_notebooks
from eiwork.cli.lab import lab_command, lab_environment
from eiwork.cli.locations import find_chromium

sys.path.insert(0, str(Path(__file__).parent))  # so that tests can use watch.py

from watch import Watch, opened

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
EXECUTED = ROOT / "build" / "notebooks"
OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run"]  # containers run as root, which the sandbox refuses
OPTIONS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
OpenPage = Callable[..., tuple[Page, Watch]]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium with an empty profile."""
    chromium = find_chromium()
    if chromium is None:
        reason = "there is no Chromium on this machine. Remedy: sudo apt-get install chromium, or set EIWORK_CHROMIUM "
        reason += "to the path of a Chromium or Chrome."
        if os.environ.get("EIWORK_REQUIRE_BROWSER") == "1":
            pytest.fail(f"EIWORK_REQUIRE_BROWSER=1, but {reason}")
        pytest.skip(f"left out: {reason}")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, headless=True, args=OPTIONS)
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open an address in a fresh profile until the test ends; see `opened`."""
    with ExitStack() as stack:
        yield lambda url, scheme="light", **size: stack.enter_context(opened(browser, url, scheme, **size))


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Say nothing."""


@pytest.fixture(scope="session")
def book_url(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The book of all lessons at a plain file server; of several test processes one builds it, and the others wait."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (shared / "built.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "built" / "book").exists():
            run_notebooks(sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")), EXECUTED)
            build_book(ROOT / "book", EXECUTED, shared / "built" / "book", notebooks=NOTEBOOKS)
    with serve(shared / "built") as url:
        yield f"{url}/book"


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder at 127.0.0.1 as any plain file server would."""
    handler = partial(_QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def small_site(tmp_path: Path) -> Iterator[str]:
    """The address of a page with nothing on it."""
    (tmp_path / "index.html").write_text('<!doctype html><html lang="en"><link rel="icon" href="data:,"></html>')
    with serve(tmp_path) as url:
        yield url


@pytest.fixture(scope="session")
def lab_url(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address, with its token, of a JupyterLab on copies of the lessons, with settings and data of its own."""
    folder = tmp_path_factory.mktemp("lab")
    work = Path(shutil.copytree(NOTEBOOKS, folder / "notebooks"))
    shutil.copy(Path(__file__).with_name("widgets_in_lab.ipynb"), work / "widgets_in_lab.ipynb")
    names = ["JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"]
    names += ["JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR"]
    environment = lab_environment() | {name: str(folder / name) for name in names}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--no-browser", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    command = lab_command(work, options, as_root=os.geteuid() == 0)
    with (folder / "log.txt").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    said, address = [], None
    for line in server.stderr:
        said.append(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+/lab\S*\?token=\w+", line):
            address = found[0]
            break
    assert address is not None, f"JupyterLab did not start:\n{''.join(said)}"
    # What it says later is read too, so that it never waits for a reader.
    drain = threading.Thread(target=server.stderr.read)
    drain.start()
    yield address
    server.terminate()
    server.wait()
    drain.join()
    server.stderr.close()
