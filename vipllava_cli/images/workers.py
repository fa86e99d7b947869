"""Read images in worker processes, which are ended when they take too long.

A worker starts at the first image that needs one, serves the next ones, too, and ends with this
process. Threads use one worker each.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, BinaryIO, cast

from vipllava_cli.errors import InputError
from vipllava_cli.images.pixels import Header, Pixels
from vipllava_cli.images.source import FIRST_FRAME
from vipllava_cli.images.worker_messages import Fields, receive, send, unpack_pixels

HEADER_SECONDS = 20.0
PIXELS_SECONDS = 50.0
# JPEG 2000 takes about a second for a MB: a real image of 200 million pixels gets more time.
_FREE_BYTES, _BYTES_PER_SECOND = 32 << 20, 500_000

# The modules of this process, and none of the working folder.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    " from vipllava_cli.images.worker import serve; serve()"
)


def read_header(data: bytes, name: str, frame: int) -> Header:
    """Call `pixels.read_header` in a worker. Raises InputError."""
    fields, _ = _ask(data, HEADER_SECONDS, kind="header", name=name, frame=frame)
    return Header(**{**fields, "size": tuple(fields["size"])})


def read_orientation(data: bytes, name: str) -> int:
    """Call `pixels.read_orientation` in a worker. Raises InputError."""
    fields, _ = _ask(data, HEADER_SECONDS, kind="orientation", name=name, frame=FIRST_FRAME)
    orientation: int = fields["orientation"]
    return orientation


def read_pixels(data: bytes, name: str, frame: int, *, any_bits: bool = False) -> Pixels:
    """Call `pixels.read_pixels` in a worker. Raises InputError."""
    seconds = PIXELS_SECONDS + max(len(data) - _FREE_BYTES, 0) / _BYTES_PER_SECOND
    fields, blocks = _ask(data, seconds, kind="pixels", name=name, frame=frame, any_bits=any_bits)
    return unpack_pixels(fields, blocks)


def _ask(data: bytes, seconds: float, **request: Any) -> tuple[Fields, Sequence[bytes]]:
    """Ask an idle worker, or a new one. Raises InputError with the worker's message, or about its end."""
    try:
        worker = _take()
    except OSError as error:
        raise InputError(
            f"{request['name']} needs a second process, which cannot start ({error.strerror}): end"
            " other programs, or save the image as a PNG"
        ) from None
    try:
        answer = worker.ask(data, seconds, request)
    except _EndedError as error:
        raise InputError(
            f"{request['name']} cannot be decoded: {error}; get another copy, or save it as a PNG"
        ) from None
    _IDLE.append(worker)
    fields, _ = answer
    if "error" in fields:
        raise InputError(fields["error"])
    return answer


class _EndedError(Exception):
    """A worker has ended. The text says why in a few words."""


class _Worker:
    """A worker process that is waiting for a request."""

    def __init__(self) -> None:
        paths = [os.path.abspath(path) for path in sys.path]
        process = subprocess.Popen(  # noqa: S603 - this Python, with a constant text
            [sys.executable, "-I", "-c", _START, json.dumps(paths)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C in a terminal is for this process
        )
        self._process = process
        self._requests = cast(BinaryIO, process.stdin)
        self._answers = cast(BinaryIO, process.stdout)

    def ask(self, data: bytes, seconds: float, request: Fields) -> tuple[Fields, Sequence[bytes]]:
        """Send a request and wait for its answer. Raises _EndedError."""
        is_late = threading.Event()
        timer = threading.Timer(seconds, self._end_late, (is_late,))
        timer.daemon = True
        timer.start()
        try:
            send(self._requests, request, [data])
            return receive(self._answers)
        except (OSError, EOFError, ValueError):
            self.end()
            code = self._process.returncode
            reason = f"took longer than {seconds:g} s" if is_late.is_set() else f"failed ({code})"
            raise _EndedError(f"its decoder {reason}") from None
        except BaseException:
            self.end()
            raise
        finally:
            timer.cancel()

    def is_alive(self) -> bool:
        """Return whether the process waits for a request."""
        return self._process.poll() is None

    def end(self) -> None:
        """End the process, if it has not ended yet."""
        self._process.kill()
        for pipe in (self._requests, self._answers):
            with suppress(OSError):
                pipe.close()
        self._process.wait()

    def _end_late(self, is_late: threading.Event) -> None:
        is_late.set()
        self._process.kill()


_IDLE: list[_Worker] = []


def _take() -> _Worker:
    while True:
        try:
            worker = _IDLE.pop()
        except IndexError:
            return _Worker()
        if worker.is_alive():  # the system may have ended it meanwhile
            return worker
        worker.end()


@atexit.register
def end_workers() -> None:
    """End the idle workers."""
    while _IDLE:
        _IDLE.pop().end()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_IDLE.clear)  # they belong to the parent
