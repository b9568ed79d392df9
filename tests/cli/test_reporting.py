import json

import pytest

from eiwork.cli.reporting import check_json_path, write_json
from eiwork.errors import InputError


def test_json_is_written_whole_with_its_folder_where_a_path_is_given(tmp_path, capsys):
    path = tmp_path / "figures" / "a.json"
    for given in (None, path):
        check_json_path(given)
        assert capsys.readouterr().out == ""
        write_json(given, {"psnr": 25.5, "path": path})
        assert capsys.readouterr().out == ("" if given is None else f"Figures written to {path}\n")
    assert json.loads(path.read_text()) == {"psnr": 25.5, "path": str(path)}
    with pytest.raises(InputError, match="Cannot write"):
        check_json_path(path / "below_a_file.json")
