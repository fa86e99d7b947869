"""Autosave: where it writes, and what it does when it cannot."""

import stat
from pathlib import Path

import pytest

from tests.support.chat_session import FakeSession
from vipllava_cli.cli.repl.session import LAST_SESSION
from vipllava_cli.flows.chat.session_file import read_session


def test_the_state_folder_stores_the_last_conversation_once_it_has_turns(
    fake: FakeSession, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIPLLAVA_HOME", str(home))
    last = home / "state" / LAST_SESSION
    fake.session.autosave.keep_last = True
    fake.enter("/box 10,10,50,50")
    assert not last.exists()
    fake.enter("what?")
    assert len(read_session(str(last)).turns) == 1
    assert stat.S_IMODE(last.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written_is_one_error_and_then_left_alone(
    fake: FakeSession, tmp_path: Path
) -> None:
    fake.session.autosave.file = str(tmp_path / "none" / "s.json")
    printed = fake.enter("one?", "two?")
    assert printed.count("error: ") == 1
    assert fake.session.autosave.file is None
    assert len(fake.chat.state.turns) == 2
