"""Lessons executed and published as a book that works without a network."""

from eiwork.publishing.book import build_book
from eiwork.publishing.errors import PublishingError
from eiwork.publishing.execute import RunReport, run_notebook, run_notebooks

__all__ = ["PublishingError", "RunReport", "build_book", "run_notebook", "run_notebooks"]
