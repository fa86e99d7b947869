"""Session files: written, read, resumed; broken and outdated ones."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import ROOT, Run
from tests.support.images import animation, frame_grey, has_center_color
from vipllava_cli.errors import ExitCode, InputError, UsageError
from vipllava_cli.flows.chat.chat import Chat
from vipllava_cli.flows.chat.session_file import read_session, resume_chat, write_session
from vipllava_cli.images.source import Source
from vipllava_cli.marks.marked_image import ImageFile, open_image
from vipllava_cli.marks.parse import parse_mark

FIXTURES = ROOT / "tests" / "fixtures" / "0.1.0"


def test_a_resumed_conversation_equals_the_saved_one(chat: Chat, tmp_path: Path) -> None:
    chat.add_mark(parse_mark("box", "aqua:10.5,10,50,50"))
    chat.ask("what is {1}?")
    chat.add_mark(parse_mark("mask", "60,60,80,60,80,90"))
    chat.ask("and now?")
    write_session(chat.state, str(tmp_path / "s.json"))
    resumed = resume_chat(read_session(str(tmp_path / "s.json")), "fake")
    assert resumed.notes == ()
    assert resumed.state.turns == chat.state.turns
    assert resumed.state.marked
    assert chat.state.marked
    assert resumed.state.marked.marks == chat.state.marked.marks
    write_session(resumed.state, str(tmp_path / "t.json"))
    assert (tmp_path / "t.json").read_text() == (tmp_path / "s.json").read_text()


def test_a_session_file_is_readable_and_has_the_image_of_each_turn(
    chat: Chat, tmp_path: Path
) -> None:
    chat.add_mark(parse_mark("box", "10,10,50,50"))
    chat.ask("what?")
    write_session(chat.state, str(tmp_path / "s.json"))
    text = (tmp_path / "s.json").read_text()
    assert '"coords": [10, 10, 50, 50],\n' in text
    row = json.loads(text)["turns"][0]
    assert (row["schema"], row["question"]) == (1, "what?")
    assert row["marks"][0]["shape"] == "box"
    assert row["extra"]["picture"] == open_image(row["image"]).fingerprint


def test_a_session_file_of_version_0_1_0_resumes_and_is_written_alike(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(FIXTURES)  # its image is a relative path
    resumed = resume_chat(read_session("session.json"), "tiny")
    assert resumed.notes == ()
    assert resumed.state.marked
    assert [str(mark.color) for mark in resumed.state.marked.marks] == ["red", "blue"]
    answers = [turn.answer for turn in resumed.state.turns]
    assert answers == ["a butterfly", "an animal", "a sunflower"]
    assert resumed.state.turns[-1].image_key == (
        resumed.state.marked.file.fingerprint,
        json.loads(Path("session.json").read_text())["marks"],
        True,
        None,
        None,
        None,
    )
    write_session(resumed.state, str(tmp_path / "s.json"))
    written, original = (
        json.loads(path.read_text()) for path in (tmp_path / "s.json", Path("session.json"))
    )
    assert written == original | {"image": str(FIXTURES / "images" / "garden.jpg")}


def test_a_session_about_a_frame_resumes_with_that_frame(
    chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "moving.gif").write_bytes(animation())
    monkeypatch.chdir(tmp_path)
    chat.change_image(open_image("moving.gif#frame=2"))
    chat.ask("what?")
    write_session(chat.state, "s.json")
    row = json.loads(Path("s.json").read_text())
    assert row["image"] == f"{tmp_path / 'moving.gif'}#frame=2"
    assert row["turns"][0]["image"] == "moving.gif#frame=2"
    resumed = resume_chat(read_session("s.json"), "fake")
    assert resumed.notes == ()
    assert resumed.state.marked
    assert has_center_color(resumed.state.marked.file.image, (frame_grey(1),) * 3)


@pytest.mark.parametrize(
    ("name", "words"), [("clipboard:", "the clipboard"), ("-", "standard input")]
)
def test_an_image_that_no_file_held_is_not_read_again(
    chat: Chat, tmp_path: Path, image: Path, name: str, words: str
) -> None:
    chat.change_image(ImageFile(Source(name), image.read_bytes()))
    chat.ask("what?")
    write_session(chat.state, str(tmp_path / "s.json"))
    resumed = resume_chat(read_session(str(tmp_path / "s.json")), "fake")
    assert resumed.state.marked is None
    assert len(resumed.state.turns) == 1
    assert f"the image came from {words} and was not kept" in resumed.notes[0]


def test_a_missing_or_changed_image_becomes_a_note(chat: Chat, tmp_path: Path, image: Path) -> None:
    chat.add_mark(parse_mark("box", "110,10,150,50"))
    chat.ask("what?")
    write_session(chat.state, str(tmp_path / "s.json"))
    saved = read_session(str(tmp_path / "s.json"))
    Image.new("RGB", (100, 100), (1, 2, 3)).save(image)
    changed = resume_chat(saved, "fake")
    assert "is not the saved image" in changed.notes[0]
    assert "marks were removed" in changed.notes[1]
    assert len(changed.state.turns) == 1
    image.unlink()
    missing = resume_chat(saved, "other")
    assert "earlier answers are from fake, new ones from other" in missing.notes[0]
    assert "the image is missing" in missing.notes[1]
    assert missing.state.marked is None
    chat.state = missing.state
    with pytest.raises(UsageError, match="no image yet"):
        chat.ask("what?")


def test_a_mark_that_touches_no_pixel_becomes_a_note(chat: Chat, tmp_path: Path) -> None:
    chat.add_mark(parse_mark("ellipse", "10,10,50,50"))
    chat.ask("what?")
    path = tmp_path / "s.json"
    write_session(chat.state, str(path))
    value = json.loads(path.read_text())
    value["marks"][0]["coords"] = [-200, -200, 400, 300]
    path.write_text(json.dumps(value))
    resumed = resume_chat(read_session(str(path)), "fake")
    assert len(resumed.notes) == 1
    assert "marks were removed" in resumed.notes[0]
    assert "touches no pixel" in resumed.notes[0]
    assert resumed.state.marked
    assert resumed.state.marked.marks == ()
    assert len(resumed.state.turns) == 1


BROKEN: dict[str, Any] = {
    "text": "hello",
    "a list": [],
    "another kind": {"schema": 1},
    "no turns": {"turns": None},
    "a number as a turn": {"turns": [3]},
    "a turn without an answer": {"turns": [{"answer": None}]},
    "an unknown shape": {"marks": [{"shape": "star"}]},
    "a word as a token": {"turns": [{"extra": {"tokens": ["a"]}}]},
    "a number as a fingerprint": {"turns": [{"extra": {"picture": 3}}]},
    "a crop of one number": {"turns": [{"crop": [1]}]},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_session_file_is_an_error_of_one_line(
    chat: Chat, tmp_path: Path, run: Run, name: str
) -> None:
    chat.ask("what?")
    write_session(chat.state, str(tmp_path / "s.json"))
    good, broken = json.loads((tmp_path / "s.json").read_text()), BROKEN[name]
    if isinstance(broken, dict) and "schema" not in broken:
        for field, value in broken.items():
            turns = [{**good["turns"][0], **v} if isinstance(v, dict) else v for v in value or []]
            good[field] = turns if field == "turns" and value else value
        broken = good
    (tmp_path / "s.json").write_text(json.dumps(broken))
    result = run("chat", "--resume", tmp_path / "s.json", stdin=b"what?\n")
    assert result.code == ExitCode.INPUT
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)
    assert "is not a session file" in result.stderr


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"there is no session file .*absent\.json: check its name"
    ):
        read_session(str(tmp_path / "absent.json"))
