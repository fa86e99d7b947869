"""Sizes as text."""

import pytest

from vipllava_cli.errors import UsageError
from vipllava_cli.storage.sizes import binary_size, decimal_size, parse_size


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.6, "1.0 kB"),
        (504_000, "504 kB"),
        (999_600, "1.0 MB"),
        (14_200_000_000, "14.2 GB"),
        (2e18, "2000.0 PB"),
    ],
)
def test_files_are_measured_in_powers_of_1000(size: float, text: str) -> None:
    assert decimal_size(size) == text


@pytest.mark.parametrize(
    ("size", "text"), [(1023, "1023 B"), (386 * 2**20, "386 MiB"), (13.2 * 2**30, "13.2 GiB")]
)
def test_memory_is_measured_in_powers_of_1024(size: float, text: str) -> None:
    assert binary_size(size) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [("8GiB", 8 * 2**30), ("500MB", 500_000_000), (" 1.5 gib ", 3 * 2**29), ("7", 7), ("7B", 7)],
)
def test_a_size_is_a_number_and_a_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1GB", "1 XB", "1.GB", "1e3", "1_000"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size"):
        parse_size(text)
