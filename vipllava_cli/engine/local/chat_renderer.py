"""Render a checkpoint's chat template in a process with limits of time and memory."""

import json
import os
import select
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from vipllava_cli.errors import ModelError

START_SECONDS = 120.0  # the process imports transformers
RENDER_SECONDS = 10.0

_PACKAGE_PARENT = Path(__file__).parents[3]
_WORKER = "vipllava_cli.engine.local.chat_worker"


class ChatRenderer:
    """Renders conversations with a template. Starts its process when it is first used.

    `advice` says what to do if the template fails.
    """

    def __init__(
        self,
        template: str,
        special_tokens: Mapping[str, Any],
        model: str,
        advice: str = "use --template human or vicuna",
    ) -> None:
        self._advice = advice
        self._template = template
        self._special_tokens = dict(special_tokens)
        self._model = model
        self._lock = threading.Lock()
        self._is_new = True

    def render(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """Return the text of a conversation, up to the start of the next answer.

        Raises ModelError if the template fails, or takes too much time or memory.
        """
        request = {
            **self._special_tokens,
            "conversations": [messages],
            "chat_template": self._template,
            "add_generation_prompt": True,
        }
        with self._lock:
            reply = self._exchange(json.dumps(request).encode() + b"\n")
        if "text" not in reply:
            raise self._error(str(reply.get("error")))
        return str(reply["text"])

    def _exchange(self, line: bytes) -> dict[str, Any]:
        """Send a line and wait for the line that answers it. Raises ModelError."""
        process = self._process
        if process.poll() is not None:
            raise self._error("its process ended")
        assert process.stdin is not None  # noqa: S101 - a pipe, see `_process`
        assert process.stdout is not None  # noqa: S101 - a pipe, see `_process`
        output = process.stdout.fileno()
        reply: bytes | None = b""
        with suppress(OSError):
            if self._is_new and not _read_line(output, time.monotonic() + START_SECONDS):
                raise self._error("its process does not start")
            self._is_new = False
            process.stdin.write(line)
            process.stdin.flush()
            reply = _read_line(output, time.monotonic() + RENDER_SECONDS)
        if reply is None:
            process.kill()
            raise self._error(f"it takes more than {RENDER_SECONDS:g} seconds")
        if not reply.endswith(b"\n"):
            raise self._error("its process ended")
        value: dict[str, Any] = json.loads(reply)
        return value

    def _error(self, reason: str) -> ModelError:
        return ModelError(
            f"the chat template of {self._model} cannot be used: {reason}; {self._advice}"
        )

    @cached_property
    def _process(self) -> "subprocess.Popen[bytes]":
        path = os.pathsep.join([str(_PACKAGE_PARENT), os.environ.get("PYTHONPATH", "")])
        process = subprocess.Popen(  # noqa: S603 - a fixed program of our own
            [sys.executable, "-m", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C of the user does not reach it
        )
        weakref.finalize(self, _end, process)
        return process


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process and release its pipes."""
    process.kill()
    with suppress(OSError), process:  # waits, and closes the pipes
        pass


def _read_line(file: int, deadline: float) -> bytes | None:
    """Read up to a newline or the end. None if that takes longer."""
    received = b""
    while not received.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([file], [], [], left)[0]:
            return None
        part = os.read(file, 1 << 16)
        if not part:
            break
        received += part
    return received
