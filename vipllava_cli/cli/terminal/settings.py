"""The user's settings as a table on stdout."""

from collections.abc import Iterable
from typing import Protocol

from rich.table import Table
from rich.text import Text

from vipllava_cli.cli.terminal.messages import one_line
from vipllava_cli.cli.terminal.models import table_console


class Setting(Protocol):
    """A setting with its value and the place of the value."""

    @property
    def key(self) -> str: ...

    @property
    def value(self) -> object: ...

    @property
    def origin(self) -> str: ...


def print_settings(settings: Iterable[Setting]) -> None:
    """Print one row for each setting."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("setting", "value", "from"):
        table.add_column(heading, overflow="fold")
    for each in settings:
        value = "" if each.value is None else one_line(str(each.value))
        table.add_row(each.key, Text(value), each.origin)
    table_console().print(table)
