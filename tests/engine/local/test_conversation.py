"""Conversations on the shipped model: the prefix cache changes no answer."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.support.sample_scenes import PLACES, open_sample
from tests.support.tokenizers import spaced_tokenizer
from vipllava_cli.engine.base import ModelView, Reply
from vipllava_cli.engine.local.conversation import LocalConversation
from vipllava_cli.engine.local.engines import VipLlavaEngine
from vipllava_cli.engine.local.roomy_cache import RoomyLayer
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.options import GREEDY, GenerationOptions
from vipllava_cli.engine.prompts.templates import TEMPLATES, Turn, render
from vipllava_cli.errors import GenerationError, UsageError
from vipllava_cli.images.square import pad_to_square
from vipllava_cli.marks.colors import parse_color
from vipllava_cli.marks.draw import draw
from vipllava_cli.marks.types import Mark

pytestmark = pytest.mark.model

QUESTIONS = [
    "what is in the red box?",
    "what kind of thing is in the red box?",
    "what does the blue arrow point to?",
    "what is the object within the lime ellipse?",
    "Name the thing in the red rectangle.",
    "what is marked? why? (it is #1, or \\x1b)",
    "was ist das, 二つ?\nand a second line",
]


@pytest.fixture(scope="module")
def engine() -> Iterator[VipLlavaEngine]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as fast for a small model, and steady next to other processes
    engine = open_engine("tiny", device="cpu")
    assert isinstance(engine, VipLlavaEngine)
    yield engine
    torch.set_num_threads(threads)


@pytest.fixture
def view(engine: VipLlavaEngine) -> ModelView:
    return view_with(engine, "red", "butterfly")


def garden(color: str, name: str) -> Image.Image:
    """Return a sample image with a box around an object."""
    left, top, right, bottom = PLACES["garden"][name]
    mark = Mark("box", (((left, top), (right, bottom)),), parse_color(color))
    return pad_to_square(draw(open_sample("garden"), [mark]))


def view_with(engine: VipLlavaEngine, color: str, name: str) -> ModelView:
    return engine.view(garden(color, name))


def with_question(turns: Sequence[Turn], question: str) -> list[Turn]:
    return [*turns, Turn(question)]


def with_answer(turns: Sequence[Turn], reply: Reply) -> list[Turn]:
    """Return the turns with the last one answered."""
    last = Turn(turns[-1].question, reply.answer.text, reply.tokens)
    return [*turns[:-1], last]


def stop_after(count: int) -> Callable[[], bool]:
    """Return a `stop` that is true after `count` tokens."""
    calls = iter(range(1, 1 << 30))
    return lambda: next(calls) >= count


def are_equal(reply: Reply, fresh: Reply) -> bool:
    actual, expected = replace(reply.answer, seconds=0), replace(fresh.answer, seconds=0)
    return (actual, reply.tokens) == (expected, fresh.tokens)


@dataclass
class Walk:
    """A random conversation. Each answer is compared with that of a fresh conversation."""

    engine: VipLlavaEngine
    views: list[ModelView]
    rng: random.Random
    template: str
    conversation: LocalConversation = field(init=False)
    turns: list[Turn] = field(default_factory=list)
    options: GenerationOptions = GREEDY

    def __post_init__(self) -> None:
        self.conversation = self.engine.start_conversation()
        self.view = self.views[0]

    def answer(self, turns: list[Turn], options: GenerationOptions) -> None:
        settings = {"template": self.template, "options": options}
        reply = self.conversation.answer(self.view, turns, **settings)  # type: ignore[arg-type]
        fresh = self.engine.start_conversation().answer(self.view, turns, **settings)  # type: ignore[arg-type]
        assert are_equal(reply, fresh)
        assert reply.prefill_tokens <= fresh.prefill_tokens
        self.turns = with_answer(turns, reply)

    def step(self) -> None:
        action = self.rng.choice(
            ["ask", "ask", "ask", "undo", "retry", "marks", "stop", "more", "drop"]
        )
        options = GenerationOptions(max_new_tokens=self.rng.choice([2, 8]))
        question = self.rng.choice(QUESTIONS)
        if action == "undo":
            del self.turns[-self.rng.randint(1, 2) :]
        elif action == "drop":
            del self.turns[:1]
        elif action == "marks":
            self.view = self.rng.choice(self.views)
        elif action == "more" and self.turns:
            self.answer(self.turns, options)
        elif action == "stop":
            turns = with_question(self.turns, question)
            stopped = self.conversation.answer(
                self.view, turns, template=self.template, stop=stop_after(2)
            )
            self.turns = with_answer(turns, stopped)
        elif action == "retry" and self.turns:
            options = replace(options, temperature=2.0, seed=self.rng.randint(0, 9))
            self.answer(with_question(self.turns[:-1], self.turns[-1].question), options)
        else:
            self.answer(with_question(self.turns, question), options)


@pytest.mark.slow
def test_random_conversations_equal_fresh_runs(engine: VipLlavaEngine) -> None:
    """Fifty walks with undo, retry, new marks, stopped and continued answers, and dropped turns."""
    views = [view_with(engine, "red", "butterfly"), view_with(engine, "lime", "snail")]
    for seed in range(50):
        walk = Walk(engine, views, random.Random(seed), "vicuna" if seed % 5 == 4 else "human")
        for _ in range(4):
            walk.step()


def answer_all(engine: VipLlavaEngine, view: ModelView, template: str = "human") -> list[Turn]:
    """Ask every question in one conversation."""
    conversation = engine.start_conversation()
    turns: list[Turn] = []
    for question in QUESTIONS:
        turns = with_question(turns, question)
        turns = with_answer(turns, conversation.answer(view, turns, template=template))
    return turns


def render_all(engine: VipLlavaEngine, turns: Sequence[Turn], template: str) -> str:
    """Render the conversation as one text that ends with a question."""
    *answered, last = turns
    if template in TEMPLATES:
        pairs = [*(Turn(turn.question, turn.answer) for turn in answered), Turn(last.question)]
        return render(TEMPLATES[template], pairs)
    messages: list[dict[str, object]] = []
    for turn in turns:
        image = [] if messages else [{"type": "image"}]
        question = [*image, {"type": "text", "text": turn.question}]
        messages.append({"role": "user", "content": question})
        if turn is not last:
            answer = [{"type": "text", "text": turn.answer}]
            messages.append({"role": "assistant", "content": answer})
    text: str = engine.processor.apply_chat_template(messages, add_generation_prompt=True)
    return text


@pytest.mark.parametrize("template", ["human", "vicuna", "chat"])
def test_a_conversation_built_from_tokens_equals_one_tokenized_at_once(
    engine: VipLlavaEngine, view: ModelView, template: str
) -> None:
    turns = with_question(answer_all(engine, view, template), QUESTIONS[0])
    ids = engine.start_conversation().encode_turns(turns, template)
    assert ids == engine.encode(render_all(engine, turns, template))


def test_a_plain_generate_over_the_complete_text_gives_the_last_answer(
    engine: VipLlavaEngine, view: ModelView
) -> None:
    """Use the processor and one plain run; only the drawing of the mark is the package's."""
    *before, last = answer_all(engine, view)
    image = garden("red", "butterfly")
    text = render_all(engine, with_question(before, last.question), "human")
    inputs = engine.processor(images=image, text=text, return_tensors="pt")
    output = engine.model.generate(**inputs, max_new_tokens=24, do_sample=False)
    new = output[0, inputs["input_ids"].shape[1] :].tolist()
    assert tuple(new[: len(last.tokens)]) == last.tokens
    assert engine.tokenizer.decode(new).partition("###")[0].strip() == last.answer


