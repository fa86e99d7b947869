"""A conversation with a model on a server: what is sent, and how an answer is stopped."""

from PIL import Image

from tests.support.server_engines import engine_at
from tests.support.vision_server import VisionServer, serving
from vipllava_cli.engine.prompts.templates import Turn

IMAGE = Image.new("RGB", (64, 64), "red")
LONG = "one two three four five six"


def test_keeps_what_came_before_an_interrupt() -> None:
    pieces: list[str] = []

    def interrupt(piece: str) -> None:
        pieces.append(piece)
        if len(pieces) == 3:
            raise KeyboardInterrupt

    with serving(VisionServer(answers={"count": LONG})) as server:
        engine = engine_at(server)
        reply = engine.start_conversation().answer(
            engine.view(IMAGE), [Turn("count")], on_text=interrupt
        )
    assert reply.answer.finish_reason == "stopped"
    assert reply.answer.text == "".join(pieces).strip() == "one two three"
    assert reply.answer.answer_tokens > 0


def test_stops_between_two_words() -> None:
    pieces: list[str] = []
    with serving(VisionServer(answers={"count": LONG})) as server:
        engine = engine_at(server)
        reply = engine.start_conversation().answer(
            engine.view(IMAGE),
            [Turn("count")],
            on_text=pieces.append,
            stop=lambda: len(pieces) >= 2,
        )
    assert reply.answer.finish_reason == "stopped"
    assert LONG.startswith(reply.answer.text)


def test_sends_the_image_with_the_first_turn_only() -> None:
    with serving(VisionServer()) as server:
        engine = engine_at(server)
        turns = [Turn("where?", "there"), Turn("why?")]
        engine.start_conversation().answer(engine.view(IMAGE), turns)
    messages = server.bodies[-1]["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    kinds = [part["type"] for part in messages[0]["content"]]
    assert kinds == ["image_url", "text"]
    assert messages[1]["content"] == "there"
    assert [part["type"] for part in messages[2]["content"]] == ["text"]


def test_asks_to_continue_a_cut_answer() -> None:
    with serving(VisionServer(answers={"Continue your answer": "three four"})) as server:
        engine = engine_at(server)
        reply = engine.start_conversation().answer(engine.view(IMAGE), [Turn("count", "one two")])
    assert reply.answer.text == "one two three four"
    assert [message["role"] for message in server.bodies[-1]["messages"]] == [
        "user",
        "assistant",
        "user",
    ]
