"""/set, /save, /load."""

import json
from pathlib import Path

from tests.support.chat_session import FakeSession
from tests.support.deep_images import png16, ramp
from vipllava_cli.flows.chat.session_file import read_session
from vipllava_cli.flows.chat.state import ChatState


def test_set_changes_a_setting_and_lists_them(fake: FakeSession) -> None:
    assert fake.enter("/set temperature 0.8") == "temperature is 0.8\n"
    rows = dict(line.split(maxsplit=1) for line in fake.enter("/set").splitlines())
    assert rows["temperature"].strip() == "0.8"
    assert rows["width"].strip() == "default"
    assert rows["zoom"].strip() == "off"


def test_set_with_only_a_name_shows_the_value_and_what_it_accepts(fake: FakeSession) -> None:
    assert fake.enter("/set temperature=0.8") == "temperature is 0.8\n"
    assert fake.enter("/set temperature") == (
        "temperature is 0.8; /set temperature VALUE accepts 0 to 100\n"
    )
    assert "expected max-new-tokens, " in fake.enter("/set nothing")


def test_save_and_load_take_a_path_in_quotes(fake: FakeSession, tmp_path: Path) -> None:
    path = tmp_path / "my chat.json"
    fake.enter("one?", f'/save "{path}"')
    assert len(read_session(str(path)).turns) == 1
    escaped = str(path).replace(" ", "\\ ")
    fake.session.autosave.file = None
    for text in (escaped, f"'{path}'", path.as_uri(), str(path)):
        fake.chat.state = ChatState()
        assert fake.enter(f"/load {text}").startswith("> one?\n"), text


def test_a_saved_conversation_is_loaded_with_its_turns(fake: FakeSession, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    printed = fake.enter("/box 10,10,50,50", "one?", f"/save {path}", "two?")
    assert f"saved to {path}: later turns are saved there too\n" in printed
    assert [turn.question for turn in read_session(str(path)).turns] == ["one?", "two?"]
    saved = fake.chat.state
    fake.chat.state = ChatState()
    printed = fake.enter(f"/load {path}", "three?")
    assert printed.startswith(
        f"note: later turns are not saved to {path}: /save FILE saves them\n> one?\n"
    )
    assert "> two?\n" in printed
    assert printed.endswith("200x100, red box\n")
    assert fake.chat.state.turns[:2] == saved.turns
    assert read_session(str(path)).turns == saved.turns, "/load stops saving to the old file"


def test_a_loaded_conversation_keeps_its_window(fake: FakeSession, tmp_path: Path) -> None:
    scans = [tmp_path / "1.png", tmp_path / "2.png"]
    for scan in scans:
        scan.write_bytes(png16(ramp(top=4000)))
    path = tmp_path / "s.json"
    fake.enter(f"/image {scans[0]}", "/set window 0,2000", "one?", f"/save {path}")
    fake.enter("/set window off", f"/load {path}")
    assert fake.enter("/set window").startswith("window is 0,2000;")
    assert "percentiles" not in fake.enter(f"/image {scans[1]}")


def test_a_loaded_conversation_gets_the_notes_of_a_resumed_one(
    fake: FakeSession, tmp_path: Path
) -> None:
    path = tmp_path / "s.json"
    fake.enter("/box 10,10,12,12", "one?", f"/save {path}")
    note = "note: the red box is smaller than one patch of the model's view"
    assert note in fake.enter(f"/load {path}")


def test_a_loaded_mark_that_touches_no_pixel_becomes_a_note(
    fake: FakeSession, tmp_path: Path
) -> None:
    path = tmp_path / "s.json"
    fake.enter("/ellipse 10,10,50,50", "one?", f"/save {path}")
    value = json.loads(path.read_text())
    value["marks"][0]["coords"] = [-200, -200, 400, 300]
    path.write_text(json.dumps(value))
    printed = fake.enter(f"/load {path}")
    assert "note: the marks were removed, because one does not fit: the red ellipse" in printed
    assert "touches no pixel" in printed
    assert printed.endswith("200x100, no marks\n")


def test_save_and_load_need_a_file(fake: FakeSession, tmp_path: Path) -> None:
    assert fake.enter("/save") == "error: /save needs a file name: /save FILE\n"
    assert fake.enter("/load") == "error: /load needs a file name: /load FILE\n"
    (tmp_path / "other").write_text("")
    assert "already exists" in fake.enter(f"/save {tmp_path / 'other'}")
