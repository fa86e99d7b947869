"""Answers that point at regions: their marks in records, images, pages, tables, exports and chats."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Run
from tests.support.terminal import run_in_terminal
from tests.support.vision_server import VisionServer, serving
from vipllava_cli.errors import ExitCode

MODEL = "qwen3-vl"
PENGUIN = {
    "shape": "box",
    "coords": [60, 61, 180, 151],
    "color": "lime",
    "width": 3,
    "alpha": 1.0,
    "label": "penguin",
    "units": "px",
}
LIME, BLUE, RED = (0, 255, 0), (0, 0, 255), (255, 0, 0)


def in_thousandths(coords: list[int], size: tuple[int, int] = (300, 200)) -> list[int]:
    """Return a box on an image in the numbers of Qwen3-VL, for the image padded to a square."""
    side = max(size)
    offsets = [(side - length) // 2 for length in size]
    return [round((value + offsets[at % 2]) * 1000 / side) for at, value in enumerate(coords)]


BOXES = json.dumps(
    [
        {"bbox_2d": in_thousandths([60, 61, 180, 151]), "label": "penguin"},
        {"bbox_2d": in_thousandths([210, 31, 270, 91]), "label": "l'\u00e9l\u00e9phant \x1b[31m"},
    ]
)
ANSWER = f"Two animals:\n```json\n{BOXES}\n```"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[VisionServer]:
    answers = {
        "animals": ANSWER,
        "thinking": {"content": f'<think>{{"bbox_2d": [1, 2, 300, 400]}}</think>{BOXES}'},
        "outside": '{"bbox_2d": [1200, 10, 1500, 20], "label": "x"}',
        "prose": "It is a cat.",
    }
    with serving(VisionServer(MODEL, answers=answers)) as state:
        monkeypatch.setenv("OPENAI_BASE_URL", state.url)
        yield state


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.new("RGB", (300, 200), (90, 90, 90)).save(path)
    return path


def ask(run: Run, photo: Path, question: str, *options: str | Path) -> dict[str, Any]:
    result = run("ask", photo, question, "--model", f"openai:{MODEL}", "--json", *options)
    assert result.code == 0, result.stderr
    record: dict[str, Any] = json.loads(result.stdout)
    return record


def colors_on(image: Path) -> set[tuple[int, int, int]]:
    with Image.open(image) as opened:
        pixels = np.array(opened.convert("RGB")).reshape(-1, 3)
    return set(map(tuple, np.unique(pixels, axis=0).tolist()))


@pytest.mark.usefixtures("server")
def test_a_record_holds_the_marks_that_its_answer_points_at(run: Run, photo: Path) -> None:
    record = ask(run, photo, "where are the animals?", "--box", "10,20,50,60")
    first, second = record["answer_marks"]
    assert first == PENGUIN
    assert (second["coords"], second["color"]) == ([210, 31, 270, 91], "blue")
    assert record["answer"] == ANSWER
    assert [mark["color"] for mark in record["marks"]] == ["red"]


@pytest.mark.usefixtures("server")
def test_thoughts_point_at_nothing(run: Run, photo: Path) -> None:
    record = ask(run, photo, "thinking")
    assert record["answer_marks"][0]["label"] == "penguin"
    assert len(record["answer_marks"]) == 2


@pytest.mark.usefixtures("server")
def test_a_record_without_regions_has_no_field_for_them(run: Run, photo: Path) -> None:
    assert "answer_marks" not in ask(run, photo, "prose")
    assert "answer_marks" not in ask(run, photo, "outside")
    result = run("ask", photo, "outside", "--model", f"openai:{MODEL}")
    assert "note: the region in the answer is not on the image" in result.stderr


def test_a_model_without_a_known_family_gets_a_note(
    run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(VisionServer("mystery", answers={"animals": ANSWER})) as state:
        monkeypatch.setenv("OPENAI_BASE_URL", state.url)
        result = run("ask", photo, "animals", "--model", "openai:mystery", "--json")
    assert "answer_marks" not in json.loads(result.stdout)
    assert "the answer has 2 regions in coordinates, and 'mystery' is of no model family" in (
        result.stderr
    )


@pytest.mark.usefixtures("server")
def test_an_image_that_is_turned_and_cropped_gets_marks_of_its_upright_form(
    run: Run, tmp_path: Path
) -> None:
    photo = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side: upright it is 300x200
    Image.new("RGB", (200, 300), (90, 90, 90)).save(photo, exif=exif)
    record = ask(run, photo, "animals")
    assert (record["width"], record["height"]) == (300, 200)
    assert record["answer_marks"][0]["coords"] == PENGUIN["coords"]
    zoomed = ask(run, photo, "animals", "--box", "100,50,140,90", "--zoom")
    left, top, right, bottom = zoomed["crop"]
    for mark in zoomed["answer_marks"]:
        x1, y1, x2, y2 = mark["coords"]
        assert left <= x1 < x2 <= right
        assert top <= y1 < y2 <= bottom


@pytest.mark.usefixtures("server")
def test_the_marked_image_shows_the_marks_of_the_answer(
    run: Run, photo: Path, tmp_path: Path
) -> None:
    marked = tmp_path / "marked.png"
    result = run(
        "ask", photo, "animals", "--box", "10,20,50,60", "--model", f"openai:{MODEL}",
        "--save-marked", marked, "-v",
    )  # fmt: skip
    assert f"drew 2 marks of the answer on {marked}" in result.stderr
    assert 'box lime:60,61,180,151 "penguin", box blue:210,31,270,91 "l\'' in result.stderr
    assert "\x1b" not in result.stderr
    assert {RED, LIME, BLUE} <= colors_on(marked)
    with Image.open(marked) as image:
        assert image.getpixel((60, 100)) == LIME
        assert image.getpixel((10, 40)) == RED
        label = np.array(image.convert("RGB"))[40:62, 58:130]
    assert (label == 0).all(axis=2).any()  # the letters on their plate


@pytest.mark.usefixtures("server")
def test_a_record_is_a_file_of_marks(run: Run, photo: Path, tmp_path: Path) -> None:
    found, drawn = tmp_path / "found.json", tmp_path / "drawn.png"
    model = ("--model", f"openai:{MODEL}")
    assert run("ask", photo, "animals", *model, "--json", "-o", found).code == 0
    result = run("ask", photo, "prose: what is {2}?", "--marks", found, *model, "--json")
    record = json.loads(result.stdout)
    assert record["question"] == "prose: what is the object within the lime rectangle?"
    assert [mark["coords"] for mark in record["marks"]] == [[60, 61, 180, 151], [210, 31, 270, 91]]
    result = run("annotate", photo, "--marks", found, "-o", drawn)
    assert "2 marks" in result.stderr
    assert {RED, LIME} <= colors_on(drawn)  # without marks of the user, red is free
    plain = tmp_path / "plain.json"
    plain.write_text(json.dumps(record["marks"]))
    assert run("annotate", photo, "--marks", plain, "-o", tmp_path / "plain.png").code == 0
    assert drawn.read_bytes() != (tmp_path / "plain.png").read_bytes()  # the labels


@pytest.mark.usefixtures("server")
def test_batch_keeps_the_marks_and_draws_them(run: Run, photo: Path, tmp_path: Path) -> None:
    rows = [
        {"id": "a", "image": photo.name, "questions": ["animals", "prose"], "marks": [BOX]},
        {"id": "b", "image": photo.name, "question": "outside"},
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    out, folder, page = (tmp_path / name for name in ("out.jsonl", "marked", "page.html"))
    batch = (
        "batch", tmp_path / "rows.jsonl", "--out", out, "--model", f"openai:{MODEL}",
        "--save-marked", folder, "--report", page,
    )  # fmt: skip
    result = run(*batch)
    assert result.code == 0, result.stderr
    assert "not on the image" in result.stderr
    records = {record["id"]: record for record in map(json.loads, out.read_text().splitlines())}
    assert records["a:q1"]["answer_marks"][0]["label"] == "penguin"
    assert "answer_marks" not in records["a:q2"]
    assert "answer_marks" not in records["b"]
    assert {RED, LIME, BLUE} <= colors_on(folder / "a.png")
    assert colors_on(folder / "b.png") == {(90, 90, 90)}
    written = out.read_bytes()
    assert run(*batch).code == 0  # nothing is asked again
    assert out.read_bytes() == written

    table = tmp_path / "out.csv"
    assert run("batch", tmp_path / "rows.jsonl", "--out", table, *batch[4:6]).code == 0
    with table.open(newline="") as file:
        first, second, _ = csv.DictReader(file)
    assert json.loads(first["answer_marks"])[0] == records["a:q1"]["answer_marks"][0]
    assert second["answer_marks"] == ""

    exported = tmp_path / "coco.json"
    result = run("export", out, "--to", "coco", "-o", exported)
    assert "2 regions of answers: added as regions" in result.stderr
    content = json.loads(exported.read_text())
    names = {each["id"]: each["name"] for each in content["categories"]}
    boxes = {names[each["category_id"]]: each["bbox"] for each in content["annotations"]}
    assert boxes["penguin"] == [60, 61, 120, 90]
    assert boxes["unlabelled"] == [10, 20, 40, 40]
    assert len(content["annotations"]) == 3
    kept = tmp_path / "kept.json"
    result = run("export", out, "--to", "coco", "--source", tmp_path / "rows.jsonl", "-o", kept)
    assert "2 regions of answers: left out, because --source has its own regions" in result.stderr
    assert len(json.loads(kept.read_text())["annotations"]) == 1


BOX = {"shape": "box", "coords": [10, 20, 50, 60], "color": "red"}


@pytest.mark.usefixtures("server")
def test_a_marked_image_of_the_style_crop_shows_the_marks_at_their_place(
    run: Run, photo: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "marked"
    (tmp_path / "rows.jsonl").write_text(
        json.dumps({"id": "a", "image": photo.name, "question": "animals", "marks": [BOX]})
    )
    out = tmp_path / "out.jsonl"
    result = run(
        "batch", tmp_path / "rows.jsonl", "--out", out, "--model", f"openai:{MODEL}",
        "--mark-style", "crop", "--save-marked", folder,
    )  # fmt: skip
    assert result.code == 0, result.stderr
    record = json.loads(out.read_text())
    assert record["answer_marks"]
    with Image.open(folder / "a.png") as image:
        scale = 336 / 300  # the image is enlarged to the least side of the style
        x1, y1, _, y2 = (value * scale for value in record["answer_marks"][0]["coords"])
        assert image.getpixel((round(x1), round((y1 + y2) / 2))) == LIME


@pytest.mark.usefixtures("server")
def test_a_chat_uses_what_an_answer_points_at(run: Run, photo: Path, tmp_path: Path) -> None:
    saved = tmp_path / "chat.json"
    lines = "animals\n/use 2\n/use\n/use 1\n/marks\nprose {1}\n"
    chat = ("chat", photo, "--model", f"openai:{MODEL}", "--save", saved)
    result = run(*chat, stdin=lines.encode())
    assert result.code == 0, result.stderr
    assert "1 box lime:210,31,270,91" in result.stderr
    assert "2 box red:60,61,180,151" in result.stderr
    session = json.loads(saved.read_text())
    assert len(session["turns"][0]["answer_marks"]) == 2
    assert "already on the image" in result.stderr
    assert len(session["marks"]) == 2
    assert "answer_marks" not in session["turns"][1]
    resumed = run("chat", "--resume", saved, "--model", f"openai:{MODEL}", stdin=b"/undo\n/use 1\n")
    assert resumed.code == 0, resumed.stderr
    assert "already on the image" in resumed.stderr


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("/use\n", "the last answer points at nothing on this image"),
        (
            "animals\n/use 3\n",
            "/use takes the number of a mark of the last answer, 1 to 2, not '3'",
        ),
        ("animals\n/use ²\n", "1 to 2, not '²'"),
        ("animals\nprose\n/use\n", "points at nothing"),
    ],
)
def test_use_without_a_mark_says_why(run: Run, photo: Path, lines: str, message: str) -> None:
    result = run("chat", photo, "--model", f"openai:{MODEL}", stdin=lines.encode())
    assert result.code == ExitCode.USAGE
    assert message in result.stderr


@pytest.mark.terminal
def test_show_draws_the_marks_of_the_answer_after_it(
    server: VisionServer, photo: Path, tmp_path: Path
) -> None:
    found = tmp_path / "found.json"
    found.write_text(json.dumps({"marks": [], "answer_marks": [PENGUIN | {"color": "red"}]}))
    server.answers = {
        "one": json.dumps({"bbox_2d": in_thousandths([60, 61, 180, 151]), "label": "penguin"})
    }
    ask = ("ask", photo, "one", "--model", f"openai:{MODEL}", "-q")
    answer = run_in_terminal(*ask)
    plain = run_in_terminal(*ask, "--show")
    drawn = run_in_terminal("annotate", photo, "--marks", found, "--show")
    assert plain.endswith(answer + drawn)
    assert len(plain) > len(answer + drawn)  # and the image without them first
