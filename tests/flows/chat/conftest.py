"""A conversation with the stand-in for the model."""

from pathlib import Path

import pytest

from tests.support.fake_engine import FakeEngine
from vipllava_cli.flows.chat.chat import Chat
from vipllava_cli.flows.chat.state import ChatState
from vipllava_cli.marks.marked_image import MarkedImage, open_image


@pytest.fixture
def notes() -> list[str]:
    """The notes of the conversation."""
    return []


@pytest.fixture
def chat(image: Path, notes: list[str]) -> Chat:
    """A conversation about a grey image of 200x100 pixels."""
    return Chat(FakeEngine(), notes.append, ChatState(MarkedImage(open_image(str(image)))))
