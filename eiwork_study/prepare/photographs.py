"""From picture files to small grayscale photographs: the processing of the natural set."""

import ast
import io

import numpy as np
from jaxtyping import UInt8

from eiwork.errors import DataFormatError
from eiwork_study.prepare.packages import require
from eiwork_study.prepare.volumes import block_mean


def photograph(raw: bytes, name: str) -> UInt8[np.ndarray, "height width"]:
    """Luma (ITU-R 601) of a picture file, averaged over 2x2 pixels: half the height, half the width.

    The average removes the blur and the compression blocks that a file has at its own resolution. Raises
    DataFormatError, naming the file, for bytes that are not a picture.
    """
    image = require("PIL.Image")
    try:
        with image.open(io.BytesIO(raw)) as picture:
            luma = np.asarray(picture.convert("L"), dtype=np.float64)
    except (OSError, ValueError) as error:
        raise DataFormatError(f"{name} cannot be read as a picture: {error}. Is the file complete?") from error
    return np.rint(block_mean(luma[None], (1, 2, 2))[0]).astype(np.uint8)


def docstrings(source: str, functions: list[str]) -> str:
    """Docstrings of the named functions of a Python source: where scikit-image states each picture's licence."""
    found = {
        node.name: ast.get_docstring(node) or "" for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)
    }
    missing = [name for name in functions if not found.get(name)]
    if missing:
        raise DataFormatError(f"No licence statement found for {', '.join(missing)} in the package's sources.")
    return "\n\n".join(f"{name}\n{'=' * len(name)}\n{found[name]}" for name in functions) + "\n"
