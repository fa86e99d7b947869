"""Conversations on the shipped model: what is kept from turn to turn changes no answer."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import PreTrainedTokenizerFast

from tests.support.sample_scenes import PLACES, open_sample
from vipllava_cli.engine.base import GREEDY, GenerationOptions, ModelView, Reply
from vipllava_cli.engine.hub.registry import BUNDLED
from vipllava_cli.engine.local.conversation import LocalConversation
from vipllava_cli.engine.local.generate import LocalEngine
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.prompts.templates import TEMPLATES, Turn, render
from vipllava_cli.errors import GenerationError, UsageError
from vipllava_cli.images.square import pad_to_square
from vipllava_cli.marks.colors import parse_color
from vipllava_cli.marks.draw import draw
from vipllava_cli.marks.types import Mark

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
def engine() -> Iterator[LocalEngine]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model is no slower on one, and others leave it in peace
    engine = open_engine("tiny", device="cpu")
    assert isinstance(engine, LocalEngine)
    yield engine
    torch.set_num_threads(threads)


@pytest.fixture
def view(engine: LocalEngine) -> ModelView:
    return view_with(engine, "red", "butterfly")


def garden(color: str, thing: str) -> Image.Image:
    """The sample image with a box around a thing."""
    left, top, right, bottom = PLACES["garden"][thing]
    mark = Mark("box", (((left, top), (right, bottom)),), parse_color(color))
    return pad_to_square(draw(open_sample("garden"), [mark]))


def view_with(engine: LocalEngine, color: str, thing: str) -> ModelView:
    return engine.view(garden(color, thing))


def asked(turns: Sequence[Turn], question: str) -> list[Turn]:
    return [*turns, Turn(question)]


def with_answer(turns: Sequence[Turn], reply: Reply) -> list[Turn]:
    """The turns with the last one answered."""
    last = Turn(turns[-1].question, reply.answer.text, reply.tokens)
    return [*turns[:-1], last]


def after(count: int) -> Callable[[], bool]:
    """Asks to stop once so many tokens have come."""
    calls = iter(range(1, 1 << 30))
    return lambda: next(calls) >= count


def same(reply: Reply, fresh: Reply) -> bool:
    told, expected = replace(reply.answer, seconds=0), replace(fresh.answer, seconds=0)
    return (told, reply.tokens) == (expected, fresh.tokens)


@dataclass
class Walk:
    """A conversation that goes on at random, each answer compared with a fresh run's."""

    engine: LocalEngine
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
        known = {"template": self.template, "options": options}
        reply = self.conversation.answer(self.view, turns, **known)  # type: ignore[arg-type]
        fresh = self.engine.start_conversation().answer(self.view, turns, **known)  # type: ignore[arg-type]
        assert same(reply, fresh)
        assert reply.prefill_tokens <= fresh.prefill_tokens
        self.turns = with_answer(turns, reply)

    def step(self) -> None:
        what = self.rng.choice(
            ["ask", "ask", "ask", "undo", "retry", "marks", "stop", "more", "drop"]
        )
        options = GenerationOptions(max_new_tokens=self.rng.choice([2, 8]))
        question = self.rng.choice(QUESTIONS)
        if what == "undo":
            del self.turns[-self.rng.randint(1, 2) :]
        elif what == "drop":
            del self.turns[:1]
        elif what == "marks":
            self.view = self.rng.choice(self.views)
        elif what == "more" and self.turns:
            self.answer(self.turns, options)
        elif what == "stop":
            turns = asked(self.turns, question)
            stopped = self.conversation.answer(
                self.view, turns, template=self.template, stop=after(2)
            )
            self.turns = with_answer(turns, stopped)
        elif what == "retry" and self.turns:
            options = replace(options, temperature=2.0, seed=self.rng.randint(0, 9))
            self.answer(asked(self.turns[:-1], self.turns[-1].question), options)
        else:
            self.answer(asked(self.turns, question), options)


def test_random_conversations_equal_fresh_runs(engine: LocalEngine) -> None:
    """Fifty of them, with undo, retry, new marks, stopped and continued answers, and dropped turns."""
    views = [view_with(engine, "red", "butterfly"), view_with(engine, "lime", "snail")]
    for seed in range(50):
        walk = Walk(engine, views, random.Random(seed), "vicuna" if seed % 5 == 4 else "human")
        for _ in range(4):
            walk.step()


