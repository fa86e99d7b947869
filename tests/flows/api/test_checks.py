"""The errors of the Python API for wrong values."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import SAMPLES
from tests.support.fake_engine import FakeEngine
from vipllava_cli import (
    Box,
    GenerationOptions,
    InputError,
    Mask,
    Model,
    Scribble,
    UsageError,
    VipllavaError,
    draw,
    load_model,
    read_records,
)

pytestmark = pytest.mark.model

GARDEN = SAMPLES / "garden.png"
ROW = {"image": GARDEN, "question": "what?"}
Call = Callable[..., Any]


@pytest.fixture
def model() -> Any:
    return Model(FakeEngine())


def _closed_image() -> Image.Image:
    image = Image.open(GARDEN)
    image.close()
    return image


def _truncated_image() -> Image.Image:
    return Image.open(io.BytesIO(GARDEN.read_bytes()[:20_000]))


@pytest.mark.parametrize(
    "make", [_closed_image, _truncated_image, lambda: np.zeros((0, 0, 3), np.uint8)]
)
def test_an_unusable_image_in_memory_is_an_input_error(model: Any, make: Call) -> None:
    with pytest.raises(InputError, match="image in memory cannot be used"):
        draw(make(), [])
    [broken, good] = model.batch([{**ROW, "image": make()}, ROW])
    assert broken.error
    assert good.error is None


@pytest.mark.parametrize("marks", [Box(1, 2, 30, 40), Path("marks.json"), "1,2,3,4", 3, {}])
def test_marks_are_a_list(marks: Any) -> None:
    with pytest.raises(InputError, match="expected a list of marks"):
        draw(GARDEN, marks)


def test_marks_take_numpy_numbers_tuples_and_arrays() -> None:
    expected = draw(GARDEN, [Box(10, 20, 110, 220, width=5)]).tobytes()
    coords = np.array([10, 20, 110, 220], np.float32)
    marks: list[Any] = [
        Box(*map(np.float32, coords), width=np.int64(5)),
        {"shape": "box", "coords": coords, "width": 5},
        {"shape": "box", "coords": (10, 20, 110, 220), "width": 5},
    ]
    for mark in marks:
        assert draw(GARDEN, [mark]).tobytes() == expected
    points: Any = np.array([[10, 20], [110, 220]])
    line = draw(GARDEN, [Scribble([(10, 20), (110, 220)])])
    assert draw(GARDEN, [Scribble(points)]).tobytes() == line.tobytes()
    mask: Any = Image.new("L", (640, 640))
    with pytest.raises(InputError, match=r"expected a list of points \(x, y\)"):
        draw(GARDEN, [Mask(mask)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mark": []}, "row 1 has an unknown field 'mark'"),
        ({"question": None}, "expected text as question, found None"),
        ({"question": ["what?"]}, "expected text as question"),
        ({"marks": 3}, "expected a list of marks, like"),
        ({"choices": "a lion,a penguin"}, "not 'a lion,a penguin'"),
        ({"choices": 3}, "choices are two or more different answers"),
    ],
)
def test_a_bad_field_is_the_error_of_its_row(model: Any, change: Any, message: str) -> None:
    broken, good = model.batch([{**ROW, **change}, {**ROW, "id": None, "marks": None}])
    assert message in broken.error
    assert (good.error, good.record["id"]) == (None, "2")


def test_a_row_that_is_no_dict_is_one_error(model: Any) -> None:
    answers = list(model.batch(row for row in ["a.jpg", None, ROW]))
    assert [answer.error is None for answer in answers] == [False, False, True]
    assert answers[0].error.startswith("row 1: expected a dict like")


@pytest.mark.parametrize("rows", ["a.jpg", ROW, None])
def test_a_single_row_is_no_batch(model: Any, rows: Any) -> None:
    with pytest.raises(UsageError, match="expected rows like"):
        model.batch(rows)


@pytest.mark.parametrize("size", [0, -1, "auto", 2.5])
def test_a_batch_size_is_a_positive_integer(model: Any, size: Any) -> None:
    with pytest.raises(UsageError, match="as batch_size"):
        model.batch([ROW], batch_size=size)


@pytest.mark.parametrize(
    "options",
    [
        None,
        {"temperature": 0.5},
        GenerationOptions(temperature=-1),
        GenerationOptions(temperature=float("nan")),
        GenerationOptions(temperature="hot"),  # type: ignore[arg-type]
        GenerationOptions(max_new_tokens=0),
        GenerationOptions(max_new_tokens=10**400),
        GenerationOptions(max_new_tokens=2.5),  # type: ignore[arg-type]
        GenerationOptions(top_p=0),
        GenerationOptions(seed=None),  # type: ignore[arg-type]
    ],
)
def test_options_are_checked_before_anything_runs(model: Any, options: Any) -> None:
    for call in (model.ask, model.chat):
        with pytest.raises(UsageError, match=r"^expected "):
            call(GARDEN, *(["what?"] if call == model.ask else []), options=options)
    with pytest.raises(UsageError, match=r"^expected "):
        model.batch([ROW], options=options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"choices": "ab"}, "choices are two or more different answers"),
        ({"choices": ("a",)}, "choices are two or more different answers"),
        ({"choices": ("a", "b"), "temperature": 1.0}, "remove the temperature"),
        ({"fields": ("kind",)}, "or a JSON Schema as fields"),
    ],
)
def test_choices_and_fields_of_the_options_are_checked_like_arguments(
    model: Any, options: Any, message: str
) -> None:
    chosen = GenerationOptions(**options)
    with pytest.raises(VipllavaError, match=message):
        model.ask(GARDEN, None if chosen.fields else "what?", options=chosen)
    with pytest.raises(VipllavaError, match=message):
        model.batch([ROW], options=chosen)


def test_an_unknown_template_is_a_usage_error(model: Any) -> None:
    with pytest.raises(UsageError, match="human, vicuna, chat as template, found 'x'"):
        model.ask(GARDEN, "what?", template="x")


def test_a_chat_refuses_a_question_that_is_no_text_and_continues(model: Any) -> None:
    chat = model.chat(GARDEN)
    for question in (None, 3, ""):
        with pytest.raises(UsageError):
            chat.ask(question)
    assert chat.ask("what?").text
    with pytest.raises(UsageError, match="no choices"):
        model.chat(GARDEN, options=GenerationOptions(choices=("a", "b")))


@pytest.mark.parametrize(
    "options",
    [
        {"name": None},
        {"dtype": "float16"},
        {"quantize": "int4"},
        {"device": "gpu"},
        {"attention": "x"},
        {"max_memory": {0: "8GiB"}},
    ],
)
def test_loading_options_are_checked(options: Any) -> None:
    with pytest.raises(UsageError):
        load_model(**options)


def test_a_record_file_is_a_path() -> None:
    wrong: Any = 3
    with pytest.raises(UsageError, match="as path, found 3"):
        read_records(wrong)
