"""An answer says how large the image was that the server received."""

import numpy as np
import pytest
from PIL import Image

from tests.support.server_engines import engine_at
from tests.support.vision_server import VisionServer, serving
from vipllava_cli.engine.base import Answer
from vipllava_cli.engine.prompts.templates import Turn
from vipllava_cli.engine.server.engine import ServerEngine


def noise(side: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def ask(engine: ServerEngine, image: Image.Image) -> Answer:
    [answer] = engine.answer_batch([engine.prompt(engine.view(image), "what?")])
    return answer


@pytest.mark.parametrize(("side", "sent"), [(300, 300), (2400, 1200)])
def test_an_image_that_is_large_in_bytes_is_sent_at_half_its_size(side: int, sent: int) -> None:
    with serving(VisionServer()) as server:
        engine = engine_at(server)
        assert ask(engine, noise(side)).image_side == sent
        assert server.images[-1].size == (sent, sent)
        reply = engine.start_conversation().answer(engine.view(noise(side)), [Turn("what?")])
        assert reply.answer.image_side == sent


def test_an_image_that_the_server_refuses_is_sent_at_a_smaller_size() -> None:
    with serving(VisionServer(max_image_side=1024)) as server:
        engine = engine_at(server)
        assert ask(engine, Image.new("RGB", (1500, 1500))).image_side == 1024
        assert ask(engine, Image.new("RGB", (600, 600))).image_side == 600
