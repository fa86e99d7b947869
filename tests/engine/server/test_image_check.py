"""The check that images reach the model: by tokens, by a number, once a day."""

from typing import Any

import pytest
from PIL import Image

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
        engine_at(server, parallel=1)
    assert sum(server.asked.values()) == 1


def test_asks_with_and_without_the_image_at_the_same_time() -> None:
    with serving(VisionServer(latency=0.3)) as server:
        engine_at(server, parallel=2)
    assert server.max_parallel == 2


def test_rows_are_prepared_during_the_check_and_asked_after_it() -> None:
    with serving(VisionServer(latency=0.3)) as server:
        engine = engine_at(server, waits_for_check=False)
        prompt = engine.prompt(engine.view(Image.new("RGB", (64, 64))), "where?")
        assert server.answered.total() == 0
        assert engine.answer_batch([prompt])[0].text == "the answer to where?"
        engine.wait_until_checked()
    questions = [body["messages"][-1]["content"][-1]["text"] for body in server.bodies]
    assert ["Which number" in question for question in questions] == [True, True, False]


def test_no_row_is_asked_if_the_check_fails() -> None:
    with serving(VisionServer(sees_images=False)) as server:
        engine = engine_at(server, waits_for_check=False)
        prompt = engine.prompt(engine.view(Image.new("RGB", (64, 64))), "where?")
        for _ in range(2):
            with pytest.raises(ModelError, match="images do not reach a-vision-model"):
                engine.answer_batch([prompt])
    assert not server.rows()


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
