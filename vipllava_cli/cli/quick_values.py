"""Convert the values of options without pydantic, whose import and validators take 0.1 s at each start.

typer 0.29.2 builds a pydantic validator for every option of a subcommand, even without a value.
This module converts values that are certainly right. Typer converts the others and raises its own errors.
"""

import re
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

_INTEGER = re.compile(r"-?[0-9]{1,15}")
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")


class _UncertainError(Exception):
    """A value that is not certainly right."""


def convert_quickly(parameters: Iterable[Any]) -> None:
    """Let parameters of Typer convert their values without pydantic where that is possible."""
    for parameter in parameters:
        if getattr(parameter, "type_descriptor", None) and parameter._runtime_param is None:
            parameter._runtime_param = _QuickParameter()


class _QuickParameter:
    """Stands for the converter that Typer builds for a parameter."""

    def __init__(self) -> None:
        self._converter: Any = None

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value in its type. Raises the errors of Typer."""
        descriptor = param.type_descriptor
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        try:
            return _convert(value, descriptor.annotation, descriptor.parameter_info, param, ctx)
        except _UncertainError:
            if self._converter is None:
                from typer._coercion import build_runtime_param

                self._converter = build_runtime_param(descriptor)
            return self._converter.coerce(value, param=param, ctx=ctx)


def _convert(value: Any, annotation: Any, info: Any, param: Any, ctx: Any) -> Any:
    """Convert a value. Raises _UncertainError for any that pydantic might refuse or change."""
    if get_origin(annotation) is list and isinstance(value, list | tuple):
        (item,) = get_args(annotation)
        return [_convert(each, item, info, param, ctx) for each in value]
    if info.parser is not None:
        return _parse(value, info.parser)
    if not isinstance(annotation, type):
        raise _UncertainError
    if issubclass(annotation, Enum):
        return _choice(value, annotation)
    if issubclass(annotation, Path) and info.path_type is None:
        return _path(value, annotation, info, param, ctx)
    if annotation is str and isinstance(value, str):
        return value
    if annotation in (int, float):
        return _number(value, annotation, info)
    raise _UncertainError


def _parse(value: Any, parser: Callable[[Any], Any]) -> Any:
    try:
        return parser(value)
    except ValueError:
        raise _UncertainError from None


def _choice(value: Any, choices: type[Enum]) -> Enum:
    for choice in choices:
        if value is choice or (isinstance(value, str) and value == choice.value):
            return choice
    raise _UncertainError


def _path(value: Any, annotation: type[Path], info: Any, param: Any, ctx: Any) -> Any:
    if not isinstance(value, str | Path):
        raise _UncertainError
    from typer._param_types import coerce_cli_path

    return coerce_cli_path(annotation(value), info, path_type=annotation, param=param, ctx=ctx)


def _number(value: Any, annotation: type, info: Any) -> Any:
    pattern = _INTEGER if annotation is int else _NUMBER
    is_number = type(value) in (int, annotation)
    if not (is_number or (isinstance(value, str) and pattern.fullmatch(value))) or info.clamp:
        raise _UncertainError
    number = annotation(value)
    low = info.min is None or number >= info.min
    high = info.max is None or number <= info.max
    if not (low and high):
        raise _UncertainError
    return number
