"""What happens at most once a day."""

import os
import time
from pathlib import Path

import pytest

from vipllava_cli.storage.daily_stamp import take_daily_turn

HOUR = 60 * 60


@pytest.fixture
def stamp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use an empty state folder. Returns the path of the stamp."""
    monkeypatch.setenv("VIPLLAVA_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "state" / "note"


def set_age(path: Path, seconds: float) -> None:
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


def test_the_second_turn_comes_a_day_later(stamp: Path) -> None:
    assert take_daily_turn("note")
    assert not take_daily_turn("note")
    assert take_daily_turn("another note")
    set_age(stamp, 23 * HOUR)
    assert not take_daily_turn("note")
    set_age(stamp, 25 * HOUR)
    assert take_daily_turn("note")
    assert not take_daily_turn("note")


def test_a_stamp_of_the_future_does_not_wait_for_it(stamp: Path) -> None:
    take_daily_turn("note")
    set_age(stamp, -1000 * HOUR)
    assert take_daily_turn("note")
    assert not take_daily_turn("note")


def test_a_state_folder_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for home in (os.devnull, str(tmp_path / "file"), "/proc/nowhere", "/dev/full/home"):
        monkeypatch.setenv("VIPLLAVA_HOME", home)
        assert take_daily_turn("note")
        assert take_daily_turn("note")


def test_only_the_owner_can_read_the_state_folder(stamp: Path) -> None:
    take_daily_turn("note")
    assert stamp.parent.stat().st_mode & 0o777 == 0o700
    assert stamp.stat().st_mode & 0o777 == 0o600
