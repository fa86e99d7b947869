"""Turn a function into a subcommand: option groups become flags, errors become exit codes."""

import dataclasses
import functools
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

import typer
from typer.core import TyperCommand

from vipllava_cli.cli.options import OLD_NAMES, MarkOptions
from vipllava_cli.errors import ExitCode, VipllavaError
from vipllava_cli.marks.shape_table import SHAPES


def hide_flag_types(parameters: list[Any]) -> list[Any]:
    """Remove the type of flags from the help, which would show `--json <bool>`."""
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters


class OrderedCommand(TyperCommand):
    """A Typer command that keeps the order of its options in `ctx.meta["order"]`."""

    def get_params(self, ctx: Any) -> list[Any]:
        return hide_flag_types(super().get_params(ctx))

    def make_parser(self, ctx: Any) -> Any:
        """Make the parser, which also accepts `OLD_NAMES`."""
        parser = super().make_parser(ctx)
        names = parser._long_opt
        for name, old_name in OLD_NAMES.items():
            if name in names:
                names.setdefault(old_name, names[name])
        return parser

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta["order"] = tuple(parameter.name for parameter in order)
        return super().parse_args(ctx, args)


def command(body: Callable[..., ExitCode | None]) -> Callable[..., None]:
    """Turn a function into a subcommand for Typer.

    Each parameter whose type is a dataclass becomes one flag for each of its fields. The function
    may return an exit code; its errors become exit codes too.
    """
    hints = get_type_hints(body, include_extras=True)
    groups: dict[str, Any] = {
        name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)
    }
    parameters = [
        inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    ]
    for name, parameter in inspect.signature(body).parameters.items():
        if name in groups:  # the help shows the flags in the place of the group
            parameters += _spread(groups[name])
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(annotation=hints[name], kind=kind))

    @functools.wraps(body)
    def run(ctx: typer.Context, **values: Any) -> None:
        debug = values.get("debug", False)
        for name, group in groups.items():
            fields = {
                field.name: values.pop(field.name)
                for field in dataclasses.fields(group)
                if field.name in values
            }
            if group is MarkOptions:
                fields["order"] = tuple(name for name in ctx.meta["order"] if name in SHAPES)
            values[name] = group(**fields)
        raise typer.Exit(run_guarded(functools.partial(body, **values), debug=debug))

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _spread(group: type) -> Iterator[inspect.Parameter]:
    """Yield a parameter for each flag of a group."""
    hints = get_type_hints(group, globalns=vars(sys.modules[group.__module__]), include_extras=True)
    for field in dataclasses.fields(group):
        if field.name != "order":
            yield inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=_EMPTY if field.default is dataclasses.MISSING else field.default,
                annotation=hints[field.name],
            )


_EMPTY = inspect.Parameter.empty


# --- the boundary of errors ------------------------------------------------------------------


def run_guarded(body: Callable[[], int | None], *, debug: bool = False) -> int:
    """Run `body` and return the exit code. Print an error as one line on stderr.

    This is the only place that turns exceptions into exit codes. `debug` prints the traceback too.
    """
    from vipllava_cli.cli.terminal.messages import print_error

    try:
        code = body()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        _discard_stdout()
        return ExitCode.CLOSED_PIPE
    except Exception as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, OSError):
            _discard_stdout()
        message, exit_code = _describe(error)
        print_error(message)
        return exit_code
    return code or ExitCode.DONE


def _describe(error: Exception) -> tuple[str, ExitCode]:
    """Return the message and the exit code of an exception."""
    match error:
        case VipllavaError():
            return str(error), error.exit_code
        case OSError():  # files raise InputError, so this is stdout
            return f"the output cannot be written: {error.strerror or error}", ExitCode.INPUT
        case MemoryError():
            return (
                "out of memory: use a smaller image, or close other programs",
                ExitCode.GENERATION,
            )
        case ImportError() if ".so" in str(error):
            return (
                f"a system library is missing ({error}): on Debian and Ubuntu, OpenCV needs"
                " `apt-get install libgl1 libglib2.0-0`",
                ExitCode.USAGE,
            )
    return (
        f"a bug in vipllava ({type(error).__name__}: {error}): please report it with the output"
        " of --debug",
        ExitCode.BUG,
    )


def _discard_stdout() -> None:
    """Redirect stdout to nowhere: flushing it at exit would raise the error again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
