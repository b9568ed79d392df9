"""Sphinx extension that makes a Jupyter Book work from a plain file server with no network.

By default the pages load MathJax, RequireJS and the widget manager from content delivery networks. This
extension puts copies of them into the book and points every page there. Use it in `_config.yml`:
`sphinx: {extra_extensions: [book.builder.sphinx_offline]}`.
"""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from book.builder.assets import STATIC_FOLDER, copy_assets
from book.builder.plotly_output import PLOTLY_CLASS


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension; it needs no options."""
    # After the configuration is read, and before myst_nb takes its part of it (priority 500 and later).
    app.connect("config-inited", _use_local_copies, priority=400)
    app.connect("builder-inited", _drop_thebe, priority=900)
    app.connect("html-page-context", _add_plotly)
    app.add_css_file(f"{STATIC_FOLDER}/eiwork.css", priority=900)
    app.connect("build-finished", _copy)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _use_local_copies(app: Sphinx, config: Config) -> None:
    config.mathjax_path = f"{STATIC_FOLDER}/mathjax/tex-svg.js"
    # The order matters: the loader, where it finds modules, then the widget manager.
    config.nb_ipywidgets_js = {
        f"{STATIC_FOLDER}/requirejs/require.js": {},
        f"{STATIC_FOLDER}/require-config.js": {},
        f"{STATIC_FOLDER}/html-manager/embed-amd.js": {},
    }


def _drop_thebe(app: Sphinx) -> None:
    """Keep sphinx-thebe, which jupyter-book always loads, from adding scripts of a service the book does not use."""
    for name in ("env-before-read-docs", "doctree-resolved"):
        for listener in list(app.events.listeners.get(name, [])):
            if getattr(listener.handler, "__module__", "").startswith("sphinx_thebe"):
                app.disconnect(listener.id)


def _add_plotly(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Load plotly only on pages that draw with it, and before RequireJS, which would capture its definition."""
    if PLOTLY_CLASS in context.get("body", ""):
        app.add_js_file(f"{STATIC_FOLDER}/plotly.min.js", priority=100)
        app.add_js_file(f"{STATIC_FOLDER}/plotly-draw.js", priority=101)


def _copy(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        copy_assets(Path(app.outdir) / "_static" / STATIC_FOLDER)
