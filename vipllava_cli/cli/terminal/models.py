"""Models as tables on stdout, and how a download goes on."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from vipllava_cli.cli.terminal.messages import Messages, one_line
from vipllava_cli.engine.base import DEFAULT_MODEL
from vipllava_cli.engine.hub.catalog import KnownModel
from vipllava_cli.storage.sizes import decimal_size


def print_models(models: Iterable[KnownModel], chosen: str | None) -> None:
    """A line each; `*` stands before the one that answers."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("", "name", "parameters", "size", "where", "licence"):
        justify = "right" if heading in {"parameters", "size"} else "left"
        table.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for model in models:
        table.add_row(
            "*" if model.name == (chosen or DEFAULT_MODEL) else "",
            Text(one_line(model.name)),
            "" if model.parameters is None else _count(model.parameters),
            decimal_size(model.size),
            Text(one_line(model.where)),
            Text(model.licence),
        )
    table_console().print(table)


def print_facts(facts: Mapping[str, object]) -> None:
    """A name and a value a line."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, Text(one_line(_written(name, value))))
    table_console().print(table)


def print_sections(sections: Mapping[str, Mapping[str, str]]) -> None:
    """Facts below headings."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for heading, facts in sections.items():
        table.add_row(Text(heading, style="bold"), "")
        for name, value in facts.items():
            table.add_row(Text(f"  {one_line(name)}"), Text(one_line(value)))
    table_console().print(table)


@contextmanager
def watch_download(messages: Messages, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, one line elsewhere; what it gives is told of bytes as they are there."""
    if messages.quiet or not messages.console.is_terminal:
        messages.say(f"{what}, {decimal_size(total)}")
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=messages.console) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)


def _written(name: str, value: object) -> str:
    if name == "size" and isinstance(value, int):
        return decimal_size(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _count(parameters: int) -> str:
    return (
        f"{parameters / 1e9:.1f} billion"
        if parameters >= 1e9
        else f"{parameters / 1e6:.1f} million"
    )


def table_console() -> Console:
    """Lines of a pipe are never folded."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=1000)
