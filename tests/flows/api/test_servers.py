"""The Python API with a model on a server."""

import pytest
from PIL import Image

from tests.support.server_engines import server_home
from tests.support.vision_server import MODEL, VisionServer, serving
from vipllava_cli import ModelError, UsageError, load_model
from vipllava_cli.engine.server.config import make_server_model
from vipllava_cli.storage.settings import UserSettings, write_settings

IMAGE = Image.new("RGB", (60, 40), "red")


home = pytest.fixture(autouse=True)(server_home)


def _name(server: VisionServer) -> None:
    box = make_server_model("box", server.url, MODEL)
    write_settings(UserSettings(servers={"box": box.to_json()}))


def test_asks_one_question_many_and_a_conversation() -> None:
    with serving(VisionServer(latency=0.2)) as server:
        _name(server)
        model = load_model("box", parallel=8)
        assert model.ask(IMAGE, "where?").text == "the answer to where?"
        server.ways = {"number 7.": ["400"]}
        rows = [
            {"id": str(n), "image": IMAGE, "question": f"what is number {n}."} for n in range(20)
        ]
        responses = list(model.batch(rows))
        chat = model.chat(IMAGE)
        assert chat.ask("why?").text == "the answer to why?"
    assert [response.record["id"] for response in responses] == [str(n) for n in range(20)]
    assert [response.error is None for response in responses] == [n != 7 for n in range(20)]
    assert server.max_parallel == 8
    assert max(server.rows().values()) == 1


def test_refuses_options_that_mean_nothing() -> None:
    with pytest.raises(UsageError, match="parallel, timeout and check_images are for models on"):
        load_model("tiny", parallel=2)
    with serving(VisionServer(sees_images=False)) as server:
        _name(server)
        with pytest.raises(UsageError, match="box runs on a server: remove device, dtype"):
            load_model("box", device="cpu")
        with pytest.raises(UsageError, match="parallel is a number from 1 to 256, not 0"):
            load_model("box", parallel=0)
        with pytest.raises(UsageError, match=r"timeout is a number of seconds"):
            load_model("box", timeout=-1)
        with pytest.raises(ModelError, match="images do not reach"):
            load_model("box")
        assert load_model("box", check_images=False).info.device == "server"


def test_a_response_holds_the_marks_of_its_answer() -> None:
    answer = '{"box_2d": [250, 500, 750, 1000], "label": "lamp"}'
    with serving(VisionServer("gemini-2.5-flash", answers={"lamp": answer})) as server:
        box = make_server_model("box", server.url, server.model)
        write_settings(UserSettings(servers={"box": box.to_json()}))
        model = load_model("box")
        found = model.ask(IMAGE, "where is the lamp?")
        [mark] = found.marks
        assert mark == found.record["answer_marks"][0]
        assert (mark["coords"], mark["label"]) == ([30, 5, 60, 35], "lamp")
        again = model.ask(IMAGE, "what is {1}?", marks=found.marks)
        assert again.record["marks"][0]["coords"] == [30, 5, 60, 35]
        assert again.marks == ()
        chat = model.chat(IMAGE)
        assert chat.ask("the lamp?").marks == found.marks
        [row] = model.batch([{"image": IMAGE, "question": "lamp?"}])
        assert row.marks == found.marks
        server.answers = {"lamp": answer.replace("250", "2500")}
        lost = model.ask(IMAGE, "where is the lamp?")
        assert lost.marks == ()
        assert "the region in the answer is not on the image" in lost.notes[-1]
