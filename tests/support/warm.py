"""The command in processes of its own that need not import torch again: forks of one that only has.

A fork is a real process with real streams, a terminal, signals and an exit code; what it has too soon
are modules. So what must not import, what reads the environment while it imports (the hub's client)
and how long a start takes are tested on processes that begin with nothing.
"""

import array
import atexit
import fcntl
import json
import os
import runpy
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_ROOM = 1 << 20  # bytes of a request
_SHARED = "VIPLLAVA_TESTS_WARM"  # where the workers of one run find it
_SERVE = "serve"


@dataclass
class Started:
    """A process that runs, and the line on which its end is told."""

    process: int
    line: socket.socket

    def wait(self, seconds: float | None = 60) -> int | None:
        """The exit code, negative for a signal; None while it still runs after so long."""
        self.line.settimeout(None if seconds is None else max(seconds, 1e-3))
        try:
            told = self.line.recv(64)
        except TimeoutError:
            return None
        self.line.close()
        return os.waitstatus_to_exitcode(int(told))


def start(
    *arguments: str, env: Mapping[str, str], folder: Path, streams: tuple[int, int, int]
) -> Started:
    """`python ARGUMENTS` of the form `-m module …` or `-c code`, with stdin, stdout and stderr; the
    first that is a terminal is the process's own.
    """
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line.connect(_server())
    request = json.dumps([list(arguments), dict(env), str(folder)]).encode()
    line.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))])
    return Started(int(line.recv(64)), line)


def share() -> str:
    """One such process for all that this one starts; a python, for execnet, that is a fork of it."""
    os.environ[_SHARED] = _server()
    return f"{shlex.quote(sys.executable)} -S {shlex.quote(__file__)}"


@cache
def _server() -> str:
    """Where the process listens that is forked; it ends with the one that started it."""
    if _SHARED in os.environ:
        return os.environ[_SHARED]
    place = os.path.join(tempfile.mkdtemp(), "warm")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(place)
    listener.listen()
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.warm", _SERVE, str(listener.fileno())],
        pass_fds=(listener.fileno(),),
        cwd=Path(__file__).parents[2],
    )
    listener.close()
    atexit.register(_end, server)
    return place


def _end(server: "subprocess.Popen[bytes]") -> None:
    server.kill()
    server.wait()


# --- in the process that is forked -----------------------------------------------------------------


def serve(listener: socket.socket) -> None:
    """Fork for each request; what is forked forks again, and tells how that ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    parent = os.getppid()
    listener.settimeout(1.0)
    while os.getppid() == parent:
        try:
            line, _ = listener.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listener.close()
            line.setblocking(True)
            _watch(line)
        line.close()


def _watch(line: socket.socket) -> None:
    """Start what is asked for, tell its number, and later how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, streams, _, _ = socket.recv_fds(line, _ROOM, 3)
    process = os.fork()
    if process == 0:
        line.close()
        arguments, environment, folder = json.loads(request)
        _become(arguments, environment, folder, streams)
    for stream in streams:
        os.close(stream)
    line.send(str(process).encode())
    _, status = os.waitpid(process, 0)
    line.send(str(status).encode())
    os._exit(0)


def _become(
    arguments: list[str], environment: Mapping[str, str], folder: str, streams: list[int]
) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream in filter(os.isatty, streams):
        with suppress(OSError):  # the one that the tests were typed in is another process's own
            fcntl.ioctl(stream, termios.TIOCSCTTY, 0)
        break
    for place, stream in enumerate(streams):
        os.dup2(stream, place)
    for stream in streams:
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    time.tzset()
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - to the end of it
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115
    way, what, *rest = arguments
    sys.argv = [what if way == "-m" else way, *rest]
    code = 0
    try:
        if way == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            exec(what, {"__name__": "__main__"})
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    for output in (sys.stdout, sys.stderr):
        with suppress(OSError):
            output.flush()
    os._exit(code)


def _fork(arguments: list[str]) -> int:
    """Be what such a fork is, to whoever started this."""
    arguments = [argument for argument in arguments if argument != "-u"]
    started = start(*arguments, env=os.environ, folder=Path.cwd(), streams=(0, 1, 2))
    return started.wait(None) or 0


if __name__ == "__main__":
    # Ctrl-C is for whoever types it at the tests: that process ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.argv[1] != _SERVE:
        sys.exit(_fork(sys.argv[1:]))

    import accelerate  # noqa: F401 - imported for those that are forked
    import cv2  # noqa: F401
    import prompt_toolkit  # noqa: F401
    import rich.markdown  # noqa: F401
    import transformers.models.vipllava.modeling_vipllava  # noqa: F401

    serve(socket.socket(fileno=int(sys.argv[2])))