def told(engine: LocalEngine, view: ModelView, template: str = "human") -> list[Turn]:
    """Every question, answered."""
    conversation = engine.start_conversation()
    turns: list[Turn] = []
    for question in QUESTIONS:
        turns = asked(turns, question)
        turns = with_answer(turns, conversation.answer(view, turns, template=template))
    return turns


def whole_text(engine: LocalEngine, turns: Sequence[Turn], template: str) -> str:
    """The conversation as one text, a question at its end."""
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
def test_a_conversation_grown_by_tokens_is_the_one_tokenised_at_once(
    engine: LocalEngine, view: ModelView, template: str
) -> None:
    turns = asked(told(engine, view, template), QUESTIONS[0])
    ids = engine.start_conversation().ids(turns, template)
    assert ids == engine.encode(whole_text(engine, turns, template))


def test_a_plain_generate_over_the_whole_text_gives_the_last_answer(
    engine: LocalEngine, view: ModelView
) -> None:
    """Nothing of ours but the image's drawing: the processor, and one run."""
    *before, last = told(engine, view)
    image = garden("red", "butterfly")
    text = whole_text(engine, asked(before, last.question), "human")
    inputs = engine.processor(images=image, text=text, return_tensors="pt")
    output = engine.model.generate(**inputs, max_new_tokens=24, do_sample=False)
    new = output[0, inputs["input_ids"].shape[1] :].tolist()
    assert tuple(new[: len(last.tokens)]) == last.tokens
    assert engine.tokenizer.decode(new).partition("###")[0].strip() == last.answer


def spaced_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The shipped tokenizer made like Llama's: it puts a space before every text, and ### is no token
    of its own.
    """
    data = json.loads((BUNDLED["tiny"] / "tokenizer.json").read_text())
    replacing = data["normalizer"]
    data["normalizer"] = {
        "type": "Sequence",
        "normalizers": [{"type": "Prepend", "prepend": "▁"}, replacing],
    }
    data["added_tokens"] = [each for each in data["added_tokens"] if each["content"] != "###"]
    (folder / "tokenizer.json").write_text(json.dumps(data))
    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        additional_special_tokens=["<image>"],
    )


def test_a_tokenizer_that_begins_every_text_with_a_space_adds_none_between_turns(
    engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = spaced_tokenizer(tmp_path)
    monkeypatch.setattr(engine, "tokenizer", tokenizer)
    turns = [Turn("what is in the red box?", "a cat"), Turn("and why?", "no"), Turn("ok?")]
    ids = engine.start_conversation().ids(turns)
    assert ids == engine.encode(whole_text(engine, turns, "human"))
    alone = tokenizer("###Human: and why?", add_special_tokens=False)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(alone)[0] == "▁"


def test_the_stop_of_several_tokens_is_not_part_of_the_answer(
    engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = spaced_tokenizer(tmp_path)
    monkeypatch.setattr(engine, "tokenizer", tokenizer)
    conversation = engine.start_conversation()
    answer, stop = (
        tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in ("a cat", "###")
    )
    assert len(stop) > 1
    assert conversation._spoken((*answer, *stop, 2)) == ("a cat", answer)
    assert conversation._spoken(stop) == ("", ())


@pytest.fixture
def looks(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts how often the model looks at an image."""
    seen: list[int] = []
    tower = engine.model.model.vision_tower
    forward = tower.forward

    def counted(pixels: torch.Tensor, *args: object, **kwargs: object) -> object:
        seen.append(len(pixels))
        return forward(pixels, *args, **kwargs)

    monkeypatch.setattr(tower, "forward", counted)
    return seen


def test_the_image_is_looked_at_once_and_words_are_read_once(
    engine: LocalEngine, view: ModelView, looks: list[int]
) -> None:
    conversation = engine.start_conversation()
    turns = asked([], QUESTIONS[0])
    first = conversation.answer(view, turns)
    turns = with_answer(turns, first)
    second = conversation.answer(view, asked(turns, QUESTIONS[1]))
    assert first.prefill_tokens == first.answer.prompt_tokens
    assert second.prefill_tokens < 30
    assert second.prefill_tokens < second.answer.prompt_tokens - engine.image_tokens
    assert conversation.answer(view, asked(turns, QUESTIONS[1])).prefill_tokens == 1, "asked again"
    conversation.answer(view, asked([], QUESTIONS[2]))  # the first turn is left out
    assert len(looks) == 1
    conversation.answer(view_with(engine, "lime", "snail"), asked(turns, QUESTIONS[1]))
    assert len(looks) == 2


