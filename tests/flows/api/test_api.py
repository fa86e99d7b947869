"""The Python API on the shipped model."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import SAMPLES, Run, open_once
from tests.support.fake_engine import FakeEngine
from tests.support.images import animation, frame_grey, has_center_color
from tests.support.sample_scenes import PLACES
from vipllava_cli import (
    Arrow,
    Box,
    Contour,
    Ellipse,
    GenerationOptions,
    InputError,
    Mask,
    Model,
    ModelError,
    Point,
    Scribble,
    Triangle,
    UsageError,
    draw,
    load_model,
    read_records,
)
from vipllava_cli.errors import ExitCode
from vipllava_cli.marks.shapes import Shape

pytestmark = pytest.mark.model

GARDEN = SAMPLES / "garden.png"
QUESTION = "what is in the red box?"
BUTTERFLY = Box(*PLACES["garden"]["butterfly"])
SUNFLOWER = Box(*PLACES["garden"]["sunflower"])


@pytest.fixture
def model() -> Model:
    return Model(open_once("tiny"))


def test_the_documented_example_runs() -> None:
    model = load_model("tiny")
    answer = model.ask(GARDEN, QUESTION, marks=[BUTTERFLY])
    assert answer.text == "a butterfly"
    assert answer.finish_reason == "stop"
    assert answer.record["question"] == QUESTION
    assert answer.record["marks"][0]["shape"] == "box"
    assert model.info.name == "tiny"


def test_the_api_and_the_command_give_the_same_record(model: Model, run: Run) -> None:
    box = ",".join(map(str, PLACES["garden"]["butterfly"]))
    command = run("ask", GARDEN, QUESTION, "--box", box, "--model", "tiny", "--json")
    [record] = read_json_lines(command.stdout)
    own = model.ask(str(GARDEN), QUESTION, marks=[BUTTERFLY]).record
    assert {**own, "seconds": 0} == {**record, "seconds": 0}


def read_json_lines(text: str) -> list[dict[str, Any]]:
    import json

    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("kind", ["path", "text", "pillow", "array"])
def test_images_are_paths_pillow_images_or_arrays(model: Model, kind: str) -> None:
    with Image.open(GARDEN) as opened:
        pillow = opened.convert("RGB")
    images: dict[str, Any] = {
        "path": GARDEN,
        "text": os.fspath(GARDEN),
        "pillow": pillow,
        "array": np.asarray(pillow),
    }
    assert model.ask(images[kind], QUESTION, marks=[BUTTERFLY]).text == "a butterfly"


def test_a_path_may_choose_a_frame(model: Model, tmp_path: Path) -> None:
    moving = tmp_path / "moving.gif"
    moving.write_bytes(animation())
    first = model.ask(moving, QUESTION)
    assert first.notes == ("frame 1 of 3; #frame=N after the path chooses another",)
    third = model.ask(f"{moving}#frame=3", QUESTION)
    assert (third.notes, third.record["image"]) == ((), f"{moving}#frame=3")
    assert third.record["key"] != first.record["key"]
    assert has_center_color(draw(f"{moving}#frame=3", []), (frame_grey(2),) * 3)


def test_a_batch_gives_the_answers_of_single_questions_in_order(model: Model) -> None:
    rows: list[Any] = [
        {"image": GARDEN, "question": "what is {1}?", "marks": [box]}
        for box in (BUTTERFLY, SUNFLOWER, BUTTERFLY)
    ]
    alone = [model.ask(r["image"], r["question"], marks=r["marks"]).text for r in rows]
    for size in (None, 1, 2):
        assert [answer.text for answer in model.batch(rows, batch_size=size)] == alone


def test_a_row_that_fails_does_not_stop_the_others(model: Model) -> None:
    rows: list[Any] = [
        {"id": "gone", "image": "gone.png", "question": "what?"},
        {"id": "outside", "image": GARDEN, "question": "what?", "marks": [Box(900, 900, 950, 950)]},
        {"image": GARDEN},
        {
            "image": GARDEN,
            "question": QUESTION,
            "marks": [BUTTERFLY],
            "choices": ["a dog", "a cat"],
        },
    ]
    gone, outside, empty, chosen = model.batch(rows)
    assert "there is no file gone.png" in str(gone.error)
    assert gone.record["error"]["type"] == "InputError"
    assert (gone.record["id"], outside.record["id"], chosen.record["id"]) == (
        "gone",
        "outside",
        "4",
    )
    assert "640x640" in str(outside.error)
    assert "needs an image and a question" in str(empty.error)
    assert chosen.text in {"a dog", "a cat"}
    assert chosen.error is None


def test_a_row_with_a_choice_that_is_too_long_does_not_stop_the_others(model: Model) -> None:
    row = {"image": str(SAMPLES / "zoo-red-box.png"), "question": "what is in the red box?"}
    choices = (["a cow", "a penguin"], ["a cow", "a penguin " * 1000], ["a penguin", "a tree"])
    first, failed, last = model.batch({**row, "choices": some} for some in choices)
    assert first.text == last.text == "a penguin"
    assert "tiny reads at most 2047" in str(failed.error)


def test_a_batch_reads_its_rows_as_they_are_needed() -> None:
    read: list[int] = []

    def rows() -> Iterator[Any]:
        for number in range(100):
            read.append(number)
            yield {"image": GARDEN, "question": "what?"}

    answers = Model(FakeEngine()).batch(rows(), batch_size=4)
    next(answers)
    assert len(read) == 4


def test_a_batch_answers_the_rows_before_one_that_cannot_be_read() -> None:
    def rows() -> Iterator[Any]:
        for question in "abc":
            yield {"image": GARDEN, "question": question}
        raise ConnectionError("the source of the rows is gone")

    answers = Model(FakeEngine()).batch(rows(), batch_size=2)
    assert [next(answers).record["question"] for _ in range(3)] == ["a", "b", "c"]
    with pytest.raises(ConnectionError):
        next(answers)


def test_a_batch_that_does_not_fit_is_halved_and_a_broken_row_is_one_error() -> None:
    questions = ["a", "b", "broken", "d", "e"]
    engine = FakeEngine(fits=2, broken="broken")
    rows: list[Any] = [{"image": GARDEN, "question": question} for question in questions]
    answers = list(Model(engine).batch(rows, batch_size=5))
    assert [answer.error is None for answer in answers] == [True, True, False, True, True]


def test_a_chat_stores_its_turns(model: Model) -> None:
    chat = model.chat(GARDEN, marks=[BUTTERFLY])
    assert chat.ask(QUESTION).text == "a butterfly"
    assert chat.ask("what kind of thing is in the red box?").text == "an animal"
    chat.add_mark(Box(*PLACES["garden"]["sunflower"], color="blue"))
    assert chat.ask("what is in the blue box?").text == "a sunflower"
    assert [answer.text for answer in chat.responses] == ["a butterfly", "an animal", "a sunflower"]


def test_every_shape_is_drawn_as_the_command_draws_it(run: Run, tmp_path: Path) -> None:
    triangle = [(300, 300), (400, 300), (350, 400)]
    flat = ",".join(f"{x},{y}" for x, y in triangle)
    shapes: dict[str, tuple[Shape, str]] = {
        "box": (Box(10, 20, 110, 220), "10,20,110,220"),
        "ellipse": (Ellipse(10, 20, 110, 220), "10,20,110,220"),
        "arrow": (Arrow(60, 60), "60,60"),
        "point": (Point(40, 60), "40,60"),
        "triangle": (Triangle(triangle), flat),
        "scribble": (Scribble(triangle), flat),
        "mask": (Mask(triangle), flat),
        "contour": (Contour(triangle), flat),
    }
    for name, (mark, text) in shapes.items():
        out = tmp_path / f"{name}.png"
        assert run("annotate", GARDEN, f"--{name}", text, "-o", out, "-q").code == ExitCode.DONE
        with Image.open(out) as expected:
            assert draw(GARDEN, [mark]).tobytes() == expected.tobytes(), name


def test_a_mask_is_an_array_or_a_file_of_the_images_size(tmp_path: Path) -> None:
    region = np.zeros((640, 640), bool)
    region[100:200, 100:300] = True
    Image.fromarray(region).save(tmp_path / "mask.png")
    from_file = draw(GARDEN, [Mask(tmp_path / "mask.png", color="lime")])
    assert draw(GARDEN, [Mask(region, color="lime")]).tobytes() == from_file.tobytes()
    with pytest.raises(InputError, match=r"expected the image's height and width, \(640, 640\)"):
        draw(GARDEN, [Mask(region[:100])])
    with pytest.raises(InputError, match="contains no region"):
        draw(GARDEN, [Mask(np.zeros((640, 640)))])


def test_style_and_units_reach_the_mark(model: Model) -> None:
    mark = Box(0.1, 0.2, 0.5, 0.6, color="#0000ff", width=5, alpha=0.5, label="leaf", units="unit")
    [drawn] = model.ask(GARDEN, "what is {1}?", marks=[mark]).record["marks"]
    assert drawn == {
        "shape": "box",
        "coords": [64, 128, 320, 384],
        "color": "blue",
        "width": 5,
        "alpha": 0.5,
        "label": "leaf",
        "units": "px",
    }


def test_draw_leaves_its_input_alone() -> None:
    grey = np.full((100, 200, 3), 128, np.uint8)
    drawn = draw(grey, [Box(10, 10, 50, 50)], numbers=True)
    assert (grey == 128).all()
    assert drawn.size == (200, 100)


def test_wrong_input_is_an_error_of_the_family(model: Model) -> None:
    with pytest.raises(InputError, match="found int"):
        model.ask(3, "what?")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"float64 \[4, 4, 3\]"):
        draw(np.zeros((4, 4, 3)), [])
    with pytest.raises(InputError, match=r"expected points \(x, y\)"):
        draw(GARDEN, [Triangle([(1, 2), (3,)])])  # type: ignore[list-item]
    with pytest.raises(UsageError, match=r"contains \{2\}"):
        model.ask(GARDEN, "what is {2}?", marks=[BUTTERFLY])
    with pytest.raises(UsageError, match="remove the temperature"):
        model.ask(GARDEN, "what?", choices=["a", "b"], options=GenerationOptions(temperature=1.0))
    with pytest.raises(ModelError, match="no model"):
        load_model("nonsense")


def test_records_are_read_back(model: Model, tmp_path: Path) -> None:
    import json

    own = model.ask(GARDEN, QUESTION, marks=[BUTTERFLY]).record
    (tmp_path / "r.jsonl").write_text(json.dumps(own) + "\n")
    assert list(read_records(tmp_path / "r.jsonl")) == [own]
    with pytest.raises(InputError, match="there is no file"):
        list(read_records(tmp_path / "gone.jsonl"))
