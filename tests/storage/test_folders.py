"""The folders of settings and state, and private files."""

import stat
import sys
from pathlib import Path

import pytest

from vipllava_cli.errors import InputError
from vipllava_cli.storage.folders import config_folder, private_file, state_folder


def test_vipllava_home_contains_both_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIPLLAVA_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert config_folder() == tmp_path / "config"
    assert state_folder() == tmp_path / "state"


def test_without_vipllava_home_the_folders_follow_xdg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VIPLLAVA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert config_folder() == tmp_path / "xdg" / "vipllava"
    assert state_folder() == Path.home() / ".local/state/vipllava"


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX's")
def test_only_the_owner_can_read_a_private_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIPLLAVA_HOME", str(tmp_path))
    path = private_file("history")
    path.write_text("question\n")
    path.chmod(0o644)
    assert private_file("history") == path == tmp_path / "state" / "history"
    assert path.read_text() == "question\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_state_folder_that_cannot_be_created_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").touch()
    monkeypatch.setenv("VIPLLAVA_HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"state/history cannot be written"):
        private_file("history")
