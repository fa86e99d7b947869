"""`vipllava ask`: answers, records, notes."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import SAMPLES, Run
from tests.support.terminal import run_in_terminal
from vipllava_cli.errors import ExitCode
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


def test_a_question_without_quotes_is_one_question(run: Run) -> None:
    result = run("ask", ZOO, *QUESTION.split(), "--box", "294,48,522,247", "--model", "tiny")
    assert (result.code, result.stdout) == (0, "a penguin\n")
    note = f'note: asking "{QUESTION}" as one question; to ask several, put each in quotes\n'
    assert result.stderr == note


def test_the_image_may_come_last(run: Run) -> None:
    result = run("ask", QUESTION, ZOO, "--model", "tiny")
    assert (result.code, result.stdout) == (0, "a penguin\n")
    assert result.stderr == f"note: took {ZOO} as the image, and the rest as the question\n"


def test_answers_go_to_a_file_and_not_to_stdout(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "answers.txt"
    questions = (QUESTION, "what kind of thing is in the red box?")
    result = run("ask", ZOO, *questions, "--model", "tiny", "-o", out)
    assert (result.code, result.stdout) == (0, "")
    assert result.stderr == f"note: wrote {out}, 2 answers\n"
    assert out.read_text() == "a penguin\nan animal\n"
    result = run("ask", ZOO, *questions, "--json", "-o", out, "--force", "-q")
    assert (result.code, result.stdout, result.stderr) == (0, "", "")
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["answer"] for row in rows] == ["a penguin", "an animal"]
    assert run("ask", ZOO, QUESTION, "-q", "-o", "-").stdout == "a penguin\n"


def test_a_failed_ask_writes_no_file(run: Run, tmp_path: Path) -> None:
    files = ("-o", tmp_path / "answers.txt", "--save-marked", tmp_path / "marked.png")
    result = run("ask", ZOO, QUESTION, *files, "--model", tmp_path)
    assert result.code == ExitCode.MODEL
    assert list(tmp_path.iterdir()) == []


def test_the_marked_image_is_written_beside_the_answer(run: Run, tmp_path: Path) -> None:
    flags = ("--box", "10,10,50,50", "--zoom", "--model", "tiny")
    result = run("ask", ZOO, "what is {1}?", *flags, "--save-marked", tmp_path / "ask.png")
    assert result.code == 0
    assert result.stdout
    assert f"note: wrote {tmp_path / 'ask.png'}, 115x115 pixels, 1 mark\n" in result.stderr
    assert run("annotate", ZOO, *flags[:3], "-o", tmp_path / "annotate.png").code == 0
    assert (tmp_path / "ask.png").read_bytes() == (tmp_path / "annotate.png").read_bytes()


def test_the_record_of_a_frame_repeats_its_answer(run: Run, tmp_path: Path) -> None:
    moving = tmp_path / "moving.webp"
    frames = [Image.open(SAMPLES / name) for name in ("farm.png", "zoo-red-box.png")]
    frames[0].save(moving, save_all=True, append_images=frames[1:], lossless=True)
    keys = []
    for name, options in ((moving, ["--frame", "2"]), (f"{moving}#frame=2", [])):
        result = run("ask", name, QUESTION, *options, "--json", "--model", "tiny")
        row = json.loads(result.stdout)
        assert (row["answer"], row["image"]) == ("a penguin", f"{moving}#frame=2")
        assert result.stderr == ""
        again = json.loads(run("ask", row["image"], QUESTION, "--json").stdout)
        assert again["key"] == row["key"]
        keys.append(row["key"])
    first = json.loads(run("ask", moving, QUESTION, "--json").stdout)
    assert first["image"] == str(moving)
    assert {first["key"]}.isdisjoint(keys)
    assert keys[0] == keys[1]


@pytest.mark.terminal
def test_show_draws_the_marked_image_before_the_answer() -> None:
    box = ("--box", "294,48,522,247")
    output = run_in_terminal("ask", ZOO, QUESTION, *box, "--show", "--model", "tiny", "-q")
    shown = run_in_terminal("annotate", ZOO, *box, "--show")
    assert output.count("▀".encode()) == 48 * 24
    assert output == shown + b"a penguin\r\n"
