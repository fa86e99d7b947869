"""The program and its groups of subcommands: `vipllava IMAGE QUESTION` means `vipllava ask …`."""

import os
import sys
from typing import Any

from typer.core import TyperGroup
from typer.exceptions import TyperException

from vipllava_cli.cli.command import prepare_parameters, run_guarded
from vipllava_cli.cli.completion import join_equals_signs, keep_descriptions_on_one_line
from vipllava_cli.cli.help_page import print_help_end
from vipllava_cli.cli.usage_errors import (
    WORDS,
    describe_usage_error,
    misplaced_option,
    missing_command,
    unknown_command,
)
from vipllava_cli.cli.words import arguments
from vipllava_cli.errors import InputError, UsageError

IMPLIED = "ask"  # the subcommand of a command line that starts with an image
_IMAGE_ADDRESSES = ("http://", "https://", "file://", "clipboard:")
_STANDARD_INPUT = "-"


class Group(TyperGroup):
    """A Typer group that prints wrong usage as one line, where Typer would draw a box."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[WORDS] = tuple(args)
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        return prepare_parameters(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        super().format_help(ctx, formatter)
        print_help_end(ctx)

    def main(self, *arguments: Any, standalone_mode: bool = True, **settings: Any) -> Any:
        """Run the command line. Exit with its code, or return the code if not standalone."""
        code = run_guarded(lambda: self._run(*arguments, **settings, standalone_mode=False))
        if standalone_mode:
            sys.exit(code)
        return code

    def _run(self, *arguments: Any, **settings: Any) -> Any:
        try:
            return super().main(*arguments, **settings)
        except TyperException as error:
            from vipllava_cli.cli.terminal.messages import print_error

            message = describe_usage_error(error)
            if message:
                print_error(message)
            return error.exit_code

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the subcommand. Raises UsageError for an unknown one."""
        if args[0] in self.commands or args[0].startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        raise UsageError(unknown_command(ctx, args[0], args[1:], is_root=ctx.parent is None))

    def invoke(self, ctx: Any) -> Any:
        if not ctx._protected_args:
            raise UsageError(missing_command(ctx))
        return super().invoke(ctx)


class Program(Group):
    """The group of all subcommands, in which `ask` may be omitted before an image."""

    def _main_shell_completion(self, *arguments: Any, **settings: Any) -> None:
        join_equals_signs()
        keep_descriptions_on_one_line()
        super()._main_shell_completion(*arguments, **settings)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, self.with_command(ctx, args))

    def with_command(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `ask` in front of an image, or of a question and an image. Raises UsageError."""
        if not args or args[0] in self.commands or args[0] in self._own_options(ctx):
            return args
        ask = self.commands[IMPLIED]
        parser = ask.make_parser(type(ctx)(ask, info_name=IMPLIED, parent=ctx))
        words = list(arguments(parser, args))
        if not words:
            return args
        first = words[0]
        if first not in self.commands:
            is_question = " " in first and any(map(is_image_source, words[1:]))
            return [IMPLIED, *args] if is_question or is_image_source(first) else args
        if args[0].partition("=")[0] in parser._long_opt:
            raise UsageError(misplaced_option(args[0].partition("=")[0], first))
        return args

    def _own_options(self, ctx: Any) -> set[str]:
        return {name for each in self.get_params(ctx) for name in each.opts}


def is_image_source(word: str) -> bool:
    """Return whether a word names an image: standard input, an address, or an existing image file."""
    if word == _STANDARD_INPUT or word.lower().startswith(_IMAGE_ADDRESSES):
        return True
    from vipllava_cli.images.source import parse_source

    try:
        path = parse_source(word).location  # of a file, or of a pipe like /dev/fd/63
    except InputError:  # `ask` says what is wrong
        return True
    return os.path.exists(path) and not os.path.isdir(path) and _has_image_suffix(path)


def _has_image_suffix(path: str) -> bool:
    """Return whether a file has the suffix of an image, or none."""
    from vipllava_cli.sources.folder import image_suffixes

    suffix = os.path.splitext(path)[1].lower()
    return not suffix or suffix in image_suffixes()
