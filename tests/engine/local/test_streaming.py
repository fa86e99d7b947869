"""The text of an answer as it grows."""

import pytest
import torch
from PIL import Image

from vipllava_cli.engine.local.engines import VipLlavaEngine
from vipllava_cli.engine.local.streaming import Stream

pytestmark = pytest.mark.model


def test_the_pieces_of_a_stream_join_to_the_answer(
    engine: VipLlavaEngine, zoo: Image.Image
) -> None:
    prompt = engine.prompt(engine.view(zoo), "what is in the red box?")
    pieces: list[str] = []
    answers = list(engine.answer([prompt], on_text=pieces.append))
    assert "".join(pieces) == answers[0].text
    assert len(pieces) > 1


class CharacterTokenizer:
    """A tokenizer whose tokens are code points."""

    def decode(self, ids: list[int], skip_special_tokens: bool = True) -> str:
        return "".join(map(chr, ids))


@pytest.mark.parametrize("answer", ["a cat###Human: no", "a #1 cat##", "a cat ", "###", "# # ok"])
def test_a_stream_never_sends_part_of_a_stop_text(answer: str) -> None:
    pieces: list[str] = []
    stream = Stream(CharacterTokenizer(), pieces.append)
    stream.put(torch.tensor([1, 2, 3]))
    for letter in answer:
        stream.put(torch.tensor([ord(letter)]))
        assert "###" not in "".join(pieces)
    stream.end()
    assert "".join(pieces) == answer.partition("###")[0].rstrip()
