"""The program `vipllava`: its subcommands, in panels."""

import inspect
from collections.abc import Callable
from typing import Annotated

import typer

from vipllava_cli import __version__
from vipllava_cli.cli.command import OrderedCommand
from vipllava_cli.cli.commands.annotate import annotate
from vipllava_cli.cli.commands.ask import ask
from vipllava_cli.cli.commands.batch import batch
from vipllava_cli.cli.commands.chat import chat
from vipllava_cli.cli.commands.compare import compare
from vipllava_cli.cli.commands.config import path, set_value, show, unset
from vipllava_cli.cli.commands.doctor import doctor
from vipllava_cli.cli.commands.eval import (
    clipart,
    demo,
    pointqa,
    vcr,
    vip_bench,
    visual7w,
    vp_bench,
)
from vipllava_cli.cli.commands.export import export
from vipllava_cli.cli.commands.help import help, version
from vipllava_cli.cli.commands.models import add, info, list_models, pull, remove, use
from vipllava_cli.cli.commands.plan import plan
from vipllava_cli.cli.commands.report import report
from vipllava_cli.cli.group import Group, Program

ASK_PANEL = "Ask"
RESULTS_PANEL = "Results"
MODELS_PANEL = "Models"
PROGRAM_PANEL = "Program"


app = typer.Typer(
    name="vipllava",
    cls=Program,
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
        cls=Group,
        no_args_is_help=True,
        help=summary,
        short_help=_short_help(summary, example),
        rich_markup_mode="rich",
    )
    app.add_typer(group, rich_help_panel=panel)
    return group


def _short_help(summary: str, example: str) -> str:
    markup = example.replace("[", r"\[")  # importing Rich's `escape` takes 10 ms
    return f"{summary}\n[dim]{markup}[/dim]"


_add(ask, ASK_PANEL)
_add(annotate, ASK_PANEL)
_add(batch, ASK_PANEL)
_add(chat, ASK_PANEL)
_add(report, RESULTS_PANEL)
_add(compare, RESULTS_PANEL)
_add(export, RESULTS_PANEL)

evals = _group("eval", "Run a benchmark and score it.", "vipllava eval clipart", RESULTS_PANEL)
for benchmark in (clipart, vp_bench, vip_bench, visual7w, pointqa, vcr):
    evals.command(cls=OrderedCommand)(benchmark)
evals.command(cls=OrderedCommand, hidden=True)(demo)  # the name of version 0.1.0

models = _group(
    "models",
    "List, add, download, choose and remove models.",
    "vipllava models pull 7b",
    MODELS_PANEL,
)
models.command("list", cls=OrderedCommand)(list_models)
for body in (add, pull, use, info, remove):
    models.command(cls=OrderedCommand)(body)
_add(plan, MODELS_PANEL)
_add(doctor, MODELS_PANEL)

config = _group(
    "config", "Show and change settings.", "vipllava config set template vicuna", PROGRAM_PANEL
)
config.command(cls=OrderedCommand)(show)
config.command("set", cls=OrderedCommand)(set_value)
for body in (unset, path):
    config.command(cls=OrderedCommand)(body)
_add(help, PROGRAM_PANEL)
_add(version, PROGRAM_PANEL)
