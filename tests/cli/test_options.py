"""The shared options: one definition of each value, default and bound."""

from dataclasses import fields
from typing import Any, get_type_hints

import pytest

from tests.conftest import Run
from vipllava_cli.cli.options import AnswerOptions, MarkOptions, ModelOptions
from vipllava_cli.cli.repl.settings import SETTINGS
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.errors import ExitCode, UsageError
from vipllava_cli.marks.shape_table import SHAPES
from vipllava_cli.marks.types import MarkStyle


def flag(group: type, name: str) -> Any:
    """Return Typer's description of a flag."""
    return get_type_hints(group, include_extras=True)[name].__metadata__[0]


def test_the_defaults_are_those_of_the_engine() -> None:
    assert AnswerOptions().options() == GenerationOptions()
    assert ModelOptions().load_options() == LoadOptions()
    assert MarkOptions().style() == MarkStyle()
    assert MarkOptions().specs() == []


def test_every_shape_has_a_flag() -> None:
    assert set(SHAPES) <= {field.name for field in fields(MarkOptions)}


def test_the_help_shows_the_defaults_of_marks(run: Run) -> None:
    shown = " ".join(run("annotate", "--help").stdout.replace("│", " ").split())
    for default in ("(default: 3)", "masks", "[default: px]"):
        assert default in shown


@pytest.mark.parametrize("name", ["max_new_tokens", "temperature", "top_p", "seed"])
def test_a_chat_setting_has_the_bounds_of_its_flag(name: str) -> None:
    setting, bounds = SETTINGS[name.replace("_", "-")], flag(AnswerOptions, name)
    for bound, outside in ((bounds.min, bounds.min - 1), (bounds.max, bounds.max + 1)):
        assert setting.parse(str(bound)) == bound
        with pytest.raises(ValueError, match=r"^$"):
            setting.parse(str(outside))


@pytest.mark.parametrize("name", ["max-new-tokens", "temperature", "top-p", "seed"])
def test_a_flag_refuses_values_beyond_its_bounds(run: Run, name: str) -> None:
    bounds = flag(AnswerOptions, name.replace("-", "_"))
    for outside in (bounds.min - 1, bounds.max + 1):
        result = run("ask", "image.png", "what?", f"--{name}", str(outside))
        assert result.code == ExitCode.USAGE
        assert f"--{name}" in result.stderr


def test_choices_exclude_sampling() -> None:
    assert AnswerOptions().options("cat,dog").choices == ("cat", "dog")
    with pytest.raises(UsageError, match="--choices scores answers without sampling"):
        AnswerOptions(temperature=1.0).options("cat,dog")
    with pytest.raises(UsageError, match=r"^--choices: choices are two or more"):
        AnswerOptions().options("cat")
