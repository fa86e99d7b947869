"""Models as tables on stdout, and the progress of a download."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

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
from vipllava_cli.engine.hub.catalog import KnownModel
from vipllava_cli.engine.hub.registry import BUNDLED
from vipllava_cli.storage.sizes import decimal_size

PIPE_WIDTH = 1000  # columns: lines of a table are not folded in a pipe


def print_models(models: Iterable[KnownModel], chosen: str) -> None:
    """Print one row for each model. `*` marks the default model."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("", "name", "parameters", "size", "where", "licence"):
        justify = "right" if heading in {"parameters", "size"} else "left"
        table.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for model in models:
        table.add_row(
            "*" if model.name == chosen else "",
            Text(one_line(model.name)),
            "" if model.parameters is None else _format_count(model.parameters),
            decimal_size(model.size),
            Text(one_line(model.where)),
            Text(model.licence),
        )
    table_console().print(table)


def model_to_json(model: KnownModel, chosen: str) -> dict[str, object]:
    """Return the row of a model as a JSON object. `folder` is null unless the model is complete."""
    folder = BUNDLED.get(model.name) or Path(model.where)
    return {
        "name": model.name,
        "default": model.name == chosen,
        "parameters": model.parameters,
        "size": model.size,
        "where": model.where,
        "folder": str(folder) if folder.is_absolute() else None,
        "licence": model.licence,
    }


def print_facts(facts: Mapping[str, object]) -> None:
    """Print one name and value per row."""
    table = _fact_table()
    for name, value in facts.items():
        table.add_row(Text(one_line(name)), Text(one_line(_format_fact(name, value))))
    table_console().print(table)


def print_sections(sections: Mapping[str, Mapping[str, str]]) -> None:
    """Print names and values under headings."""
    table = _fact_table()
    for heading, facts in sections.items():
        table.add_row(Text(heading, style="bold"), "")
        for name, value in facts.items():
            table.add_row(Text(f"  {one_line(name)}"), Text(one_line(value)))
    table_console().print(table)


@contextmanager
def watch_download(
    messages: Messages, activity: str, total: int
) -> Iterator[Callable[[int], None]]:
    """Show the progress of a download of `total` bytes: a bar on a terminal, one line elsewhere.

    Yields a function that takes the number of bytes that have arrived since the last call.
    """
    if messages.quiet or not messages.console.is_terminal:
        messages.say(f"{activity}, {decimal_size(total)}")
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=messages.console) as progress:
        task = progress.add_task(one_line(activity), total=total)
        yield lambda count: progress.advance(task, count)


def table_console() -> Console:
    """Make a console for tables on stdout, which folds lines on a terminal only."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPE_WIDTH)


def _fact_table() -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    return table


def _format_fact(name: str, value: object) -> str:
    if name == "size" and isinstance(value, int):
        return decimal_size(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _format_count(parameters: int) -> str:
    return (
        f"{parameters / 1e9:.1f} billion"
        if parameters >= 1e9
        else f"{parameters / 1e6:.1f} million"
    )
