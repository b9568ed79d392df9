"""`python -m eiwork.cli` is the `eiwork` command."""

from eiwork.cli.application import main

main()
