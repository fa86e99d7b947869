"""Regions of answers in pixels of the upright image: units, padding, crops, and what is dropped."""

import json
import random
from collections.abc import Iterator

import pytest

from tests.flows.pointing.test_find_regions import ANSWERS
from vipllava_cli.engine.prompts.region_conventions import (
    CONVENTIONS,
    Notation,
    Order,
    RegionConvention,
    Unit,
)
from vipllava_cli.engine.prompts.region_units import to_units
from vipllava_cli.flows.pointing.answer_marks import SeenImage, find_answer_marks
from vipllava_cli.images.square import place_for_model
from vipllava_cli.marks.colors import NAMED_COLORS, Color, parse_color, unused_colors
from vipllava_cli.marks.json_marks import mark_to_json
from vipllava_cli.marks.recorded_marks import read_recorded_marks
from vipllava_cli.marks.types import Mark

LANDSCAPE = SeenImage((640, 480))  # 80 rows of padding above and below, in a square of 640
BOX = '{"bbox_2d": [250, 250, 500, 500], "label": "a"}'


def boxes(answer: str, family: str, seen: SeenImage = LANDSCAPE) -> list[tuple[float, ...]]:
    """Return the coordinates of the marks of an answer, to a tenth of a pixel."""
    return [flat(mark) for mark in find_answer_marks(answer, family, seen).marks]


def flat(mark: Mark) -> tuple[float, ...]:
    return tuple(round(value, 1) for point in mark.parts[0] for value in point)


@pytest.mark.parametrize(
    ("family", "answer", "expected"),
    [
        ("qwen3-vl:8b", BOX, (160, 80, 320, 240)),
        ("qwen3_vl", BOX, (160, 80, 320, 240)),
        ("Qwen/Qwen2.5-VL-7B-Instruct", BOX, (248.4, 168.4, 496.9, 416.9)),  # of 644 pixels
        ("qwen2-vl", "<ref>a</ref><box>(250,250),(500,500)</box>", (160, 80, 320, 240)),
        ("qwen2-vl", "a(250,250),(500,500)", (160, 80, 320, 240)),
        ("InternVL3-8B", "<ref>a</ref><box>[[250, 250, 500, 500]]</box>", (160, 80, 320, 240)),
        ("openbmb/MiniCPM-V-4_5", "<box>250 250 500 500</box>", (160, 80, 320, 240)),
        (
            "glm-4.1v-thinking",
            "<|begin_of_box|>[[250,250,500,500]]<|end_of_box|>",
            (160, 80, 320, 240),
        ),
        ("glm-4.5v", "It is at [[250,250,500,500]].", (160, 80, 320, 240)),
        ("kimi-vl", '{"bbox_2d": [0.25, 0.25, 0.5, 0.5]}', (160, 80, 320, 240)),
        ("gemini-2.5-flash", '{"box_2d": [250, 400, 500, 600]}', (256, 80, 384, 240)),
        ("paligemma2", "<loc0256><loc0512><loc0512><loc0768> cat", (320, 80, 480, 240)),
        ("llava-1.5-7b", "at [0.25, 0.25, 0.5, 0.5]", (160, 80, 320, 240)),
        ("vipllava", "at [0.25, 0.25, 0.5, 0.5]", (160, 80, 320, 240)),
        ("Molmo-7B", '<point x="25" y="50" alt="a">a</point>', (160, 240)),
        ("qwen3-vl", '{"point_2d": [250, 500]}', (160, 240)),
        ("gemini-2.5-pro", '{"point": [500, 250]}', (160, 240)),
        ("qwen2.5-vl", '<points x1="161" y1="322" alt="a">a</points>', (160, 240)),
    ],
)
def test_units_and_order_are_those_of_the_family(
    family: str, answer: str, expected: tuple[float, ...]
) -> None:
    assert boxes(answer, family) == [expected]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("<ref>a</ref><box>(250,250),(500,500)</box>", [(160, 80, 320, 240)]),
        ("<box>[[250, 250, 500, 500]]</box>", [(160, 80, 320, 240)]),
        ("<|begin_of_box|>[[250,250,500,500]]<|end_of_box|>", [(160, 80, 320, 240)]),
        ("<loc0256><loc0512><loc0512><loc0768> cat", [(320, 80, 480, 240)]),
        ("cat<loc_250><loc_250><loc_500><loc_500>", [(160, 80, 320, 240)]),
        ('<point x="25" y="50" alt="a">a</point>', [(160, 240)]),
        # These do not say their unit.
        (BOX, []),
        ('{"box_2d": [250, 250, 500, 500]}', []),
        ('{"bbox": [0.25, 0.25, 0.5, 0.5]}', []),
        ("<point>250 500</point>", []),
        ("[250, 250, 500, 500]", []),
    ],
)
def test_an_unknown_family_has_marks_only_in_a_notation_with_one_unit(
    answer: str, expected: list[tuple[float, ...]]
) -> None:
    found = find_answer_marks(answer, "some-model", LANDSCAPE)
    assert [flat(mark) for mark in found.marks] == expected
    is_bare = answer.startswith("[")
    assert ("'some-model' is of no model family" in found.note) == (not expected and not is_bare)


