"""The command `eiwork-study`: how the committed numbers are made."""

from eiwork_study.cli.application import main

__all__ = ["main"]
