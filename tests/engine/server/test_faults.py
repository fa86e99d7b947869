"""What a misbehaving server does -> the right answer after another try, or one clear line."""

import re
import time
from dataclasses import replace

import pytest
from PIL import Image

from tests.support.server_engines import engine_at
from tests.support.vision_server import VisionServer, serving
from vipllava_cli.engine.options import GREEDY, GenerationOptions
from vipllava_cli.engine.server.client import MAX_RETRIES
from vipllava_cli.engine.server.engine import ServerEngine
from vipllava_cli.errors import GenerationError, ModelError

IMAGE = Image.new("RGB", (1200, 1200), "green")
ANSWER = "the answer to where?"


def ask(engine: ServerEngine, options: GenerationOptions = GREEDY, *, streams: bool = False) -> str:
    """Ask one question, and check that a streamed answer is shown once and complete."""
    prompt = engine.prompt(engine.view(IMAGE), "where?")
    if not streams:
        [answer] = engine.answer_batch([prompt], options)
        return answer.text
    pieces: list[str] = []
    [answer] = engine.answer([prompt], options, pieces.append)
    assert "".join(pieces) == answer.text
    return answer.text


PASSING = ("429", "500", "drop", "cut", "bad JSON", "error with 200")


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("way", PASSING)
def test_answers_after_errors_that_pass(way: str, streams: bool) -> None:
    with serving(VisionServer(ways={"where": [way, way]})) as server:
        assert ask(engine_at(server), streams=streams) == ANSWER
    assert server.rows() == {"where?": 3}


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("500", "answered 500 (something broke), the last of 6 errors"),
        ("error with 200", "answered 500 (the model crashed), the last of 6 errors"),
        ("bad JSON", "sent a reply that is not JSON, the last of 6 errors"),
        ("endless", "sent a reply that cannot be read: its body has more than 16 MiB"),
        ("a page", "sent a web page, not a chat completion: check the address"),
        ("400", "answered 400 (this question is not allowed)"),
        ("error as answer", "ended its reply with 'error' (out of memory)"),
        ("filter", "ended its reply by a content filter before an answer"),
        (
            "thinks",
            "did not begin within 256 tokens, which its thoughts took: raise --max-new-tokens",
        ),
        ("empty", "gave an empty answer: ask in other words"),
    ],
)
def test_fails_a_question_in_one_line(way: str, words: str) -> None:
    with (
        serving(VisionServer(always=way)) as server,
        pytest.raises(GenerationError, match=re.escape(words)) as error,
    ):
        ask(engine_at(server))
    assert "\n" not in str(error.value)
    assert server.rows()["where?"] <= MAX_RETRIES + 1


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("401", "answered 401 (no such key): check the key in VIPLLAVA_KEY_BOX"),
        ("404", "answered 404 (no such model): check the model a-vision-model and the address"),
        ("429 for hours", "asks to wait 7200 s: repeat the command then to continue from here"),
        ("redirect", "redirects to http://127.0.0.1:1/v1: use that address"),
    ],
)
def test_ends_a_run_that_no_question_can_continue(way: str, words: str) -> None:
    with (
        serving(VisionServer(always=way)) as server,
        pytest.raises(ModelError, match=re.escape(words)),
    ):
        ask(engine_at(server))
    assert server.rows() == {"where?": 1}


def test_waits_as_long_as_the_server_asks() -> None:
    with serving(VisionServer(ways={"where": ["429"]})) as server:
        engine = engine_at(server)
        start = time.monotonic()
        assert ask(engine) == ANSWER
    assert 0.3 <= time.monotonic() - start < 5


def test_ends_a_stalled_request() -> None:
    with serving(VisionServer(ways={"where": ["stall"]})) as server:
        assert ask(engine_at(server, timeout=0.5)) == ANSWER
    with (
        serving(VisionServer(always="stall")) as server,
        pytest.raises(GenerationError, match=r"for 0\.5 s, 2 times: a larger --timeout may help"),
    ):
        ask(engine_at(server, timeout=0.5))


def test_reads_the_words_of_a_slow_model() -> None:
    with serving(VisionServer(ways={"where": ["slow words"]})) as server:
        assert ask(engine_at(server, timeout=0.4), streams=True) == ANSWER
    assert server.rows() == {"where?": 1}


def test_ends_a_reply_that_only_keeps_the_connection_alive() -> None:
    start = time.monotonic()
    with (
        serving(VisionServer(always="keep-alives")) as server,
        pytest.raises(GenerationError, match="2 times: a larger --timeout may help"),
    ):
        ask(engine_at(server, timeout=0.1), streams=True)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("rejected", ["max_tokens", "seed", "temperature", "top_p"])
def test_drops_rejected_parameters_with_one_note(rejected: str, streams: bool) -> None:
    notes: list[str] = []
    sampled = replace(GREEDY, temperature=0.7, seed=3)
    with serving(VisionServer(rejects=(rejected,))) as server:
        engine = engine_at(server, notes)
        assert [ask(engine, sampled, streams=streams) for _ in range(3)] == [ANSWER] * 3
    assert len(notes) == 1
    assert f"the server rejects {rejected}: it is left out" in notes[0]
    sent = server.bodies[-1]
    assert rejected not in sent
    assert ("max_completion_tokens" in sent) == (rejected == "max_tokens")


def test_shrinks_images_that_are_too_large_once() -> None:
    notes: list[str] = []
    with serving(VisionServer(max_image_side=1024)) as server:
        engine = engine_at(server, notes)
        assert [ask(engine) for _ in range(2)] == [ANSWER] * 2
    assert [image.size for image in server.images[-2:]] == [(1024, 1024)] * 2
    assert len(notes) == 1
    assert "images have at most 1024x1024 pixels from now on" in notes[0]
    with (
        serving(VisionServer(max_image_side=600)) as server,
        pytest.raises(GenerationError, match="answered 413"),
    ):
        ask(engine_at(server))


def test_sends_png_data_urls_and_no_seed() -> None:
    with serving(VisionServer()) as server:
        ask(engine_at(server))
    assert {image.format for image in server.images} == {"PNG"}
    assert server.images[-1].getpixel((0, 0)) == (0, 128, 0)
    assert server.bodies[-1].keys() == {"model", "messages", "max_tokens", "temperature"}


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    "reply",
    [
        {"content": "<think>a cat?</think>a dog"},
        {"content": "a cat?</think>\n\na dog "},
        {"content": "a dog", "reasoning_content": "a cat?"},
        {"content": "a dog", "reasoning": "a cat?"},
    ],
)
def test_keeps_thoughts_out_of_the_answer(reply: dict[str, str], streams: bool) -> None:
    is_open = reply["content"].startswith("a cat")  # a stream shows thoughts without their start
    with serving(VisionServer(answers={"where": reply})) as server:
        assert ask(engine_at(server), streams=streams and not is_open) == "a dog"


def test_refuses_an_unreachable_server_at_once() -> None:
    start = time.monotonic()
    with pytest.raises(ModelError, match="is unreachable: start it, or check the address"):
        engine_at(VisionServer(url="http://127.0.0.1:9/v1"))
    assert time.monotonic() - start < 5


def test_counts_tokens_and_cost() -> None:
    with serving(VisionServer()) as server:
        engine = engine_at(server, checks_images=False)
        ask(engine)
        ask(engine)
    assert (engine.usage.prompt_tokens, engine.usage.answer_tokens) == (640, 10)
    assert engine.usage.cost is None
