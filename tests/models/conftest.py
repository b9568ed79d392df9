"""Shared problems; this folder is importable so that tests can use iteration_problems.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
