"""The program `vipllava`: its subcommands, in panels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from vipllava_cli import __version__
from vipllava_cli.cli.deferred_command import deferred, placeholder
from vipllava_cli.cli.group import Group, Program

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


@dataclass(frozen=True)
class Entry:
    """A subcommand in the overview: the first two paragraphs of its help.

    `function` of the module `module` in `cli/commands/` runs it. A group has neither, but subcommands
    with a name, a module and a function each.
    """

    panel: str
    summary: str
    example: str
    module: str = ""
    function: str = ""
    subcommands: tuple[tuple[str, str, str], ...] = ()

    @property
    def short_help(self) -> str:
        markup = self.example.replace("[", r"\[")  # importing Rich's `escape` takes 10 ms
        return f"{self.summary}\n[dim]{markup}[/dim]"


_ASK, _RESULTS, _MODELS, _PROGRAM = "Ask", "Results", "Models", "Program"
HIDDEN = ("demo",)  # the name of `eval clipart` in version 0.1.0

ENTRIES: Mapping[str, Entry] = {
    "ask": Entry(
        _ASK,
        "Ask questions about an image and its marked regions.",
        'vipllava ask cat.jpg "what is in the red box?" --box 20,80,340,300',
        "ask",
        "ask",
    ),
    "annotate": Entry(
        _ASK,
        "Draw marks on an image, without a model.",
        "vipllava annotate cat.jpg --ellipse 10%,20%,40%,60% -o marked.png",
        "annotate",
        "annotate",
    ),
    "batch": Entry(
        _ASK,
        "Ask about many images. The same command resumes after a stop.",
        'vipllava batch images/ --out results.jsonl --question "what is in the red box?"',
        "batch",
        "batch",
    ),
    "chat": Entry(
        _ASK,
        "Talk about an image. Without a terminal, each line of stdin is a question.",
        "vipllava chat street.jpg --box 120,80,340,300",
        "chat",
        "chat",
    ),
    "report": Entry(
        _RESULTS,
        "Write one HTML page of records and their images, without a model.",
        "vipllava report results.jsonl -o report.html",
        "report",
        "report",
    ),
    "compare": Entry(
        _RESULTS,
        "Compare results with the right answers, or with each other: accuracy, mistakes, changes.",
        "vipllava compare answers.jsonl --truth label",
        "compare",
        "compare",
    ),
    "export": Entry(
        _RESULTS,
        "Write the answers of batch into the files of annotation tools, without a model.",
        "vipllava export answers.jsonl --to coco -o answers.json",
        "export",
        "export",
    ),
    "eval": Entry(
        _RESULTS,
        "Run a benchmark and score it.",
        "vipllava eval clipart",
        subcommands=(
            ("clipart", "eval", "clipart"),
            ("vp-bench", "eval", "vp_bench"),
            ("vip-bench", "eval", "vip_bench"),
            ("visual7w", "eval", "visual7w"),
            ("pointqa", "eval", "pointqa"),
            ("vcr", "eval", "vcr"),
            ("demo", "eval", "demo"),
        ),
    ),
    "models": Entry(
        _MODELS,
        "List, add, download, choose and remove models.",
        "vipllava models pull 7b",
        subcommands=(
            ("list", "models", "list_models"),
            ("add", "models", "add"),
            ("pull", "models", "pull"),
            ("use", "models", "use"),
            ("info", "models", "info"),
            ("remove", "models", "remove"),
        ),
    ),
    "plan": Entry(
        _MODELS,
        "Show how a model would be placed on your devices, with its memory and its speed.",
        "vipllava plan 7b --max-memory 0=8GiB,cpu=20GiB",
        "plan",
        "plan",
    ),
    "doctor": Entry(
        _MODELS,
        "Check this machine: versions, devices, memory, speed, and the model that runs by default.",
        "vipllava doctor",
        "doctor",
        "doctor",
    ),
    "config": Entry(
        _PROGRAM,
        "Show and change settings.",
        "vipllava config set template vicuna",
        subcommands=(
            ("show", "config", "show"),
            ("set", "config", "set_value"),
            ("unset", "config", "unset"),
            ("path", "config", "path"),
        ),
    ),
    "help": Entry(
        _PROGRAM,
        "Show the help of the program or of a subcommand.",
        "vipllava help models pull",
        "help",
        "help",
    ),
    "version": Entry(_PROGRAM, "Print the version.", "vipllava version", "help", "version"),
}


def _add(name: str, entry: Entry) -> None:
    """Add a subcommand, or a group with its own subcommands."""
    if not entry.subcommands:
        add = app.command(
            name,
            cls=deferred(entry.module, entry.function),
            rich_help_panel=entry.panel,
            short_help=entry.short_help,
        )
        add(placeholder(name))
        return
    group = typer.Typer(
        name=name,
        cls=Group,
        no_args_is_help=True,
        help=entry.summary,
        short_help=entry.short_help,
        rich_markup_mode="rich",
    )
    app.add_typer(group, rich_help_panel=entry.panel)
    for each, module, function in entry.subcommands:
        group.command(each, cls=deferred(module, function), hidden=each in HIDDEN)(
            placeholder(each)
        )


for _name, _entry in ENTRIES.items():
    _add(_name, _entry)
