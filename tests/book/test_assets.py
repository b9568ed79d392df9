"""The scripts that travel with the book."""

import hashlib
from pathlib import Path

import anywidget
import plotly
import pytest

from book.builder import PublishingError, assets

VENDOR = Path(assets.__file__).parent / "vendor"


def test_the_third_party_files_are_unchanged_and_complete():
    lines = (VENDOR / "SHA256SUMS").read_text().splitlines()
    listed = {name: digest for digest, name in (line.split() for line in lines)}
    found = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.glob("*/*")
    }
    assert found == listed


def test_every_third_party_folder_has_its_licence():
    folders = [path for path in VENDOR.iterdir() if path.is_dir()]
    assert len(folders) == 3
    for folder in folders:
        assert "Permission is hereby granted" in (text := (folder / "LICENSE.txt").read_text()) or "icense" in text
        assert f"`{folder.name}/`" in (VENDOR / "README.md").read_text()


def test_the_widget_scripts_are_those_of_the_installed_packages(tmp_path):
    assets.copy_assets(tmp_path / "vendor")
    expected = {
        "anywidget.js": Path(anywidget.__file__).parent / "nbextension" / "index.js",
        "plotly.min.js": Path(plotly.__file__).parent / "package_data" / "plotly.min.js",
    }
    for name, source in expected.items():
        assert (tmp_path / "vendor" / name).read_bytes() == source.read_bytes()
    fonts = tmp_path / "vendor" / "@jupyter-widgets" / "html-manager" / "dist"
    assert len(list(fonts.glob("*.woff2"))) == 3


def test_a_package_that_is_not_there_or_changed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(assets, "_FROM_PACKAGES", {"x.js": ("no_such_package", "x.js")})
    with pytest.raises(PublishingError, match="no_such_package is not installed"):
        assets.copy_assets(tmp_path / "a")
    monkeypatch.setattr(assets, "_FROM_PACKAGES", {"x.js": ("anywidget", "no/such/file.js")})
    with pytest.raises(PublishingError, match=r"anywidget has no file no/such/file\.js"):
        assets.copy_assets(tmp_path / "b")