@pytest.mark.parametrize(
    "answer",
    [
        '{"bbox_2d": [1200, 250, 1500, 500]}',
        '{"bbox_2d": [100, 250, 1500, 500]}',  # of another unit, so wrong as a whole
        '{"bbox_2d": [-300, 250, 500, 500]}',
        '{"bbox_2d": [250, 250, 250, 500]}',
        '{"bbox_2d": [250, 10, 500, 100]}',  # in the padding
        '{"bbox_2d": [0.25, 0.25, 0.5, 0.5]}',  # fractions
        '{"bbox_2d": [NaN, 250, 500, 500]}',
        '{"point_2d": [500, 20]}',
    ],
)
def test_a_region_without_a_certain_place_is_no_mark(answer: str) -> None:
    found = find_answer_marks(answer, "qwen3-vl", LANDSCAPE)
    assert found.marks == ()
    assert "becomes no mark" in found.note
    both = find_answer_marks(f"[{answer}, {BOX}]", "qwen3-vl", LANDSCAPE)
    assert [flat(mark) for mark in both.marks] == [(160, 80, 320, 240)]
    assert both.note.startswith("1 of 2 regions")


def test_corners_are_sorted_and_boxes_clipped() -> None:
    assert boxes('{"bbox_2d": [500, 500, 250, 250]}', "qwen3-vl") == [(160, 80, 320, 240)]
    assert boxes('{"bbox_2d": [0, 0, 1000, 1000]}', "qwen3-vl") == [(0, 0, 640, 480)]
    assert boxes('{"bbox_2d": [-5, 500, 500, 1010]}', "qwen3-vl") == [(0, 240, 320, 480)]


@pytest.mark.parametrize(
    "answer",
    ["Codes: [1, 2, 3, 4].", "[1990, 1995, 2000, 2005]", "[250, 250, 250, 500]", "[3, 2, 1, 0]"],
)
def test_other_numbers_in_prose_are_no_marks(answer: str) -> None:
    assert find_answer_marks(answer, "qwen3-vl", LANDSCAPE) == find_answer_marks("", "", LANDSCAPE)


def test_whole_numbers_in_prose_are_no_fractions() -> None:
    assert boxes("[0, 0, 1, 1]", "llava-1.5") == []
    assert boxes("[0, 0, 1, 1.0]", "llava-1.5") == []
    assert boxes("[0.0, 0.3, 1, 0.9]", "llava-1.5") == [(0, 112, 640, 480)]


def test_a_crop_is_where_the_model_saw_it() -> None:
    seen = SeenImage((640, 480), (100, 50, 300, 150))  # 200x100, with 50 rows of padding
    assert boxes('{"bbox_2d": [0, 250, 500, 750], "label": "a"}', "qwen3-vl", seen) == [
        (100, 50, 200, 150)
    ]
    assert boxes('{"bbox_2d": [0, 0, 1000, 1000]}', "qwen3-vl", seen) == [(100, 50, 300, 150)]


def test_pixels_count_in_the_image_that_was_sent() -> None:
    seen = SeenImage((4000, 3000), None, (2000, 2000))  # the model resizes 2000 to 1988
    answer = '{"bbox_2d": [497, 994, 994, 1491]}'
    assert boxes(answer, "qwen2.5-vl", seen) == [(1000, 1500, 2000, 2500)]


def test_a_huge_image_is_scaled_to_its_square() -> None:
    seen = SeenImage((20_000, 10_000))
    assert boxes('{"bbox_2d": [0, 250, 500, 750]}', "qwen3-vl", seen) == [(0, 0, 10_000, 10_000)]


def test_labels_and_colours() -> None:
    answer = json.dumps(
        [{"bbox_2d": [n, 400, n + 50, 500], "label": f"o{n}"} for n in range(0, 900, 9)]
    )
    taken = [parse_color("red"), parse_color("#00ff01"), parse_color("dark-green")]
    found = find_answer_marks(answer, "qwen3-vl", LANDSCAPE, taken)
    assert [mark.label for mark in found.marks] == [f"o{n}" for n in range(0, 900, 9)]
    used = {mark.color for mark in found.marks}
    assert not {color.rgb for color in used} & {color.rgb for color in taken}
    assert not {color.name for color in used} & {"red", "lime", "dark green"}
    assert len(used) == len(NAMED_COLORS) - 3


def test_there_is_a_colour_beside_all_that_have_names() -> None:
    taken = [*NAMED_COLORS, Color("red", (255, 0, 51))]
    assert next(unused_colors(taken)).rgb not in {color.rgb for color in taken}


# --- round trips -----------------------------------------------------------------------------


