import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from book.builder.quick_start import QUICK_START

SANITIZE = Path(__file__).with_name("sanitize.cfg")
PYTEST = QUICK_START + "import pytest; sys.exit(pytest.main())"


@pytest.fixture
def compare(tmp_path) -> Callable[[Path], subprocess.CompletedProcess[str]]:
    """Execute an executed notebook once more, in an empty folder, and compare what its cells print (nbval)."""

    def run(executed: Path) -> subprocess.CompletedProcess[str]:
        copy = tmp_path / executed.name
        copy.write_bytes(executed.read_bytes())
        options = ["--nbval", f"--nbval-sanitize-with={SANITIZE}", "--nbval-cell-timeout=600"]
        # Warnings of the comparing process are its own; those of the lesson are part of the lesson's output.
        plain = ["-q", "-W", "default", "-p", "no:xdist", "-p", "no:cacheprovider", "-c", str(tmp_path / "empty.ini")]
        (tmp_path / "empty.ini").write_text("[pytest]\n")
        command = [sys.executable, "-c", PYTEST, *options, *plain, str(copy)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    return run
