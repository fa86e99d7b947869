"""Processes that need not import much again: forks of a server process that has imported it.

One server has torch, the other has not, and takes little memory. A fork is a real process with its own
streams, terminal, signals and exit code, but it has modules from the start. So tests of what the
program imports, of what it does at an import, and of the start-up time use new processes instead.
"""

import array
import atexit
import fcntl
import functools
import importlib
import json
import os
import pkgutil
import runpy
import shlex
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_MAX_REQUEST = 1 << 20  # bytes
_SHARED = (
    "VIPLLAVA_TESTS_WARM"  # the variable that tells test workers the address of the whole server
)
WHOLE, LIGHT = "serve", "serve-light"
_NOT_LIGHT = ("vipllava_cli.__main__", "vipllava_cli.engine.local", "vipllava_cli.cli.picker")


@dataclass
class Started:
    """A running process: its id, and the connection that reports its end.

    `code` and `peak_bytes` are those of the ended process, its memory with that of its children.
    """

    process: int
    connection: socket.socket
    code: int | None = None
    peak_bytes: int = 0

    def wait(self, seconds: float | None = 60) -> int | None:
        """Return the exit code, negative for a signal; None if the process still runs after that time."""
        if self.code is not None:
            return self.code
        self.connection.settimeout(None if seconds is None else max(seconds, 1e-3))
        try:
            status, peak = map(int, self.connection.recv(64).split())
        except TimeoutError:
            return None
        self.connection.close()
        self.code, self.peak_bytes = os.waitstatus_to_exitcode(status), peak
        return self.code

    def poll(self) -> int | None:
        """Return the exit code, or None if the process still runs."""
        return self.wait(0)

    def send_signal(self, number: int) -> None:
        """Signal the process and its children, as a terminal does. One that has ended gets nothing."""
        with suppress(ProcessLookupError):
            os.killpg(self.process, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    *arguments: str,
    env: Mapping[str, str],
    folder: Path,
    streams: tuple[int, int, int],
    server: str = WHOLE,
) -> Started:
    """Run `python -m module …` or `python -c code …` with stdin, stdout and stderr.

    The first stream that is a terminal becomes the controlling terminal.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(_server(server))
    request = json.dumps([list(arguments), dict(env), str(folder)]).encode()
    connection.sendmsg(
        [request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))]
    )
    return Started(int(connection.recv(64)), connection)


def share() -> str:
    """Share one server with all child processes. Returns a python command for execnet that forks it."""
    os.environ[_SHARED] = _server(WHOLE)
    return f"{shlex.quote(sys.executable)} -S {shlex.quote(__file__)}"


@cache
def _server(kind: str) -> str:
    """Start a server process, which ends with this one. Returns the path of its socket."""
    if kind == WHOLE and _SHARED in os.environ:
        return os.environ[_SHARED]
    # Not above: a worker starts with this file alone.
    from tests.support.session_folders import make_session_folder

    path = os.path.join(make_session_folder("warm-"), "warm")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen()
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.warm", kind, str(listener.fileno())],
        pass_fds=(listener.fileno(),),
        cwd=Path(__file__).parents[2],
    )
    listener.close()
    atexit.register(_end, server)
    return path


def _end(server: "subprocess.Popen[bytes]") -> None:
    server.kill()
    server.wait()


# --- in the server process -----------------------------------------------------------------


def serve(listener: socket.socket) -> None:
    """Fork a watcher for each request. It forks the process and reports its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    parent = os.getppid()
    listener.settimeout(1.0)
    while os.getppid() == parent:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listener.close()
            connection.setblocking(True)
            _watch(connection)
        connection.close()


def _watch(connection: socket.socket) -> None:
    """Start the requested process, send its id, and later its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, streams, _, _ = socket.recv_fds(connection, _MAX_REQUEST, 3)
    terminal = _lead_session(streams)
    process = os.fork()
    if process == 0:
        _enter_foreground(terminal)
        connection.close()
        arguments, environment, folder = json.loads(request)
        _become(arguments, environment, folder, streams)
    for stream in streams:
        os.close(stream)
    connection.send(str(process).encode())
    _, status, usage = os.wait4(process, 0)
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    connection.send(f"{status} {peak}".encode())
    os._exit(0)


def _lead_session(streams: list[int]) -> int | None:
    """Lead a session, as a shell does. Returns the first terminal, which now controls the session.

    Without a parent in its session, a process ignores Ctrl-Z.
    """
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a closed terminal must not end the watcher
    terminal = next(filter(os.isatty, streams), None)
    if terminal is not None:
        with suppress(OSError):  # the tests' own terminal already controls a session
            fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    return terminal


def _enter_foreground(terminal: int | None) -> None:
    """Make this fork the foreground job of the terminal."""
    os.setpgid(0, 0)
    if terminal is not None:
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        with suppress(OSError):
            os.tcsetpgrp(terminal, os.getpgrp())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _become(
    arguments: list[str], environment: Mapping[str, str], folder: str, streams: list[int]
) -> None:
    """Turn this fork into the requested process. Never returns."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for stream in streams:
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    time.tzset()
    if constants := sys.modules.get("huggingface_hub.constants"):
        importlib.reload(constants)  # it reads the environment when it is imported
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    sys.stdin = open(0, encoding=encoding, closefd=False)  # noqa: SIM115 - open until the process ends
    sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115
    flag, source, *rest = arguments
    sys.argv = [source if flag == "-m" else flag, *rest]
    code = 0
    try:
        if flag == "-m":
            runpy.run_module(source, run_name="__main__", alter_sys=True)
        else:
            exec(source, {"__name__": "__main__"})
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    for output in (sys.stdout, sys.stderr):
        with suppress(OSError):
            output.flush()
    os._exit(code)


def _import_whole() -> None:
    import accelerate  # noqa: F401 - imported for the forks
    import cv2  # noqa: F401
    import prompt_toolkit  # noqa: F401
    import rich.markdown  # noqa: F401
    import transformers.models.vipllava.modeling_vipllava  # noqa: F401


def _import_light() -> None:
    """Import the program without torch."""
    import cv2  # noqa: F401
    import psutil  # noqa: F401
    import tokenizers  # noqa: F401
    import typer.main
    from PIL import Image
    from typer.testing import CliRunner

    import vipllava_cli.cli.app

    for module in pkgutil.walk_packages(vipllava_cli.__path__, "vipllava_cli."):
        if not module.name.startswith(_NOT_LIGHT):
            importlib.import_module(module.name)
    Image.init()
    # To make the command takes longer than most of its runs. Typer imports more when it runs.
    typer.main.get_command = functools.cache(typer.main.get_command)
    program: Any = typer.main.get_command(vipllava_cli.cli.app.app)
    for command in program.commands.values():
        for each in getattr(command, "commands", {"": command}).values():
            assert each.params is not None  # subcommands are made when they are needed
    CliRunner().invoke(vipllava_cli.cli.app.app, ["config", "path"])
    assert not {"torch", "transformers", "tkinter"} & set(sys.modules)


def _fork(arguments: list[str]) -> int:
    """Run a fork with this process's streams. Returns its exit code."""
    arguments = [argument for argument in arguments if argument != "-u"]
    started = start(*arguments, env=os.environ, folder=Path.cwd(), streams=(0, 1, 2))
    return started.wait(None) or 0


if __name__ == "__main__":
    # Ctrl-C at the tests must not end the server: the test process does that itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.argv[1] not in (WHOLE, LIGHT):
        sys.exit(_fork(sys.argv[1:]))
    _import_whole() if sys.argv[1] == WHOLE else _import_light()
    serve(socket.socket(fileno=int(sys.argv[2])))
