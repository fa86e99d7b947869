"""Only regular files are opened, and read up to their limits."""

import os
import socket
from pathlib import Path

import pytest

from vipllava_cli.errors import InputError
from vipllava_cli.storage.regular_files import (
    IrregularFileError,
    iter_limited_lines,
    open_regular,
    read_regular,
    read_whole,
)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\ntwo\n")
    return path


def test_a_pipe_and_a_socket_are_named_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(IrregularFileError, match="it is a pipe"):
        open_regular(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        with pytest.raises(IrregularFileError, match="it is a socket"):
            open_regular(tmp_path / "s")


def test_a_device_and_a_file_of_the_kernel_are_no_files() -> None:
    with pytest.raises(IrregularFileError, match="it is a device"):
        open_regular("/dev/full")
    with pytest.raises(IrregularFileError, match="it is an entry of the kernel"):
        open_regular("/proc/self/status")


def test_other_errors_are_those_of_open(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "missing")
    with pytest.raises(OSError, match="null"):
        open_regular("a\0b")


def test_what_the_shell_opened_is_read_where_it_is_meant() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"text")
    os.close(writing)
    with pytest.raises(IrregularFileError):
        read_regular(f"/dev/fd/{reading}", 100)
    assert read_regular(f"/dev/fd/{reading}", 100, streams=True) == b"text"
    os.close(reading)


def test_a_large_file_is_refused_before_it_is_read(text: Path) -> None:
    os.truncate(text, 1 << 40)
    with pytest.raises(InputError, match=r"larger than 1\.0 KiB: give a smaller file"):
        read_regular(text, 1 << 10)


def test_a_file_that_grows_ends_where_it_ended(text: Path) -> None:
    with open_regular(text) as file, text.open("ab") as more:
        lines = []
        for line in iter_limited_lines(file, 100, "a.txt"):
            lines.append(line)
            more.write(b"three\n")
            more.flush()
        assert lines == [b"one\n", b"two\n"]
    with open_regular(text) as file:
        assert read_whole(file, 100, "a.txt") == b"one\ntwo\nthree\nthree\n"


def test_a_long_line_is_refused_with_its_number(text: Path) -> None:
    text.write_bytes(b"one\n" + b"x" * 200)
    with open_regular(text) as file, pytest.raises(InputError, match="line 2: the line has more"):
        list(iter_limited_lines(file, 100, "a.txt"))
