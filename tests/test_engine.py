"""The engine on the shipped model: every short way equals the long one."""

from collections.abc import Callable

import pytest
import torch
from PIL import Image

from vipllava_cli.demo.samples import sample_scene
from vipllava_cli.engine import GenerationOptions
from vipllava_cli.errors import GenerationError, UsageError
from vipllava_cli.pictures import square
from vipllava_cli.prompts import TEMPLATES, Turn, render
from vipllava_cli.runtime import open_engine
from vipllava_cli.runtime.local import AnswerText, LocalEngine

QUESTIONS = [
    "what is in the red box?",
    "what kind of thing is in the red box?",
    "what is marked?",
]


@pytest.fixture(scope="module")
def engine() -> LocalEngine:
    engine = open_engine("tiny", device="cpu")
    assert isinstance(engine, LocalEngine)
    return engine


@pytest.fixture(scope="module")
def zoo() -> Image.Image:
    return square(sample_scene("zoo-red-box").picture)


def long_way(engine: LocalEngine, picture: Image.Image, question: str) -> str:
    """One plain `generate` over everything, picture included."""
    prompt = render(TEMPLATES["human"], [Turn(question)])
    inputs = engine.processor(images=picture, text=prompt, return_tensors="pt")
    output = engine.model.generate(**inputs, max_new_tokens=24, do_sample=False)
    new = output[0, inputs["input_ids"].shape[1] :]
    text: str = engine.tokenizer.decode(new, skip_special_tokens=True)
    return text.partition("###")[0].strip()


def test_questions_that_share_a_picture_are_answered_as_if_alone(
    engine: LocalEngine, zoo: Image.Image
) -> None:
    together = [answer.text for answer in engine.answer(zoo, QUESTIONS)]
    alone = [next(engine.answer(zoo, [question])).text for question in QUESTIONS]
    assert together == alone == [long_way(engine, zoo, question) for question in QUESTIONS]


def test_the_picture_is_read_once_for_all_questions(
    engine: LocalEngine, zoo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = 0
    tower = engine.model.model.vision_tower
    forward = tower.forward

    def counted(*args: object, **kwargs: object) -> object:
        nonlocal runs
        runs += 1
        return forward(*args, **kwargs)

    monkeypatch.setattr(tower, "forward", counted)
    assert len(list(engine.answer(zoo, QUESTIONS))) == 3
    assert runs == 1


@pytest.mark.parametrize("template", ["human", "vicuna", "chat"])
def test_every_template_gives_an_answer_without_control_words(
    engine: LocalEngine, zoo: Image.Image, template: str
) -> None:
    answer = next(engine.answer(zoo, [QUESTIONS[0]], template=template))
    assert answer.text == "a penguin"
    assert answer.finish_reason == "stop"


def test_the_pieces_of_a_stream_are_the_answer(engine: LocalEngine, zoo: Image.Image) -> None:
    pieces: list[str] = []
    answers = list(engine.answer(zoo, QUESTIONS[:1], on_text=pieces.append))
    assert "".join(pieces) == answers[0].text
    assert len(pieces) > 1


def test_an_answer_that_meets_the_limit_says_so(engine: LocalEngine, zoo: Image.Image) -> None:
    answer = next(engine.answer(zoo, QUESTIONS, options=GenerationOptions(max_new_tokens=1)))
    assert (answer.finish_reason, answer.answer_tokens) == ("length", 1)
    exact = next(engine.answer(zoo, QUESTIONS))
    same = GenerationOptions(max_new_tokens=exact.answer_tokens)
    assert next(engine.answer(zoo, QUESTIONS, options=same)).finish_reason == "stop"


def test_sampling_repeats_with_its_seed_and_leaves_torchs_own_alone(
    engine: LocalEngine, zoo: Image.Image
) -> None:
    def sampled(seed: int) -> list[str]:
        options = GenerationOptions(temperature=8.0, max_new_tokens=12, seed=seed)
        return [answer.text for answer in engine.answer(zoo, QUESTIONS, options=options)]

    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert sampled(1) == sampled(1)
    assert sampled(1) != sampled(2)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_question_that_is_too_long_is_refused_not_cut(
    engine: LocalEngine, zoo: Image.Image
) -> None:
    with pytest.raises(UsageError, match="reads at most"):
        next(engine.answer(zoo, ["word " * 3000]))


def test_a_second_picture_in_the_words_is_refused(engine: LocalEngine, zoo: Image.Image) -> None:
    with pytest.raises(UsageError, match="2 pictures"):
        next(engine.answer(zoo, ["what is <image>?"]))


def test_what_torch_raises_is_one_line(
    engine: LocalEngine, zoo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(error: Exception) -> Callable[..., object]:
        def forward(*args: object, **kwargs: object) -> object:
            raise error

        return forward

    for error, said in (
        (torch.OutOfMemoryError("CUDA out of memory"), "out of memory"),
        (RuntimeError("shapes\ndo not fit"), "shapes do not fit"),
    ):
        monkeypatch.setattr(engine.model.model.vision_tower, "forward", fails(error))
        with pytest.raises(GenerationError, match=said):
            next(engine.answer(zoo, QUESTIONS))


class Letters:
    """A tokenizer whose tokens are code points."""

    def decode(self, ids: list[int], skip_special_tokens: bool = True) -> str:
        return "".join(map(chr, ids))


@pytest.mark.parametrize("said", ["a cat###Human: no", "a #1 cat##", "a cat ", "###", "# # ok"])
def test_a_stream_never_shows_a_part_of_the_stop(said: str) -> None:
    pieces: list[str] = []
    text = AnswerText(Letters(), pieces.append)
    text.put(torch.tensor([1, 2, 3]))
    for letter in said:
        text.put(torch.tensor([ord(letter)]))
        assert "###" not in "".join(pieces)
    text.end()
    assert "".join(pieces) == said.partition("###")[0].rstrip() == text.final()
