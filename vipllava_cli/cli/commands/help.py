"""`vipllava help` and `vipllava version`: the same as `--help` and `--version`."""

import sys
from typing import Annotated, Any

import typer

from vipllava_cli import __version__
from vipllava_cli.cli.command import command
from vipllava_cli.cli.completion import complete_commands
from vipllava_cli.cli.usage_errors import unexpected_arguments, unknown_command
from vipllava_cli.errors import UsageError


@command
def help(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND", help="A subcommand, like ask.", autocompletion=complete_commands
        ),
    ] = None,
    *,
    ctx: typer.Context,
) -> None:
    """Show the help of the program or of a subcommand.

    vipllava help models pull
    """
    context: Any = ctx.find_root()
    names = " ".join(words or ()).split()  # of a subcommand in quotes, too
    for at, word in enumerate(names):
        commands = getattr(context.command, "commands", None)
        if commands is None:
            raise UsageError(unexpected_arguments(context, names[at:]))
        if word not in commands:
            raise UsageError(unknown_command(context, word, is_root=False, is_help=True))
        context = type(context)(commands[word], info_name=word, parent=context)
    sys.stdout.write(context.get_help())


@command
def version() -> None:
    """Print the version.

    vipllava version
    """
    sys.stdout.write(f"vipllava {__version__}\n")