def test_a_tokenizer_that_prepends_a_space_adds_none_between_turns(
    engine: VipLlavaEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = spaced_tokenizer(tmp_path)
    monkeypatch.setattr(engine, "tokenizer", tokenizer)
    turns = [Turn("what is in the red box?", "a cat"), Turn("and why?", "no"), Turn("ok?")]
    ids = engine.start_conversation().encode_turns(turns)
    assert ids == engine.encode(render_all(engine, turns, "human"))
    alone = tokenizer("###Human: and why?", add_special_tokens=False)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(alone)[0] == "▁"


@pytest.fixture
def encoded_images(engine: VipLlavaEngine, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record how many images each run of the vision tower gets."""
    seen: list[int] = []
    patches = engine.model.model.vision_tower.embeddings
    forward = patches.forward

    def count(pixels: torch.Tensor, *args: object, **kwargs: object) -> object:
        seen.append(len(pixels))
        return forward(pixels, *args, **kwargs)

    monkeypatch.setattr(patches, "forward", count)
    return seen


def test_the_image_and_the_text_are_prefilled_once(
    engine: VipLlavaEngine, view: ModelView, encoded_images: list[int]
) -> None:
    conversation = engine.start_conversation()
    turns = with_question([], QUESTIONS[0])
    first = conversation.answer(view, turns)
    turns = with_answer(turns, first)
    second = conversation.answer(view, with_question(turns, QUESTIONS[1]))
    assert first.prefill_tokens == first.answer.prompt_tokens
    assert second.prefill_tokens < 30
    assert second.prefill_tokens < second.answer.prompt_tokens - engine.image_tokens
    assert conversation.answer(view, with_question(turns, QUESTIONS[1])).prefill_tokens == 1, (
        "the same question again"
    )
    conversation.answer(view, with_question([], QUESTIONS[2]))  # the first turn is dropped
    assert len(encoded_images) == 1
    conversation.answer(view_with(engine, "lime", "snail"), with_question(turns, QUESTIONS[1]))
    assert len(encoded_images) == 2


def test_a_cache_is_never_cropped_inside_the_image(
    engine: VipLlavaEngine, view: ModelView, encoded_images: list[int]
) -> None:
    """Another template shares some words before the image, and nothing after it."""
    conversation = engine.start_conversation()
    turns = with_question([], QUESTIONS[0])
    conversation.answer(view, turns)
    other = conversation.answer(view, turns, template="vicuna")
    assert other.prefill_tokens == other.answer.prompt_tokens
    assert len(encoded_images) == 2
    assert are_equal(other, engine.start_conversation().answer(view, turns, template="vicuna"))


def break_at_third_token(
    engine: VipLlavaEngine, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """Raise at the third token, when the cache of the third layer takes it."""
    layers = len(engine.model.model.language_model.layers)
    update = RoomyLayer.update
    remaining = [2 * layers + 3]

    def fail(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        remaining[0] -= 1
        if remaining[0] == 0:
            raise error
        return update(*args, **kwargs)

    monkeypatch.setattr(RoomyLayer, "update", fail)


def test_a_conversation_continues_after_an_interrupt_inside_a_token(
    engine: VipLlavaEngine, view: ModelView, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = engine.start_conversation()
    turns = with_question([], QUESTIONS[0])
    turns = with_question(
        with_answer(turns, conversation.answer(view, turns)), "what is in the aqua box?"
    )
    break_at_third_token(engine, monkeypatch, KeyboardInterrupt())
    broken = conversation.answer(view, turns)
    assert broken.answer.finish_reason == "stopped"
    assert 0 < len(broken.tokens) <= 3
    turns = with_question(with_answer(turns, broken), QUESTIONS[1])
    assert are_equal(
        conversation.answer(view, turns), engine.start_conversation().answer(view, turns)
    )


def test_a_conversation_continues_after_a_failure(
    engine: VipLlavaEngine, view: ModelView, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = engine.start_conversation()
    turns = with_question([], QUESTIONS[0])
    turns = with_question(
        with_answer(turns, conversation.answer(view, turns)), "what is in the aqua box?"
    )
    break_at_third_token(engine, monkeypatch, RuntimeError("no more"))
    with pytest.raises(GenerationError, match="no more"):
        conversation.answer(view, turns)
    assert are_equal(
        conversation.answer(view, turns), engine.start_conversation().answer(view, turns)
    )


def test_an_answer_continued_in_pieces_equals_the_answer_at_once(
    engine: VipLlavaEngine, view: ModelView
) -> None:
    question = "what is in the aqua box?"
    pieces: list[str] = []
    conversation = engine.start_conversation()
    turns = with_question([], question)
    for _ in range(3):
        options = GenerationOptions(max_new_tokens=2)
        cut = conversation.answer(view, turns, options=options, on_text=pieces.append)
        turns = with_answer(turns, cut)
    at_once = engine.start_conversation().answer(view, with_question([], question))
    assert cut.answer.finish_reason == at_once.answer.finish_reason == "stop"
    assert are_equal(cut, at_once)
    assert "".join(pieces) == at_once.answer.text


@pytest.mark.parametrize(
    "hidden",
    [[3], [840, 500, 501], [10**9], [-1], [2], [400, 401]],
    ids=["image", "stop and more", "unknown token", "negative", "end of sequence", "other words"],
)
def test_tokens_that_do_not_decode_to_the_answer_are_ignored(
    engine: VipLlavaEngine, hidden: list[int]
) -> None:
    own = tuple(engine.tokenizer(" a cat", add_special_tokens=False)["input_ids"])
    conversation = engine.start_conversation()
    expected = conversation.encode_turns([Turn("what?", "a cat", own), Turn("why?")])
    tampered = conversation.encode_turns([Turn("what?", "a cat", (*own, *hidden)), Turn("why?")])
    assert tampered == expected == conversation.encode_turns([Turn("what?", "a cat"), Turn("why?")])


def test_a_conversation_that_is_too_long_is_refused(
    engine: VipLlavaEngine, view: ModelView
) -> None:
    conversation = engine.start_conversation()
    turns = [Turn("word " * 900, "yes") for _ in range(3)]
    assert conversation.count(with_question(turns, "what?")) > conversation.max_tokens
    with pytest.raises(UsageError, match="reads at most"):
        conversation.answer(view, with_question(turns, "what?"))
