"""The text of a place in the notation of every family."""

import pytest

from vipllava_cli.engine.prompts.place_text import _WRITERS, write_place
from vipllava_cli.engine.prompts.region_conventions import Notation, find_convention


@pytest.mark.parametrize(
    ("model", "box", "point"),
    [
        ("qwen3-vl", '{"bbox_2d": [1, 2, 3, 4]}', '{"point_2d": [1, 2]}'),
        ("qwen2.5-vl", '{"bbox_2d": [1, 2, 3, 4]}', '{"point_2d": [1, 2]}'),
        ("qwen2-vl", "<|box_start|>(1,2),(3,4)<|box_end|>", "(1,2)"),
        ("qwen-vl", "<box>(1,2),(3,4)</box>", "(1,2)"),
        ("internvl3", "<box>[[1, 2, 3, 4]]</box>", "[1, 2]"),
        ("minicpm-v", "<box>1 2 3 4</box>", "<point>1 2</point>"),
        ("glm-4.5v", "[[1,2,3,4]]", "[1,2]"),
        ("kimi-vl", '{"bbox_2d": [1, 2, 3, 4]}', '{"point_2d": [1, 2]}'),
        ("gemini-2.5-pro", '{"box_2d": [1, 2, 3, 4]}', '{"point": [1, 2]}'),
        ("paligemma2", "<loc0001><loc0002><loc0003><loc0004>", "<loc0001><loc0002>"),
        ("llava-1.5", "[1, 2, 3, 4]", "[1, 2]"),
        ("molmo", '<point x="2.0" y="3.0">', '<point x="1.0" y="2.0">'),  # it has no boxes
    ],
)
def test_a_box_and_a_point(model: str, box: str, point: str) -> None:
    convention = find_convention(model)
    assert convention
    assert write_place((1, 2, 3, 4), convention) == box
    assert write_place((1, 2), convention) == point


def test_every_notation_has_a_writer() -> None:
    assert set(_WRITERS) == set(Notation)
