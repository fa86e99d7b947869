"""Atomic files: complete or absent, with the permissions of the umask."""

import os
import stat
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from vipllava_cli.errors import InputError
from vipllava_cli.storage.files import atomic_file, make_folder

POSIX_ONLY = pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX's")


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write(path: Path, data: bytes = b"data", *, private: bool = False) -> None:
    with atomic_file(str(path), private=private) as file:
        file.write(data)


def write_and_raise(path: Path, error: type[BaseException]) -> None:
    with atomic_file(str(path)) as file:
        file.write(b"new")
        raise error


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with atomic_file(str(path)) as file:
        file.write(b"data")
        assert not path.exists()
    assert path.read_bytes() == b"data"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with pytest.raises(error):
        write_and_raise(path, error)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@POSIX_ONLY
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write(link)
    assert link.is_symlink()
    assert target.read_bytes() == b"data"


@POSIX_ONLY
@pytest.mark.parametrize("mask", [0o077, 0o022, 0o002])
def test_the_umask_decides_who_may_read_a_file(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        write(tmp_path / "out")
        write(tmp_path / "private", private=True)
    assert mode(tmp_path / "out") == 0o666 & ~mask
    assert mode(tmp_path / "private") == 0o600


def process_umask() -> int:
    """Read the umask without changing it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 8) for line in lines if line.startswith("Umask:"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the umask in /proc")
@pytest.mark.parametrize("mask", [0o077, 0o022])
def test_threads_that_write_files_never_change_the_umask(tmp_path: Path, mask: int) -> None:
    masks: set[int] = set()
    done = Event()

    def watch() -> None:
        while not done.is_set():
            masks.add(process_umask())

    interval = sys.getswitchinterval()
    watcher = Thread(target=watch)
    with umask(mask):
        sys.setswitchinterval(1e-6)
        watcher.start()
        try:
            with ThreadPoolExecutor(16) as pool:
                list(pool.map(write, (tmp_path / f"{number}" for number in range(400))))
        finally:
            done.set()
            watcher.join()
            sys.setswitchinterval(interval)
        assert process_umask() == mask
    assert masks == {mask}
    paths = list(tmp_path.iterdir())
    assert len(paths) == 400
    assert {mode(path) for path in paths} == {0o666 & ~mask}


def test_an_existing_temporary_name_is_not_reused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = iter(["taken", "free"])
    (tmp_path / ".vipllava-taken").write_bytes(b"of another process")
    monkeypatch.setattr("vipllava_cli.storage.files.secrets.token_hex", lambda size: next(names))
    write(tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"data"
    assert (tmp_path / ".vipllava-taken").read_bytes() == b"of another process"


@pytest.mark.parametrize("is_link", [False, True])
def test_a_pipe_is_not_replaced_also_through_a_link(tmp_path: Path, is_link: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    path = tmp_path / ("link" if is_link else "pipe")
    with pytest.raises(InputError, match="not a regular file"), atomic_file(str(path)) as file:
        file.write(b"text")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_path_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / "gone" / "out")


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(InputError, match="a is a file: expected a folder"):
        make_folder(tmp_path / "a")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664])
def test_a_replaced_file_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "out"
    path.touch()
    path.chmod(mode)
    write(path)
    assert path.stat().st_mode & 0o777 == mode
