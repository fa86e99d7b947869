"""The command in a fork of this process, with its time and memory: a tenth of a new process's cost."""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2  # noqa: F401 - imported for the forks
import psutil  # noqa: F401

import vipllava_cli.cli.commands.annotate
import vipllava_cli.cli.commands.ask
import vipllava_cli.cli.marked_image  # noqa: F401
from tests.support.budget import MAX_SECONDS, Measured

_PAUSE = 0.01  # seconds between two looks at the process


def run_forked(
    *arguments: str | Path,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    max_seconds: float = MAX_SECONDS,
    prepare: Callable[[], None] = lambda: None,
) -> Measured:
    """Run `vipllava` in `folder`, and kill it when its time is over, as `run_measured` does.

    `prepare` is called in the fork before the command.
    """
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        given.write(stdin)
        given.seek(0)
        start = time.monotonic()
        child = os.fork()
        if child == 0:
            os.setsid()
            for number, file in enumerate((given, out, err)):
                os.dup2(file.fileno(), number)
            os.chdir(folder)
            os.environ.update(environment or {})
            prepare()
            _become(list(map(str, arguments)))
        deadline = start + max_seconds
        while True:
            ended, status, usage = os.wait4(child, os.WNOHANG)
            if ended:
                break
            if time.monotonic() > deadline:
                os.killpg(child, signal.SIGKILL)
                deadline = float("inf")
            time.sleep(_PAUSE)
        seconds = time.monotonic() - start
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    code = os.waitstatus_to_exitcode(status)
    kilobyte = 1 if sys.platform == "darwin" else 1024
    return Measured(code, texts[0], texts[1], seconds, usage.ru_maxrss * kilobyte)


def _become(arguments: list[str]) -> None:
    """Turn this fork into the command. Never returns."""
    code = 1
    try:
        for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
        sys.argv = ["vipllava", *arguments]
        from vipllava_cli.__main__ import main
        from vipllava_cli.images.workers import end_workers

        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        end_workers()  # so that their memory counts, too
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
