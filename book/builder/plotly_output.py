"""Plotly outputs of a notebook turned into something a static page can draw."""

import hashlib
import html
import json
from typing import Any

PLOTLY_CLASS = "eiwork-plotly"
PLOTLY_MIME = "application/vnd.plotly.v1+json"


def plotly_html(figure: dict[str, Any]) -> str:
    """Return a `<div>` that holds the figure's JSON; a script of the book draws it.

    Its id comes from the content, so that the same figure gives the same page. The alternative text is
    `layout.meta.alt`, or else the figure's title.
    """
    description = {key: figure[key] for key in ("data", "layout", "frames") if key in figure}
    text = json.dumps(description, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    layout = figure.get("layout", {})
    title = layout.get("title", {})
    meta = layout.get("meta", {})
    alt = meta.get("alt", "") if isinstance(meta, dict) else ""
    alt = alt or (title if isinstance(title, str) else title.get("text", "")) or "Interactive figure"
    safe = text.replace("</", "<\\/")  # the JSON must not close its own script element
    return (
        f'<div class="{PLOTLY_CLASS}" id="plotly-{digest}" role="img" aria-label="{html.escape(alt)}">'
        f'<script type="application/json">{safe}</script></div>'
    )