def test_a_cache_is_never_cut_inside_the_image(
    engine: LocalEngine, view: ModelView, looks: list[int]
) -> None:
    """Another template shares some words before the image, and nothing behind it."""
    conversation = engine.start_conversation()
    turns = asked([], QUESTIONS[0])
    conversation.answer(view, turns)
    other = conversation.answer(view, turns, template="vicuna")
    assert other.prefill_tokens == other.answer.prompt_tokens
    assert len(looks) == 2
    assert same(other, engine.start_conversation().answer(view, turns, template="vicuna"))


def breaking(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Have the model break off in the second half of its layers, at the third token."""
    layer = engine.model.model.language_model.layers[2]
    forward = layer.forward
    left = [3]

    def breaks(*args: object, **kwargs: object) -> object:
        left[0] -= 1
        if left[0] == 0:
            raise error
        return forward(*args, **kwargs)

    monkeypatch.setattr(layer, "forward", breaks)


def test_a_conversation_goes_on_after_a_break_in_the_middle_of_a_token(
    engine: LocalEngine, view: ModelView, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = engine.start_conversation()
    turns = asked([], QUESTIONS[0])
    turns = asked(with_answer(turns, conversation.answer(view, turns)), "what is in the aqua box?")
    breaking(engine, monkeypatch, KeyboardInterrupt())
    broken = conversation.answer(view, turns)
    assert broken.answer.finish_reason == "stopped"
    assert 0 < len(broken.tokens) <= 3
    turns = asked(with_answer(turns, broken), QUESTIONS[1])
    assert same(conversation.answer(view, turns), engine.start_conversation().answer(view, turns))


def test_a_conversation_goes_on_after_a_failure(
    engine: LocalEngine, view: ModelView, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = engine.start_conversation()
    turns = asked([], QUESTIONS[0])
    turns = asked(with_answer(turns, conversation.answer(view, turns)), "what is in the aqua box?")
    breaking(engine, monkeypatch, RuntimeError("no more"))
    with pytest.raises(GenerationError, match="no more"):
        conversation.answer(view, turns)
    assert same(conversation.answer(view, turns), engine.start_conversation().answer(view, turns))


def test_an_answer_cut_and_gone_on_with_is_the_answer_at_once(
    engine: LocalEngine, view: ModelView
) -> None:
    question = "what is in the aqua box?"
    pieces: list[str] = []
    conversation = engine.start_conversation()
    turns = asked([], question)
    for _ in range(3):
        options = GenerationOptions(max_new_tokens=2)
        cut = conversation.answer(view, turns, options=options, on_text=pieces.append)
        turns = with_answer(turns, cut)
    at_once = engine.start_conversation().answer(view, asked([], question))
    assert cut.answer.finish_reason == at_once.answer.finish_reason == "stop"
    assert same(cut, at_once)
    assert "".join(pieces) == at_once.answer.text


@pytest.mark.parametrize(
    "hidden",
    [[3], [840, 500, 501], [10**9], [-1], [2], [400, 401]],
    ids=["an image", "a stop and more", "no token", "below all", "the end", "other words"],
)
def test_tokens_that_say_more_than_the_answer_are_not_used(
    engine: LocalEngine, hidden: list[int]
) -> None:
    own = tuple(engine.tokenizer(" a cat", add_special_tokens=False)["input_ids"])
    conversation = engine.start_conversation()
    honest = conversation.ids([Turn("what?", "a cat", own), Turn("why?")])
    loaded = conversation.ids([Turn("what?", "a cat", (*own, *hidden)), Turn("why?")])
    assert loaded == honest == conversation.ids([Turn("what?", "a cat"), Turn("why?")])


def test_a_conversation_that_is_too_long_is_refused_not_cut(
    engine: LocalEngine, view: ModelView
) -> None:
    conversation = engine.start_conversation()
    turns = [Turn("word " * 900, "yes") for _ in range(3)]
    assert conversation.count(asked(turns, "what?")) > conversation.max_tokens
    with pytest.raises(UsageError, match="reads at most"):
        conversation.answer(view, asked(turns, "what?"))
