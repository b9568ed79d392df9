"""`python -m book.builder notebooks | book`: execute the lessons, build the book from them."""

import typer

from book.builder import cli_book, cli_notebooks
from eiwork.cli.advice import AdviceGroup

app = typer.Typer(
    name="book.builder",
    cls=AdviceGroup,
    help="Execute the lessons and build the book from them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("notebooks")(cli_notebooks.run)
app.command("book")(cli_book.book)

if __name__ == "__main__":
    app(prog_name="python -m book.builder")
