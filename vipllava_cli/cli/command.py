"""Turn a function into a subcommand: option groups become flags, errors become exit codes."""

import dataclasses
import errno
import functools
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, get_type_hints

import typer
from typer.core import TyperCommand

from vipllava_cli.cli.help_page import print_help_end
from vipllava_cli.cli.options import OLD_NAMES, OPTION_KEYS, MarkOptions
from vipllava_cli.cli.quick_values import convert_quickly
from vipllava_cli.cli.usage_errors import HELP, check_number, help_command, unexpected_arguments
from vipllava_cli.cli.words import check_words
from vipllava_cli.errors import ExitCode, UsageError, VipllavaError
from vipllava_cli.images.data_address import shorten_in_text
from vipllava_cli.marks.shape_table import SHAPES


def prepare_parameters(parameters: list[Any]) -> list[Any]:
    """Convert values quickly, and remove the type of flags from the help: not `--json <bool>`."""
    convert_quickly(parameters)
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters


class OrderedCommand(TyperCommand):
    """A Typer command that keeps the order of its options in `ctx.meta["order"]`."""

    def get_params(self, ctx: Any) -> list[Any]:
        return prepare_parameters(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        super().format_help(ctx, formatter)
        print_help_end(ctx)

    def make_parser(self, ctx: Any) -> Any:
        """Make the parser, which also accepts `OLD_NAMES`."""
        parser = super().make_parser(ctx)
        names = parser._long_opt
        for name, old_name in OLD_NAMES.items():
            if name in names:
                names.setdefault(old_name, names[name])
        return parser

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words after the name of the subcommand. Raises UsageError, TyperException."""
        parser = self.make_parser(ctx)
        if list(args) == [HELP] and ctx.info_name != HELP and not os.path.exists(HELP):
            raise UsageError(f"unexpected {HELP!r}: {help_command(ctx)} prints the help")
        if not ctx.resilient_parsing:
            args = check_words(parser, args)
        values, extra, order = parser.parse_args(args=list(args))
        ctx.meta["order"] = tuple(parameter.name for parameter in order)
        must_be_valid = not (ctx.resilient_parsing or "help" in ctx.meta["order"])
        if extra and must_be_valid:
            raise UsageError(unexpected_arguments(ctx, extra, values))
        if must_be_valid:
            for parameter in self.params:
                check_number(parameter, values.get(parameter.name))
        ctx.default_map = self._user_defaults(must_be_valid=must_be_valid)
        return super().parse_args(ctx, args)

    def _user_defaults(self, *, must_be_valid: bool) -> dict[str, Any]:
        """Read the user's defaults of the options of this subcommand. Raises UsageError."""
        names = {each.name for each in self.params}.intersection(OPTION_KEYS)
        if not names:
            return {}
        from vipllava_cli.storage.settings import read_settings

        try:
            saved = read_settings().options
        except UsageError:
            if must_be_valid:
                raise
            return {}
        values = {name: saved[name] for name in names if saved.get(name) is not None}
        # The help prints the defaults as they are.
        return values if must_be_valid else {name: _printable(values[name]) for name in values}


def _printable(value: Any) -> Any:
    from vipllava_cli.cli.terminal.escapes import safe

    return value if isinstance(value, int | float) else safe(str(value))


def command(body: Callable[..., ExitCode | None]) -> Callable[..., None]:
    """Turn a function into a subcommand for Typer.

    Each parameter whose type is a dataclass becomes one flag for each of its fields. A parameter of
    the type `typer.Context` receives the context. The function may return an exit code; its errors
    become exit codes too.
    """
    hints = get_type_hints(body, include_extras=True)
    groups: dict[str, Any] = {
        name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)
    }
    contexts = [name for name, hint in hints.items() if hint is typer.Context]
    parameters = [
        inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    ]
    for name, parameter in inspect.signature(body).parameters.items():
        if name in contexts:
            continue
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
        values |= dict.fromkeys(contexts, ctx)
        raise typer.Exit(run_guarded(functools.partial(body, **values), debug=debug))

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


@functools.cache  # the groups of most subcommands are the same
def _spread(group: type) -> tuple[inspect.Parameter, ...]:
    """Return a parameter for each flag of a group."""
    hints = get_type_hints(group, globalns=vars(sys.modules[group.__module__]), include_extras=True)
    return tuple(
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_EMPTY if field.default is dataclasses.MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(group)
        if field.name != "order"
    )


_EMPTY = inspect.Parameter.empty


# --- the boundary of errors ------------------------------------------------------------------


def run_guarded(body: Callable[[], int | None], *, debug: bool = False) -> int:
    """Run `body` and return the exit code. Print an error as one line on stderr.

    This is the only place that turns exceptions into exit codes. `debug` prints the traceback too.
    """
    try:
        code = body()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        _discard_stdout()
        return ExitCode.CLOSED_PIPE
    except SystemExit as end:
        if isinstance(
            end.__context__, BrokenPipeError
        ):  # a console of Rich ends the program with 1
            return ExitCode.CLOSED_PIPE
        raise
    except Exception as error:
        if debug:
            from vipllava_cli.cli.terminal.escapes import safe

            sys.stderr.write(safe(shorten_in_text(traceback.format_exc())))
        if isinstance(error, OSError):
            _discard_stdout()
        from vipllava_cli.cli.terminal.messages import print_error  # `--version` does not need it

        message, exit_code = _describe(error)
        print_error(message)
        return exit_code
    return code or ExitCode.DONE


def _describe(error: Exception) -> tuple[str, ExitCode]:
    """Return the message and the exit code of an exception."""
    match error:
        case VipllavaError():
            return str(error), error.exit_code
        case OSError():
            return _describe_system_error(error), ExitCode.INPUT
        case MemoryError():
            return (
                "out of memory: use a smaller image, or close other programs",
                ExitCode.GENERATION,
            )
        case ImportError() if any(text in str(error) for text in _NO_MEMORY):
            return (
                "out of memory while a library loads: raise the limit, as `ulimit -v unlimited` does,"
                " or close other programs",
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


# What the loader of shared libraries says (glibc 2.36).
_NO_MEMORY = ("failed to map segment", "annot allocate memory")


def _describe_system_error(error: OSError) -> str:
    """Describe an error of the system that no reader or writer of a file has turned into another."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "too many files are open: raise the limit, as `ulimit -n 1024` does, and try again"
    if error.errno == errno.ENOENT and error.filename is None:
        return "the working folder no longer exists: change to another with `cd`"
    if error.filename is not None:
        name = os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename
        return f"{name} cannot be used: {error.strerror}; check its permissions and its folder"
    return f"the output cannot be written: {error.strerror or error}"


def _discard_stdout() -> None:
    """Redirect stdout to nowhere: flushing it at exit would raise the error again."""
    with suppress(OSError, ValueError):  # no descriptor is free, or the stream has none
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
