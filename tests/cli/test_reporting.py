import json

import pytest
from rich.console import Console

from eiwork.cli.reporting import check_json_path, write_json
from eiwork.cli.training import comparison_table
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


def test_a_table_has_a_row_per_method_and_leaves_gaps_empty(capsys):
    table = comparison_table("ct", {"model": {"psnr": 27.346, "max_residual": 9.4e-4}, "inverse": {"psnr": 24.0}})
    Console(width=100).print(table)
    lines = capsys.readouterr().out.splitlines()
    assert [column.header for column in table.columns] == ["method", "PSNR (dB)", "largest residual"]
    assert any("model" in line and "27.35" in line and "0.00094" in line for line in lines)
    assert any("inverse" in line and "24.00" in line for line in lines)
