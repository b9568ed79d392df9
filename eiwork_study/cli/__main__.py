"""`python -m eiwork_study.cli`."""

from eiwork_study.cli.application import main

main()
