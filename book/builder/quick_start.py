"""Python processes that work with notebooks and start in a second."""

QUICK_START = "import sys; sys.modules['rfc3987_syntax'] = None\n"
"""First line of a program: leaves out a check of international addresses, which notebooks do not have and for which
jsonschema would compile 39 grammars (two to four seconds) whenever nbformat is imported."""
