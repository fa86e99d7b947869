"""The command in a process with a budget of time and memory, and what it changed on the disk."""

import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tests.support import warm

MAX_SECONDS = 60.0
MAX_BYTES = 2 << 30
MAX_LINES = 3  # of a message

# The command, which waits for the processes that decode images: so their memory counts, too.
_COMMAND = """
import sys
sys.argv[0] = "vipllava"
from vipllava_cli.__main__ import main
from vipllava_cli.images.workers import end_workers
try:
    main()
finally:
    end_workers()
"""


@dataclass(frozen=True)
class Measured:
    """A command that has ended, its time, and its largest memory with that of its children."""

    code: int
    stdout: str
    stderr: str
    seconds: float
    peak_bytes: int


def run_measured(
    *arguments: str | Path,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    stdin: int | bytes = b"",
    max_seconds: float = MAX_SECONDS,
    server: str = warm.LIGHT,
) -> Measured:
    """Run `vipllava` in `folder`, and kill it when its time is over: the code is then negative.

    The process is a fork of a server of `tests.support.warm`: an attack that should be refused at once
    costs some milliseconds. `environment`: all its variables; by default, those of this process.
    `stdin` is an open file or its content.
    """
    with _streams(stdin) as (given, out, err):
        start = time.monotonic()
        process = start_command(
            *arguments,
            folder=folder,
            environment=environment,
            streams=(given, out.fileno(), err.fileno()),
            server=server,
        )
        code = process.wait(max_seconds)
        if code is None:
            process.kill()
            code = process.wait(None)
        seconds = time.monotonic() - start
        assert code is not None
        return Measured(code, _text(out), _text(err), seconds, process.peak_bytes)


def start_command(
    *arguments: str | Path,
    folder: Path,
    environment: Mapping[str, str] | None,
    streams: tuple[int, int, int],
    server: str = warm.LIGHT,
) -> warm.Started:
    """Start `vipllava` in `folder` with stdin, stdout and stderr, as a fork of a server."""
    return warm.start(
        *("-c", _COMMAND, *map(str, arguments)),
        env=os.environ if environment is None else environment,
        folder=folder,
        streams=streams,
        server=server,
    )


@contextmanager
def _streams(stdin: int | bytes) -> Iterator[tuple[int, BinaryIO, BinaryIO]]:
    """Open the standard input, and empty files for the two outputs."""
    with (
        tempfile.TemporaryFile() as content,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        if isinstance(stdin, bytes):
            content.write(stdin)
            content.seek(0)
            stdin = content.fileno()
        yield stdin, out, err


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def assert_refused(
    result: Measured,
    code: int,
    *,
    max_seconds: float = MAX_SECONDS,
    max_bytes: int = MAX_BYTES,
    max_lines: int = MAX_LINES,
) -> None:
    """Assert that an attack ended in its budget, with this exit code and a short error message."""
    assert result.code == code, (result.code, result.stderr[-2000:])
    lines = result.stderr.splitlines()
    assert 1 <= len(lines) <= max_lines, result.stderr
    assert lines[-1].startswith("error: "), result.stderr
    assert len(lines[-1]) < 1000, lines[-1][:2000]
    assert_in_budget(result, max_seconds=max_seconds, max_bytes=max_bytes)


def assert_in_budget(
    result: Measured, *, max_seconds: float = MAX_SECONDS, max_bytes: int = MAX_BYTES
) -> None:
    """Assert that a command ended in its time and memory, without a traceback."""
    assert result.seconds < max_seconds
    assert result.peak_bytes < max_bytes
    for word in ("Traceback", "a bug in vipllava", "panicked"):
        assert word not in result.stderr, result.stderr


# --- what is on the disk ---------------------------------------------------------------------

Tree = Mapping[str, tuple[int, ...]]


def read_tree(root: Path, without: Iterable[Path] = ()) -> Tree:
    """Return the kind, size and change time of all files under a folder, except under `without`.

    Does not follow links, and opens nothing.
    """
    left_out = {str(path) for path in without}
    tree: dict[str, tuple[int, ...]] = {}
    folders = [str(root)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.path in left_out:
                    continue
                status = entry.stat(follow_symlinks=False)
                is_folder = entry.is_dir(follow_symlinks=False)
                # Reading a folder does not change it; its own change time says that files came or went.
                tree[entry.path] = (status.st_mode, status.st_size, status.st_mtime_ns)
                if is_folder:
                    folders.append(entry.path)
    return tree
