"""The range of `--window`."""

from typing import Any

import pytest

from vipllava_cli.errors import UsageError
from vipllava_cli.images.window import check_window, format_window, parse_window


@pytest.mark.parametrize(
    ("text", "window"),
    [("0,4095", (0, 4095)), ("-100,400", (-100, 400)), (" 0.25, 1e3 ", (0.25, 1000))],
)
def test_two_numbers_are_a_window(text: str, window: tuple[float, float]) -> None:
    assert parse_window(text) == window
    assert parse_window(format_window(window)) == window


@pytest.mark.parametrize(
    "text", ["", "5", "5,5", "9,1", "a,b", "1,2,3", "nan,5", "0,inf", "1;2", "-1e308,1e308"]
)
def test_other_values_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"--window '.*': expected two numbers LOW,HIGH") as error:
        parse_window(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "value", [(5, 5), "0,5", (1, float("nan")), 5, (True, 2), (1,), {1: 2}, (0, 10**400)]
)
def test_values_of_a_program_are_checked(value: Any) -> None:
    with pytest.raises(UsageError, match="window: expected two numbers"):
        check_window(value)
