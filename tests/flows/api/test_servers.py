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
    with serving(VisionServer(latency=0.02)) as server:
        _name(server)
        model = load_model("box", parallel=8)
        assert model.ask(IMAGE, "where?").text == "the answer to where?"
        server.ways = {"number 7.": ["400"]}
        rows = [
            {"id": str(n), "image": IMAGE, "question": f"what is number {n}."} for n in range(20)
        ]
        responses = list(model.batch(rows))  # type: ignore[arg-type]
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
