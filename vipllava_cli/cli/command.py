"""A function -> a subcommand: its groups of flags spread out, its errors turned into exit codes."""

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

from vipllava_cli.cli.options import MarkOptions
from vipllava_cli.errors import ExitCode, VipllavaError


def hide_flag_types(parameters: list[Any]) -> list[Any]:
    """The parameters, flags without the type that help would show: `--json <bool>` takes no word."""
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters


class OrderedCommand(TyperCommand):
    """Keeps the order in which options were typed, which parsing into lists by name would lose."""

    def get_params(self, ctx: Any) -> list[Any]:
        return hide_flag_types(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta["order"] = tuple(parameter.name for parameter in order)
        return super().parse_args(ctx, args)


def command(body: Callable[..., ExitCode | None]) -> Callable[..., None]:
    """The function with its groups of flags spread out for Typer, and its errors turned into codes.
    It may return a code of its own.
    """
    hints = get_type_hints(body, include_extras=True)
    groups: dict[str, Any] = {
        name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)
    }
    parameters = [
        inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    ]
    for name, parameter in inspect.signature(body).parameters.items():
        if name in groups:  # help shows its flags where the group stands
            parameters += _spread(groups[name])
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(annotation=hints[name], kind=kind))

    @functools.wraps(body)
    def run(ctx: typer.Context, **values: Any) -> None:
        debug = values.get("debug", False)
        for name, group in groups.items():
            chosen = {
                field.name: values.pop(field.name)
                for field in dataclasses.fields(group)
                if field.name in values
            }
            if group is MarkOptions:
                shapes = [shape for shape in ctx.meta["order"] if shape in _SHAPE_FLAGS]
                chosen["order"] = tuple(shapes)
            values[name] = group(**chosen)
        raise typer.Exit(run_guarded(functools.partial(body, **values), debug=debug))

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _spread(group: type) -> Iterator[inspect.Parameter]:
    """A parameter for each flag of a group."""
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
_SHAPE_FLAGS = ("box", "ellipse", "arrow", "point", "triangle", "scribble", "mask", "contour")


def run_guarded(body: Callable[[], int | None], *, debug: bool = False) -> int:
    """Run, and return the exit code; what failed is one line on stderr."""
    from vipllava_cli.cli.terminal.messages import print_error

    try:
        code = body()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return ExitCode.CLOSED_PIPE
    except VipllavaError as error:
        if debug:
            traceback.print_exc()
        print_error(str(error))
        return error.exit_code
    except OSError as error:  # inputs and files out have their own; this is stdout, or a full disk
        if debug:
            traceback.print_exc()
        _drop_output()
        print_error(f"the output cannot be written: {error.strerror or error}")
        return ExitCode.INPUT
    except MemoryError:
        if debug:
            traceback.print_exc()
        print_error("memory ran out: make the image smaller, or close other programs")
        return ExitCode.GENERATION
    except Exception as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, ImportError) and ".so" in str(error):
            print_error(
                f"a library of the system is missing ({error}): on Debian and Ubuntu, OpenCV needs"
                " `apt-get install libgl1 libglib2.0-0`"
            )
            return ExitCode.USAGE
        print_error(
            f"a bug in vipllava ({type(error).__name__}: {error}): please report it with what"
            " --debug prints"
        )
        return ExitCode.BUG
    return code or ExitCode.DONE


def _drop_output() -> None:
    """What is left in stdout goes nowhere, so that nothing fails once more at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
