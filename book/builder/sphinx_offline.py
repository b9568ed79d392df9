"""Sphinx extension that makes a Jupyter Book work from a plain file server with no network.

By default the pages load MathJax, RequireJS and the widget manager from content delivery networks. This extension
puts copies of them, with their licences, into the book and points every page there. Use it in `_config.yml`:
`sphinx: {extra_extensions: [book.builder.sphinx_offline]}`.
"""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from book.builder.staging import PLOTLY_CLASS, PublishingError

_STATIC = "vendor"
_HERE = Path(__file__).parent
# Copied from the installed packages and not kept here, so that they match the widgets that wrote the notebooks.
_FROM_PACKAGES = {
    "anywidget.js": ("anywidget", "nbextension/index.js"),
    "plotly.min.js": ("plotly", "package_data/plotly.min.js"),
}


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension; it needs no options."""
    # After the configuration is read, and before myst_nb takes its part of it (priority 500 and later).
    app.connect("config-inited", _use_local_copies, priority=400)
    app.connect("builder-inited", _drop_thebe, priority=900)
    app.connect("html-page-context", _add_plotly)
    app.add_css_file(f"{_STATIC}/eiwork.css", priority=900)
    app.connect("build-finished", _copy)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _use_local_copies(app: Sphinx, config: Config) -> None:
    config.mathjax_path = f"{_STATIC}/mathjax/tex-svg.js"
    # The order matters: the loader, where it finds modules, then the widget manager.
    names = ("requirejs/require.js", "require-config.js", "html-manager/embed-amd.js")
    config.nb_ipywidgets_js = {f"{_STATIC}/{name}": {} for name in names}


def _drop_thebe(app: Sphinx) -> None:
    """Keep sphinx-thebe, which jupyter-book always loads, from adding scripts of a service the book does not use."""
    for name in ("env-before-read-docs", "doctree-resolved"):
        for listener in list(app.events.listeners.get(name, [])):
            if getattr(listener.handler, "__module__", "").startswith("sphinx_thebe"):
                app.disconnect(listener.id)


def _add_plotly(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Load plotly only on pages that draw with it, and before RequireJS, which would capture its definition."""
    if PLOTLY_CLASS in context.get("body", ""):
        app.add_js_file(f"{_STATIC}/plotly.min.js", priority=100)
        app.add_js_file(f"{_STATIC}/plotly-draw.js", priority=101)


def _copy(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        copy_assets(Path(app.outdir) / "_static" / _STATIC)


def copy_assets(target: Path) -> None:
    """Copy every third-party script, and the book's own few, into `target`.

    Raises PublishingError when anywidget or plotly is not installed or has moved its script.
    """
    shutil.copytree(_HERE / "vendor", target, dirs_exist_ok=True)
    # The widget manager asks for its fonts where its npm package has them.
    fonts = target / "@jupyter-widgets" / "html-manager" / "dist"
    fonts.mkdir(parents=True, exist_ok=True)
    for font in (target / "html-manager").glob("*.woff2"):
        shutil.move(font, fonts / font.name)
    shutil.copytree(_HERE / "static", target, dirs_exist_ok=True)
    for name, (package, inside) in _FROM_PACKAGES.items():
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise PublishingError(f"{package} is not installed, but the book needs it: pip install 'eiwork[book]'.")
        path = Path(spec.origin).parent / inside
        if not path.is_file():
            told = f"{package} has no file {inside} any more; its version changed how it is packed. "
            raise PublishingError(told + "Install the version that pyproject.toml allows.")
        shutil.copyfile(path, target / name)
