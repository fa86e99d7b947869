"""`vipllava` with a stand-in for the model that waits while the file that WAIT names exists.

It waits when it loads, and after the first word of each answer until Ctrl-C. A question that contains
`crash` raises an error that nobody expects.
"""

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from tests.support.fake_engine import FakeConversation, FakeEngine
from vipllava_cli.cli.app import app
from vipllava_cli.engine import open as engine_open
from vipllava_cli.engine.base import ModelView, Reply
from vipllava_cli.engine.prompts.templates import Turn

FIRST_WORD = "growing"


def wait(stop: Callable[[], bool]) -> None:
    """Wait until the file is gone, or `stop` returns True."""
    while os.path.exists(os.environ["WAIT"]) and not stop():
        time.sleep(0.01)


class WaitingConversation(FakeConversation):
    """Writes a word, waits, and goes on."""

    def answer(self, view: ModelView, turns: Sequence[Turn], **more: Any) -> Reply:
        if "crash" in turns[-1].question:
            raise RuntimeError("unexpected")
        more["on_text"](FIRST_WORD)
        wait(more["stop"])
        return super().answer(view, turns, **more)


class WaitingEngine(FakeEngine):
    """Starts conversations that wait."""

    def start_conversation(self) -> FakeConversation:
        return WaitingConversation(self)


def open_waiting_engine(*arguments: object, **options: object) -> FakeEngine:
    """Wait, then open the stand-in."""
    wait(lambda: False)
    return WaitingEngine()


if __name__ == "__main__":
    engine_open.open_engine = open_waiting_engine
    app()
