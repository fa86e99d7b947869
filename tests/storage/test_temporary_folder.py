"""A temporary folder that disappears."""

import os
import signal
import threading
from pathlib import Path

import pytest

from vipllava_cli.errors import InputError
from vipllava_cli.storage.temporary_folder import temporary_folder


def test_the_folder_is_removed_after_an_error() -> None:
    folders: list[str] = []

    def fail() -> None:
        with temporary_folder() as folder:
            folders.append(folder)
            Path(folder, "sub").mkdir()
            assert os.stat(folder).st_mode & 0o077 == 0
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not os.path.exists(folders[0])


def test_handlers_of_signals_are_restored() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with temporary_folder():
        assert signal.getsignal(signal.SIGTERM) != before[signal.SIGTERM]
    assert {number: signal.getsignal(number) for number in before} == before


def test_another_thread_may_use_it() -> None:
    folders: list[str] = []

    def use() -> None:
        with temporary_folder() as folder:
            folders.append(folder)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert folders
    assert not os.path.exists(folders[0])


def test_a_folder_that_cannot_be_made_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(InputError, match="TMPDIR"), temporary_folder():
        pass
