"""The scripts that travel with the book."""

import hashlib
from pathlib import Path

import anywidget
import plotly
import pytest

from book.builder import PublishingError, sphinx_offline
from book.builder.sphinx_offline import copy_assets

VENDOR = Path(sphinx_offline.__file__).parent / "vendor"


def test_the_third_party_files_are_unchanged_complete_and_licensed():
    listed = {name: digest for digest, name in map(str.split, (VENDOR / "SHA256SUMS").read_text().splitlines())}
    found = {f"{path.parent.name}/{path.name}": path.read_bytes() for path in VENDOR.glob("*/*")}
    assert {name: hashlib.sha256(content).hexdigest() for name, content in found.items()} == listed
    folders = [path for path in VENDOR.iterdir() if path.is_dir()]
    assert len(folders) == 3
    for folder in folders:
        text = (folder / "LICENSE.txt").read_text()
        assert "Permission is hereby granted" in text or "icense" in text
        assert f"`{folder.name}/`" in (VENDOR / "README.md").read_text()


def test_the_widget_scripts_are_those_of_the_installed_packages(tmp_path):
    copy_assets(tmp_path / "vendor")
    expected = {
        "anywidget.js": Path(anywidget.__file__).parent / "nbextension" / "index.js",
        "plotly.min.js": Path(plotly.__file__).parent / "package_data" / "plotly.min.js",
    }
    for name, source in expected.items():
        assert (tmp_path / "vendor" / name).read_bytes() == source.read_bytes()
    fonts = tmp_path / "vendor" / "@jupyter-widgets" / "html-manager" / "dist"
    assert len(list(fonts.glob("*.woff2"))) == 3


@pytest.mark.parametrize(
    ("package", "problem"), [("no_such_package", "is not installed"), ("anywidget", r"has no file no/such/file\.js")]
)
def test_a_package_that_is_not_there_or_changed_is_named(tmp_path, monkeypatch, package, problem):
    monkeypatch.setattr(sphinx_offline, "_FROM_PACKAGES", {"x.js": (package, "no/such/file.js")})
    with pytest.raises(PublishingError, match=f"{package} {problem}"):
        copy_assets(tmp_path)
