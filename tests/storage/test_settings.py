"""The user's saved settings."""

from dataclasses import replace
from pathlib import Path

import pytest

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.storage.settings import (
    UserSettings,
    read_settings,
    settings_file,
    write_settings,
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIPLLAVA_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (UserSettings(), "{}\n"),
        (UserSettings("7b"), '{"model": "7b"}\n'),
        (UserSettings("7b", "v1"), '{"model": "7b", "revision": "v1"}\n'),
        (UserSettings("7b", options={"template": "chat"}), '{"model": "7b", "template": "chat"}\n'),
    ],
)
def test_written_settings_are_read(settings: UserSettings, text: str) -> None:
    assert read_settings() == UserSettings()
    write_settings(settings)
    assert settings_file().read_text() == text
    assert read_settings() == settings


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model": 7}', '{"revision": []}', "null"])
def test_damaged_settings_are_refused_with_their_path(text: str) -> None:
    settings_file().parent.mkdir()
    settings_file().write_text(text)
    with pytest.raises(UsageError, match=r"settings\.json cannot be read .*delete it"):
        read_settings()


def test_entries_of_another_version_are_kept() -> None:
    settings_file().parent.mkdir()
    settings_file().write_text('{"model": "7b", "colour": {"box": "red"}}')
    write_settings(replace(read_settings(), model="13b"))
    assert settings_file().read_text() == '{"model": "13b", "colour": {"box": "red"}}\n'


def test_a_settings_folder_that_cannot_be_created_is_named(home: Path) -> None:
    (home / "config").touch()
    with pytest.raises(InputError, match="config is a file: expected a folder"):
        write_settings(UserSettings("7b"))
