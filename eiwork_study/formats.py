"""Files of results: JSON that names its format."""

import json
from pathlib import Path
from typing import Any

from eiwork.errors import DataFormatError


def read_json(path: Path, wanted: str, advice: str = "delete it and make it anew.") -> dict[str, Any]:
    """Read a JSON file of a format; raises DataFormatError naming one that is missing, damaged or something else."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataFormatError(f"{path} cannot be read as JSON ({error}): {advice}") from None
    if not isinstance(values, dict) or values.get("format") != wanted:
        raise DataFormatError(f"{path} is not a file of format {wanted}: it belongs to something else.")
    return values
