import commands
import pytest

from eiwork.cli import app


@pytest.fixture
def run(monkeypatch, tmp_path):
    return commands.runner(app, monkeypatch, tmp_path)


@pytest.fixture
def advice():
    return commands.advice


@pytest.fixture
def workbook(tmp_path, monkeypatch):
    return commands.workbook(tmp_path, monkeypatch)
