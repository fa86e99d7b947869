"""The command `vipllava`: its subcommands, in panels."""

import inspect
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup
from typer.exceptions import TyperException

from vipllava_cli import __version__
from vipllava_cli.cli.command import OrderedCommand, hide_flag_types, run_guarded
from vipllava_cli.cli.commands.annotate import annotate
from vipllava_cli.cli.commands.ask import ask
from vipllava_cli.cli.commands.batch import batch
from vipllava_cli.cli.commands.chat import chat
from vipllava_cli.cli.commands.compare import compare
from vipllava_cli.cli.commands.doctor import doctor
from vipllava_cli.cli.commands.eval import clipart, demo, pointqa, vcr, vip_bench, visual7w
from vipllava_cli.cli.commands.models import info, list_models, pull, remove, use
from vipllava_cli.cli.commands.plan import plan
from vipllava_cli.cli.commands.report import report

ASK_PANEL = "Ask"
RESULTS_PANEL = "RecordFile"
MODELS_PANEL = "Models"


class OneLineErrors(TyperGroup):
    """Wrong usage as one line, like every other error, where Typer would draw a box of several."""

    def get_params(self, ctx: Any) -> list[Any]:
        return hide_flag_types(super().get_params(ctx))

    def main(self, *arguments: Any, standalone_mode: bool = True, **more: Any) -> Any:
        """Run, and leave with the exit code."""
        code = run_guarded(lambda: self._run(*arguments, **{**more, "standalone_mode": False}))
        if standalone_mode:
            sys.exit(code)
        return code

    def _run(self, *arguments: Any, **more: Any) -> Any:
        try:
            return super().main(*arguments, **more)
        except TyperException as error:
            from vipllava_cli.cli.terminal.messages import print_error

            context = getattr(error, "ctx", None)
            help = f"{context.command_path} --help" if context else "vipllava --help"
            if error.format_message():  # empty after the help that no arguments ask for
                print_error(f"{error.format_message().rstrip('.')}: see `{help}`")
            return error.exit_code


app = typer.Typer(
    name="vipllava",
    cls=OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Ask a vision-language model about regions that you mark on an image.",
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
    """Ask a vision-language model about regions that you mark on an image."""


def _add(body: Callable[..., None], panel: str) -> None:
    """A subcommand, its example below it in the overview."""
    summary, example = inspect.cleandoc(body.__doc__ or "").split("\n\n")[:2]
    brief = f"{summary}\n[dim]{escape(example)}[/dim]"
    app.command(cls=OrderedCommand, rich_help_panel=panel, short_help=brief)(body)


_add(ask, ASK_PANEL)
_add(annotate, ASK_PANEL)
_add(batch, ASK_PANEL)
_add(chat, ASK_PANEL)
_add(report, RESULTS_PANEL)
_add(compare, RESULTS_PANEL)

evals = typer.Typer(
    name="eval",
    no_args_is_help=True,
    help="Run a benchmark and score it.",
    short_help="Run a benchmark and score it.\n[dim]vipllava eval clipart[/dim]",
    rich_markup_mode="rich",
)
for benchmark in (clipart, vip_bench, visual7w, pointqa, vcr):
    evals.command(cls=OrderedCommand)(benchmark)
evals.command(cls=OrderedCommand, hidden=True)(demo)
app.add_typer(evals, rich_help_panel=RESULTS_PANEL)

models = typer.Typer(
    name="models",
    no_args_is_help=True,
    help="List, fetch, choose and remove models.",
    short_help="List, fetch, choose and remove models.\n[dim]vipllava models pull 7b[/dim]",
    rich_markup_mode="rich",
)
models.command("list", cls=OrderedCommand)(list_models)
for body in (pull, use, info, remove):
    models.command(cls=OrderedCommand)(body)
app.add_typer(models, rich_help_panel=MODELS_PANEL)
_add(plan, MODELS_PANEL)
_add(doctor, MODELS_PANEL)
