"""`vipllava ask`: answers, records, notes."""

import json
from pathlib import Path

import pytest

from tests.conftest import SAMPLES, Run
from tests.support.terminal import run_in_terminal
from vipllava_cli.storage.records import SCHEMA

pytestmark = pytest.mark.model

ZOO = SAMPLES / "zoo-red-box.png"
QUESTION = "what is in the red box?"


@pytest.fixture(autouse=True)
def _shared_engine(opened_once: None) -> None:
    """Load the model once for all tests."""


def test_an_answer_is_alone_on_stdout(run: Run) -> None:
    result = run("ask", ZOO, QUESTION)
    assert (result.code, result.stdout) == (0, "a penguin\n")
    assert "tiny" in result.stderr
    assert "vipllava models pull 7b" in result.stderr
    assert run("ask", ZOO, QUESTION, "-q").stderr == ""
    assert run("ask", ZOO, QUESTION, "--model", "tiny").stderr == ""


def test_several_questions_give_one_answer_a_line(run: Run) -> None:
    result = run("ask", ZOO, QUESTION, "what kind of thing is in the red box?")
    assert result.stdout == "a penguin\nan animal\n"


def test_an_image_comes_from_standard_input(run: Run) -> None:
    assert run("ask", "-", QUESTION, stdin=ZOO.read_bytes()).stdout == "a penguin\n"


def test_a_record_repeats_the_answer(run: Run) -> None:
    flags = ["--box", "294,48,522,247", "--template", "vicuna", "--json"]
    result = run("ask", SAMPLES / "garden.png", "what is {1}?", *flags)
    row = json.loads(result.stdout)
    assert row["schema"] == SCHEMA
    assert set(row) == {
        "schema", "id", "image", "width", "height", "marks", "numbers", "crop", "question", "answer",
        "finish_reason", "prompt_tokens", "answer_tokens", "model", "revision", "template",
        "options", "dtype", "device", "seconds", "error", "key", "extra",
    }  # fmt: skip
    assert row["question"] == "what is the object within the red rectangle?"
    assert row["answer"] == "a butterfly"
    assert (row["width"], row["height"]) == (640, 640)
    assert row["marks"][0]["coords"] == [294, 48, 522, 247]
    assert (row["model"], row["template"], row["finish_reason"]) == ("tiny", "vicuna", "stop")
    again = json.loads(run("ask", row["image"], row["question"], *flags).stdout)
    assert again["id"] == row["id"]


def test_a_record_repeats_from_its_own_marks(run: Run, tmp_path: Path) -> None:
    flags = ["--ellipse", "lime:45,257,293,534", "--arrow", "20,20,90,90", "--json"]
    row = json.loads(run("ask", ZOO, QUESTION, *flags).stdout)
    (tmp_path / "marks.json").write_text(json.dumps(row["marks"]), encoding="utf-8-sig")
    again = json.loads(
        run("ask", ZOO, QUESTION, "--marks", tmp_path / "marks.json", "--json").stdout
    )
    assert again["id"] == row["id"]


def test_notes_about_the_question_and_the_marks(run: Run) -> None:
    stderr = run("ask", ZOO, "what does the blue arrow show, ###?", "--box", "-5,10,9,20").stderr
    assert "blue arrow" in stderr
    assert "###" in stderr
    assert "clipped" in stderr
    assert "--zoom" in stderr


def test_zoom_crops_around_the_marks(run: Run) -> None:
    flags = ["--box", "10,10,30,30", "--zoom", "--json"]
    row = json.loads(run("ask", ZOO, QUESTION, *flags).stdout)
    assert row["crop"] == [0, 0, 95, 95]
    assert row["marks"][0]["coords"] == [10, 10, 30, 30]


def test_marks_are_drawn_in_the_order_typed(run: Run, image: Path, tmp_path: Path) -> None:
    flags = ["--point", "50,50", "--box", "40,40,60,60", "--point", "70,50"]
    row = json.loads(run("ask", image, "{1} {2} {3}", *flags, "--json").stdout)
    assert [mark["shape"] for mark in row["marks"]] == ["point", "box", "point"]
    assert [mark["color"] for mark in row["marks"]] == ["red", "lime", "blue"]


@pytest.mark.terminal
def test_an_answer_streams_to_a_terminal() -> None:
    output = run_in_terminal("ask", ZOO, "what is in the red box?", "--model", "tiny", "-q")
    assert output == b"a penguin\r\n"
