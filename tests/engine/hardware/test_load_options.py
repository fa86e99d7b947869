"""`--max-memory` as typed."""

import pytest

from tests.support.machines import GIB
from vipllava_cli.engine.hardware.load_options import parse_max_memory
from vipllava_cli.errors import UsageError


def test_memory_limits_are_parsed_by_location() -> None:
    assert parse_max_memory("0=8GiB, cpu=1.5GiB") == {0: 8 * GIB, "cpu": 3 * GIB // 2}


@pytest.mark.parametrize("text", ["8GiB", "0=", "x=8GiB", "cpu=much", "0=8GiB,,cpu=1GiB", "²=1GiB"])
def test_an_invalid_memory_limit_is_one_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_max_memory(text)
    assert "\n" not in str(caught.value)


def test_a_small_number_without_a_unit_is_refused() -> None:
    with pytest.raises(UsageError, match="invalid --max-memory '8': use 8GiB"):
        parse_max_memory("0=8")
    assert parse_max_memory("0=8589934592") == {0: 8 * GIB}
