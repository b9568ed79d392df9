"""The `eiwork` command; heavy libraries are imported by the commands that need them, so that --help is quick."""

from eiwork.cli.application import app, main

__all__ = ["app", "main"]
