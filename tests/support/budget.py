"""The command in a process with a budget of time and memory, and what it changed on the disk."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_SECONDS = 60.0
MAX_BYTES = 2 << 30
MAX_LINES = 3  # of a message

_PAUSE = 0.02  # seconds between two looks at the process


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
    stdin: bytes = b"",
    max_seconds: float = MAX_SECONDS,
) -> Measured:
    """Run `vipllava` in `folder`, and kill it when its time is over: the code is then negative."""
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        given.write(stdin)
        given.seek(0)
        start = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "vipllava_cli", *map(str, arguments)],
            stdin=given,
            stdout=out,
            stderr=err,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        code, usage = wait_for(process.pid, start + max_seconds)
        process.returncode = code
        seconds = time.monotonic() - start
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    kilobyte = 1 if sys.platform == "darwin" else 1024
    return Measured(code, texts[0], texts[1], seconds, usage.ru_maxrss * kilobyte)


def wait_for(process: int, deadline: float) -> tuple[int, Any]:
    """Wait for the leader of a session. Returns its exit code, or minus a signal, and its usage."""
    while True:
        process_id, status, usage = os.wait4(process, os.WNOHANG)
        if process_id:
            return os.waitstatus_to_exitcode(status), usage
        if time.monotonic() > deadline:
            os.killpg(process, signal.SIGKILL)
            deadline = float("inf")
        time.sleep(_PAUSE)


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
