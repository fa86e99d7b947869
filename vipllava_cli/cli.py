"""The command `vipllava`: its subcommands, in panels."""

from typing import Annotated

import typer

from vipllava_cli import __version__
from vipllava_cli.commands.annotate import annotate
from vipllava_cli.commands.ask import ask
from vipllava_cli.commands.batch import batch
from vipllava_cli.commands.command import OrderedCommand
from vipllava_cli.commands.report import report

ASK_PANEL = "Ask"
RESULTS_PANEL = "Results"

app = typer.Typer(
    name="vipllava",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Ask a vision-language model about regions that you mark on a picture.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vipllava {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Ask a vision-language model about regions that you mark on a picture."""


app.command(cls=OrderedCommand, rich_help_panel=ASK_PANEL)(ask)
app.command(cls=OrderedCommand, rich_help_panel=ASK_PANEL)(annotate)
app.command(cls=OrderedCommand, rich_help_panel=ASK_PANEL)(batch)
app.command(rich_help_panel=RESULTS_PANEL)(report)
