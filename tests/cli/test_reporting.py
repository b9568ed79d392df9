import json

import pytest

from eiwork.cli.reporting import check_json_path, write_json
from eiwork.errors import InputError


def test_json_is_written_whole_with_its_folder(tmp_path, capsys):
    path = tmp_path / "figures" / "a.json"
    check_json_path(path)
    write_json(path, {"psnr": 25.5, "path": path})
    assert json.loads(path.read_text()) == {"psnr": 25.5, "path": str(path)}
    assert str(path) in capsys.readouterr().out


def test_without_a_path_nothing_is_written_or_said(tmp_path, capsys):
    check_json_path(None)
    write_json(None, {"psnr": 25.5})
    assert capsys.readouterr().out == ""


def test_an_unwritable_json_path_is_found_in_advance(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write"):
        check_json_path(tmp_path / "file" / "a.json")
