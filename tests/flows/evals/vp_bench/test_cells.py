"""Cells in the forms that Parquet files and tables hold them."""

from typing import Any

import pytest

from vipllava_cli.flows.evals.vp_bench.cells import item_texts, parsed_cell, text_cell


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("arrow", ("arrow",)),
        ("bounding box, arrow", ("bounding box", "arrow")),
        (["arrow", "tag", "arrow"], ("arrow", "tag")),
        ("['arrow', 'tag']", ("arrow", "tag")),
        ('["arrow", "tag"]', ("arrow", "tag")),
        ("red (255, 0, 0); thick", ("red (255, 0, 0)", "thick")),
        ('{"color": "red", "width": 3}', ("color: red", "width: 3")),
        ({"color": "red", "style": None}, ("color: red",)),
        ("[{'color': 'red'}, {'color': 'blue'}]", ("color: red", "color: blue")),
        ({"1": {"color": "red"}, "2": {"color": "blue"}}, ("color: red", "color: blue")),
        ("[not a list", ("[not a list",)),
        (3, ("3",)),
        (None, ()),
        (float("nan"), ()),
        ("", ()),
    ],
)
def test_lists_in_every_form(value: Any, texts: tuple[str, ...]) -> None:
    assert item_texts(value) == texts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.0, "2"),
        (2.5, "2.5"),
        (" a\n", "a"),
        (None, ""),
        (float("nan"), ""),
        ({"color": "rosé", "width": None}, '{"color": "rosé", "width": null}'),
        ([("color", "red")], '{"color": "red"}'),  # a map of Arrow
        (["arrow", "tag"], '["arrow", "tag"]'),
        ([], ""),
    ],
)
def test_texts(value: Any, text: str) -> None:
    assert text_cell(value) == text


def test_deep_and_huge_texts_stay_texts() -> None:
    for text in ("[" * 100_000 + "]" * 100_000, "[" + "1," * 600_000 + "1]"):
        assert parsed_cell(text) == text
