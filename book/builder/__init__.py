"""Lessons executed and published as a book that works without a network."""

from book.builder.book import build_book
from book.builder.execute import RunReport, run_notebook, run_notebooks
from book.builder.staging import PublishingError

__all__ = ["PublishingError", "RunReport", "build_book", "run_notebook", "run_notebooks"]
