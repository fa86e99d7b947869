"""The check that images reach the model: by tokens, by a number, once a day."""

from typing import Any

import pytest

from tests.support.server_engines import engine_at
from tests.support.vision_server import VisionServer, serving
from vipllava_cli.errors import ModelError


def test_takes_more_prompt_tokens_as_proof_once_a_day() -> None:
    with serving(VisionServer()) as server:
        engine_at(server)
        engine_at(server)
    assert sum(server.asked.values()) == 2  # with and without the image, for the first engine
    assert len(server.images) == 1


def test_takes_a_number_that_is_read_as_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.randbelow", lambda _: 2345)
    state = VisionServer(counts_tokens=False, answers={"Which number": "It shows 12 345."})
    with serving(state) as server:
        engine_at(server)
    assert sum(server.asked.values()) == 1


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"sees_images": False}, "an image adds 0 prompt tokens, and it read 'I see no image'"),
        ({"counts_tokens": False}, "it read 'I see no image' where the image shows"),
    ],
)
def test_refuses_a_server_that_drops_images(how: dict[str, Any], words: str) -> None:
    state = VisionServer(answers={"Which number": "I see no image"}, **how)
    with serving(state) as server:
        with pytest.raises(ModelError, match=r"skip this check with --no-image-check") as error:
            engine_at(server)
        assert words in str(error.value)
        with pytest.raises(ModelError):  # a failed check is not remembered
            engine_at(server)
        engine_at(server, checks_images=False)


def test_says_that_a_server_refuses_images() -> None:
    with (
        serving(VisionServer(always="400", spares_check=False)) as server,
        pytest.raises(ModelError, match="cannot be asked about an image: the server at"),
    ):
        engine_at(server)
