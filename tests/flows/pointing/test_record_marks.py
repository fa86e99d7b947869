"""The marks of an answer to a request: its zoom, its mark style, its options."""

import json
from dataclasses import replace
from typing import Any

import pytest

from vipllava_cli.engine.base import ModelInfo
from vipllava_cli.flows.pointing.record_marks import find_record_marks
from vipllava_cli.images.resized import SizeLimits
from vipllava_cli.marks.enlarged_regions import composed_sizes
from vipllava_cli.marks.recorded_marks import read_recorded_marks
from vipllava_cli.storage.records import Request

BOX = {"shape": "box", "coords": [100, 100, 200, 200], "color": "red"}
REQUEST = Request(
    id="a", key="b", image="a.png", width=1000, height=500, marks=(BOX,), numbers=False, crop=None,
    question="where?", model="m", revision="r", template="human", options={},
)  # fmt: skip


def info(family: str, *, pads_image: bool = True) -> ModelInfo:
    return ModelInfo("m", "r", "cpu", "fp32", family=family, pads_image=pads_image)


def answer(*numbers: float) -> str:
    return json.dumps({"bbox_2d": list(numbers), "label": "a"})


def coords(request: Request, text: str, family: str, side: int | None = None) -> Any:
    marks = find_record_marks(request, text, info(family), side).marks
    return [tuple(round(v, 1) for point in mark.parts[0] for v in point) for mark in marks]


def test_colours_are_none_of_the_request() -> None:
    [mark] = find_record_marks(REQUEST, answer(100, 300, 200, 500), info("qwen3-vl")).marks
    assert mark.color.name == "lime"
    assert coords(REQUEST, answer(100, 300, 200, 500), "qwen3-vl") == [(100, 50, 200, 250)]


@pytest.mark.parametrize("options", [{"choices": ["a"]}, {"fields": []}])
def test_choices_and_fields_point_at_nothing(options: dict[str, Any]) -> None:
    request = replace(REQUEST, options=options)
    assert find_record_marks(request, answer(100, 300, 200, 500), info("qwen3-vl")).marks == ()


def test_pixels_are_those_that_the_checkpoints_own_processor_makes() -> None:
    limits = SizeLimits(28, 56 * 56, 112 * 56)  # 1000 x 500 pixels become 112 x 56
    small = replace(info("qwen2_5_vl", pads_image=False), size_limits=limits)
    for style in (None, "coordinates"):
        request = replace(REQUEST, mark_style=style)
        [mark] = find_record_marks(request, answer(28, 14, 84, 42), small).marks
        assert mark.parts == (((250, 125), (750, 375)),)


def test_a_failed_row_points_at_nothing() -> None:
    request = replace(REQUEST, width=None, height=None)
    assert find_record_marks(request, answer(100, 300, 200, 500), info("qwen3-vl")).marks == ()


@pytest.mark.parametrize("crop", [None, (50, 50, 450, 350)])
def test_enlarged_regions_are_beside_the_image(crop: tuple[int, int, int, int] | None) -> None:
    request = replace(REQUEST, mark_style="crop", crop=crop)
    left, top, right, bottom = crop or (0, 0, 1000, 500)
    size = right - left, bottom - top
    [mark] = read_recorded_marks(
        [BOX | {"coords": [100 - left, 100 - top, 200 - left, 200 - top]}], size
    )
    whole, composed = composed_sizes(size, [mark])
    side = max(composed)
    offsets = (side - composed[0]) // 2, (side - composed[1]) // 2
    scale = whole[0] / size[0]
    place = (120, 110, 180, 190)
    numbers = [
        ((value - (left, top)[at % 2]) * scale + offsets[at % 2]) * 1000 / side
        for at, value in enumerate(place)
    ]
    [corners] = coords(request, answer(*numbers), "qwen3-vl")
    assert corners == pytest.approx(place, abs=0.2)
    beside = [offsets[0] + 1, offsets[1] + whole[1] + 2, offsets[0] + 90, offsets[1] + composed[1]]
    found = find_record_marks(
        request, answer(*(value * 1000 / side for value in beside)), info("qwen3-vl")
    )
    assert found.marks == ()
    assert "points at an enlarged copy beside the image (1 region)" in found.note


def test_pixels_of_an_image_that_was_made_smaller_for_its_model() -> None:
    request = replace(REQUEST, width=4000, height=4000, marks=(), mark_style="coordinates")
    # The image is sent with 980 pixels a side.
    assert coords(request, answer(98, 196, 490, 980), "qwen2_5_vl") == [(400, 800, 2000, 4000)]
    assert coords(request, answer(98, 196, 490, 980), "qwen2_5_vl", 980) == [(400, 800, 2000, 4000)]
    drawn = replace(request, mark_style=None)
    assert coords(drawn, answer(0, 0, 1792, 3584), "qwen2_5_vl") == [(0, 0, 2000, 4000)]


@pytest.mark.parametrize("crop", [None, (50, 50, 450, 350)])
def test_an_image_that_is_not_padded(crop: tuple[int, int, int, int] | None) -> None:
    request = replace(REQUEST, crop=crop)
    left, top, right, bottom = crop or (0, 0, 1000, 500)
    text = answer(100, 200, 500, 900)
    [mark] = find_record_marks(request, text, info("qwen3_vl", pads_image=False)).marks
    width, height = right - left, bottom - top
    expected = (left + width / 10, top + height / 5, left + width / 2, top + height * 0.9)
    assert mark.bounds == pytest.approx(expected)


def test_pixels_of_an_image_that_is_not_padded() -> None:
    text = answer(28, 28, 1008, 504)  # 1000x500 becomes 1008x504
    [mark] = find_record_marks(REQUEST, text, info("qwen2_5_vl", pads_image=False)).marks
    assert mark.bounds == pytest.approx((27.8, 27.8, 1000, 500), abs=0.1)
