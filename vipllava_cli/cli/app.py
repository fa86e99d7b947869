"""The program `vipllava`: its subcommands, in panels."""

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
RESULTS_PANEL = "Results"
MODELS_PANEL = "Models"


class OneLineErrorGroup(TyperGroup):
    """A Typer group that prints wrong usage as one line, where Typer would draw a box."""

    def get_params(self, ctx: Any) -> list[Any]:
        return hide_flag_types(super().get_params(ctx))

    def main(self, *arguments: Any, standalone_mode: bool = True, **settings: Any) -> Any:
        """Run the command line. Exit with its code, or return the code if not standalone."""
        code = run_guarded(lambda: self._run(*arguments, **settings, standalone_mode=False))
        if standalone_mode:
            sys.exit(code)
        return code

    def _run(self, *arguments: Any, **settings: Any) -> Any:
        try:
            return super().main(*arguments, **settings)
        except TyperException as error:
            from vipllava_cli.cli.terminal.messages import print_error

            context = getattr(error, "ctx", None)
            help_command = f"{context.command_path} --help" if context else "vipllava --help"
            if error.format_message():  # empty if Typer has just printed the help instead
                print_error(f"{error.format_message().rstrip('.')}: see `{help_command}`")
            return error.exit_code


app = typer.Typer(
    name="vipllava",
    cls=OneLineErrorGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_given: bool) -> None:
    if is_given:
        typer.echo(f"vipllava {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "-V",
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
) -> None:
    """Ask a vision-language model about regions that you mark on an image."""


def _add(body: Callable[..., None], panel: str) -> None:
    """Add a subcommand. The overview shows its summary and its example."""
    summary, example = inspect.cleandoc(body.__doc__ or "").split("\n\n")[:2]
    app.command(
        cls=OrderedCommand, rich_help_panel=panel, short_help=_short_help(summary, example)
    )(body)


def _group(name: str, summary: str, example: str, panel: str) -> typer.Typer:
    """Add a subcommand that has subcommands of its own."""
    group = typer.Typer(
        name=name,
        cls=OneLineErrorGroup,
        no_args_is_help=True,
        help=summary,
        short_help=_short_help(summary, example),
        rich_markup_mode="rich",
    )
    app.add_typer(group, rich_help_panel=panel)
    return group


def _short_help(summary: str, example: str) -> str:
    return f"{summary}\n[dim]{escape(example)}[/dim]"


_add(ask, ASK_PANEL)
_add(annotate, ASK_PANEL)
_add(batch, ASK_PANEL)
_add(chat, ASK_PANEL)
_add(report, RESULTS_PANEL)
_add(compare, RESULTS_PANEL)

evals = _group("eval", "Run a benchmark and score it.", "vipllava eval clipart", RESULTS_PANEL)
for benchmark in (clipart, vip_bench, visual7w, pointqa, vcr):
    evals.command(cls=OrderedCommand)(benchmark)
evals.command(cls=OrderedCommand, hidden=True)(demo)  # the name of version 0.1.0

models = _group(
    "models", "List, download, choose and remove models.", "vipllava models pull 7b", MODELS_PANEL
)
models.command("list", cls=OrderedCommand)(list_models)
for body in (pull, use, info, remove):
    models.command(cls=OrderedCommand)(body)
_add(plan, MODELS_PANEL)
_add(doctor, MODELS_PANEL)
