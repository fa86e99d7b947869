"""Values of options without pydantic: equal to those of Typer, with its errors."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer._coercion import build_runtime_param

from vipllava_cli.cli.app import app
from vipllava_cli.cli.quick_values import _QuickParameter

TEXTS = (
    *("", "auto", "a b", "yes", "no", "1", "0", "-1", "+1", "007", "1_000", " 1", "1.5", "-0.0"),
    *("1.", ".5", "1e3", "nan", "inf", "9" * 30, "٣", "AUTO", "Auto", "cuda:0", "cuda:x", "human"),
    *("px", "coco", "/", "/tmp", ".", "no/such/file", "~", "é", "drawn", "merge", "128", "4096"),
)
VALUES: tuple[Any, ...] = (*TEXTS, None, True, False, 0, 1, 5, 1.5, float("nan"), 10**20)


def _parameters() -> Iterator[tuple[str, Any, Any]]:
    """Yield the parameters of all subcommands, each kind once."""
    seen = set()
    root = typer.main.get_command(app)
    waiting = [("vipllava", root, typer.Context(root, info_name="vipllava"))]
    while waiting:
        name, command, ctx = waiting.pop()
        for child, each in getattr(command, "commands", {}).items():
            waiting.append((f"{name} {child}", each, typer.Context(each, ctx, info_name=child)))
        parameters: list[Any] = list(command.params)
        for parameter in parameters:
            described = parameter.type_descriptor
            info = described.parameter_info
            kind = (described.annotation, info.min, info.max, info.parser, parameter.multiple)
            if str(kind) not in seen:
                seen.add(str(kind))
                yield f"{name} {parameter.name}", parameter, ctx


def _outcome(converter: Any, value: Any, parameter: Any, ctx: Any) -> str:
    try:
        found = converter.coerce(value, param=parameter, ctx=ctx)
    except Exception as error:
        return f"{type(error).__name__}: {getattr(error, 'message', error)}"
    return f"{type(found).__name__}: {found!r}"


PARAMETERS = {name: (parameter, ctx) for name, parameter, ctx in _parameters()}


@pytest.mark.parametrize("name", PARAMETERS)
def test_are_equal_to_those_of_typer(name: str) -> None:
    parameter, ctx = PARAMETERS[name]
    usual = build_runtime_param(parameter.type_descriptor)
    values: list[Any] = [*VALUES, *([each] for each in TEXTS), ("1", "2"), ["px", "x"], [], ()]
    for value in values:
        quick = _outcome(_QuickParameter(), value, parameter, ctx)
        assert quick == _outcome(usual, value, parameter, ctx), f"{value!r}"


def test_all_kinds_of_options_are_compared() -> None:
    kinds = {str(parameter.type_descriptor.annotation) for parameter, _ in PARAMETERS.values()}
    assert len(kinds) >= 8
    assert len(PARAMETERS) >= 20
