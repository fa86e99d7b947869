"""A folder for `VIPLLAVA_HOME`, and a chat session with the stand-in for the model."""

from pathlib import Path

import pytest

from tests.support.chat_session import FakeSession
from vipllava_cli.flows.chat.state import ChatState
from vipllava_cli.marks.marked_image import MarkedImage, open_image


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder for `VIPLLAVA_HOME`."""
    return tmp_path / "home"


@pytest.fixture
def fake(image: Path) -> FakeSession:
    """A session about a grey image of 200x100 pixels."""
    return FakeSession(ChatState(MarkedImage(open_image(str(image)))))