def write(numbers: tuple[float, ...], convention: RegionConvention) -> str:
    """Write a box or a point as the family does."""
    texts = [f"{value:g}" for value in numbers]
    joined = ", ".join(texts)
    if convention.notation is Notation.POINT_TAG:
        return f'<point x="{texts[0]}" y="{texts[1]}" alt="thing">thing</point>'
    forms = {
        Notation.BBOX_2D: f'```json\n[{{"bbox_2d": [{joined}], "label": "thing"}}]\n```',
        Notation.BOX_2D: f'{{"label": "thing", "box_2d": [{joined}]}}',
        Notation.BOX_PARENTHESES: "<ref>thing</ref><box>({},{}),({},{})</box>".format(*texts),
        Notation.BOX_LIST: f"<ref>thing</ref><box>[[{joined}]]</box>",
        Notation.BOX_SPACES: f"<ref>thing</ref><box>{' '.join(texts)}</box>",
        Notation.BEGIN_OF_BOX: f"<|begin_of_box|>[[{joined}]]<|end_of_box|>",
        Notation.LOC_TOKENS: "".join(f"<loc{int(value):04}>" for value in numbers) + " thing",
        Notation.BRACKETS: f"It is at [{joined}].",
    }
    text = forms[convention.notation]
    start, end = convention.tags or ("<box>", "</box>")
    return text.replace("<box>", start).replace("</box>", end)


def cases(count: int) -> Iterator[tuple[SeenImage, tuple[float, ...]]]:
    """Yield images of any form, some cropped, with a box on them."""
    numbers = random.Random(25)
    for _ in range(count):
        size = numbers.randint(30, 5000), numbers.randint(30, 5000)
        crop = None
        if numbers.random() < 0.4:
            crop = (size[0] // 5, size[1] // 6, size[0] - 3, size[1] - size[1] // 7)
        left, top, right, bottom = crop or (0, 0, *size)
        side = max(right - left, bottom - top)
        while True:
            xs = sorted(numbers.uniform(left, right) for _ in range(2))
            ys = sorted(numbers.uniform(top, bottom) for _ in range(2))
            if min(xs[1] - xs[0], ys[1] - ys[0]) > 0.015 * side or side > 40 * (right - left):
                break
            if min(right - left, bottom - top) < 0.05 * side:
                xs, ys = [left, right], [top, bottom]
                break
        yield SeenImage(size, crop), (xs[0], ys[0], xs[1], ys[1])


@pytest.mark.parametrize("convention", CONVENTIONS, ids=lambda each: each.family)
def test_boxes_come_back_to_the_upright_image(convention: RegionConvention) -> None:
    names = {"GLM-V": "glm-4.5v"}
    family = (*convention.model_types, names.get(convention.family, convention.family))[0]
    for seen, box in cases(200):
        left, top, right, bottom = seen.crop or (0, 0, *seen.size)
        square = place_for_model((right - left, bottom - top))
        shifted = tuple(
            value + (square.left - left if at % 2 == 0 else square.top - top)
            for at, value in enumerate(box)
        )
        place = shifted[:2] if convention.notation is Notation.POINT_TAG else shifted
        numbers = to_units(place, square.frame, convention)
        [mark] = find_answer_marks(write(numbers, convention), family, seen).marks
        unit = 1 / 512 if convention.unit is Unit.LOC_BINS else 1 / 1000
        found = tuple(value for point in mark.parts[0] for value in point)
        tolerance = 0.6 * unit * square.frame[0] + (
            1.2 if convention.unit is Unit.RESIZED_PIXELS else 0.1
        )
        assert found == pytest.approx(box[: len(found)], abs=tolerance), (seen, box)
        assert left <= found[0] <= right
        assert top <= found[1] <= bottom
        if convention.notation not in (Notation.BRACKETS, Notation.BEGIN_OF_BOX):
            assert mark.label == "thing"


def test_points_of_a_family_that_writes_y_first() -> None:
    assert next(each for each in CONVENTIONS if each.family == "Gemini").order is Order.YXYX
    assert boxes('<point x="100" y="500">', "gemini") == [(64, 240)]  # named, so not swapped


def test_damaged_answers_give_marks_on_the_image_or_none() -> None:
    numbers = random.Random(7)
    pieces = [text for text, _ in ANSWERS.values()]
    letters = "[](){}<>\"',:;.-+eE0123456789 \n\\|/_xyé\ud800\x00"
    families = [*(each.model_types or (each.family,) for each in CONVENTIONS), ("none",)]
    found = 0
    for _ in range(3000):
        text = list(numbers.choice(pieces) + numbers.choice(pieces))
        for _ in range(numbers.randint(0, 12)):
            at = numbers.randrange(len(text) + 1)
            text[at : at + numbers.randint(0, 3)] = numbers.choices(
                letters, k=numbers.randint(0, 3)
            )
        seen = SeenImage((numbers.randint(1, 3000), numbers.randint(1, 3000)))
        family = numbers.choice(families)[0]
        for mark in find_answer_marks("".join(text), family, seen).marks:
            found += 1
            left, top, right, bottom = mark.bounds
            assert 0 <= left <= right <= seen.size[0]
            assert 0 <= top <= bottom <= seen.size[1]
            assert mark.shape == "point" or (left < right and top < bottom)
            [again] = read_recorded_marks([mark_to_json(mark)], seen.size)
            assert flat(again) == pytest.approx(flat(mark), abs=0.11)
    assert found > 400
