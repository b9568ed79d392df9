"""Shared operators; this folder is importable so that tests can use fields.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
