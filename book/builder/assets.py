"""The scripts and fonts that the pages of the book load, gathered into one folder."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from book.builder.errors import PublishingError

STATIC_FOLDER = "vendor"
_HERE = Path(__file__).parent

# Copied from the installed packages and not kept here, so that they match the widgets that wrote the notebooks.
_FROM_PACKAGES = {
    "anywidget.js": ("anywidget", "nbextension/index.js"),
    "plotly.min.js": ("plotly", "package_data/plotly.min.js"),
}


def copy_assets(target: Path) -> None:
    """Copy every third-party script, with its licence, and the package's own few into `target`.

    Raises:
        PublishingError: anywidget or plotly is not installed or has moved its script.
    """
    shutil.copytree(_HERE / "vendor", target, dirs_exist_ok=True)
    # The widget manager asks for its fonts where its npm package has them.
    fonts = target / "@jupyter-widgets" / "html-manager" / "dist"
    fonts.mkdir(parents=True, exist_ok=True)
    for font in (target / "html-manager").glob("*.woff2"):
        shutil.move(font, fonts / font.name)
    shutil.copytree(_HERE / "static", target, dirs_exist_ok=True)
    for name, (package, inside) in _FROM_PACKAGES.items():
        shutil.copyfile(_installed(package, inside), target / name)


def _installed(package: str, inside: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise PublishingError(f"{package} is not installed, but the book needs it: pip install 'eiwork[book]'.")
    path = Path(spec.origin).parent / inside
    if not path.is_file():
        raise PublishingError(
            f"{package} has no file {inside} any more; its version changed how it is packed. "
            "Install the version that pyproject.toml allows."
        )
    return path
