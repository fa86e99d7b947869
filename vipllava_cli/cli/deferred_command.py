"""Subcommands whose modules are imported when they run: the overview needs their summaries only."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from typer.main import get_command_from_info
from typer.models import CommandInfo

from vipllava_cli.cli.command import OrderedCommand

# What Typer makes of the signature and the docstring of a function.
_MADE = ("callback", "help", "params")


class DeferredCommand(OrderedCommand):
    """A subcommand that imports `function` of `module` when its options or its help are needed."""

    def __init__(self, *, module: str, function: str, **settings: Any) -> None:
        super().__init__(**settings)
        self._module, self._function = module, function
        for attribute in _MADE:
            delattr(self, attribute)

    def __getattr__(self, attribute: str) -> Any:
        if attribute not in _MADE:
            raise AttributeError(attribute)
        body = getattr(import_module(self._module), self._function)
        info = CommandInfo(self.name, cls=OrderedCommand, callback=body)
        made = get_command_from_info(
            info, pretty_exceptions_short=False, rich_markup_mode=self.rich_markup_mode
        )
        for each in _MADE:
            setattr(self, each, getattr(made, each))
        return getattr(self, attribute)


def deferred(module: str, function: str) -> Any:
    """Return the class of the subcommand that a function of `cli/commands/` runs, for Typer."""
    return partial(DeferredCommand, module=f"vipllava_cli.cli.commands.{module}", function=function)


def placeholder(name: str) -> Callable[[], None]:
    """Return the function without parameters that Typer takes until the module is imported."""

    def body() -> None:
        """Stand for a function that is not imported."""

    body.__name__ = name
    return body
