"""The engine on the shipped model: every fast path equals a plain run."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.support.sample_scenes import open_sample
from vipllava_cli.engine.base import Prompt
from vipllava_cli.engine.hardware.estimate import make_plan
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.local.engines import VipLlavaEngine
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.engine.prompts.templates import TEMPLATES, Turn, render
from vipllava_cli.errors import GenerationError, OutOfMemoryError, UsageError
from vipllava_cli.images.square import pad_to_square
from vipllava_cli.marks.colors import MODEL_COLORS
from vipllava_cli.marks.draw import draw
from vipllava_cli.marks.types import Mark

pytestmark = pytest.mark.model

QUESTIONS = [
    "what is in the red box?",
    "what kind of thing is in the red box?",
    "what is marked?",
]


@pytest.fixture
def prompt(engine: VipLlavaEngine, zoo: Image.Image) -> Prompt:
    return engine.prompt(engine.view(zoo), QUESTIONS[0])


def plain_run(engine: VipLlavaEngine, image: Image.Image, question: str) -> str:
    """Run one plain `generate` over the complete prompt, image included."""
    prompt = render(TEMPLATES["human"], [Turn(question)])
    inputs = engine.processor(images=image, text=prompt, return_tensors="pt")
    output = engine.model.generate(**inputs, max_new_tokens=24, do_sample=False)
    new = output[0, inputs["input_ids"].shape[1] :]
    text: str = engine.tokenizer.decode(new, skip_special_tokens=True)
    return text.partition("###")[0].strip()


def answer_texts(engine: VipLlavaEngine, image: Image.Image, questions: list[str]) -> list[str]:
    view = engine.view(image)
    prompts = [engine.prompt(view, question) for question in questions]
    return [answer.text for answer in engine.answer(prompts)]


def test_a_prompt_equals_that_of_the_processor(engine: VipLlavaEngine, zoo: Image.Image) -> None:
    for name in ("human", "vicuna"):
        text = render(TEMPLATES[name], [Turn(QUESTIONS[0])])
        processed = engine.processor(images=zoo, text=text, return_tensors="pt")
        prompt = engine.prompt(engine.view(zoo), QUESTIONS[0], name)
        assert list(prompt.ids) == processed["input_ids"][0].tolist()
        sent = engine.image_inputs([prompt.view], torch.tensor([prompt.ids]))["pixel_values"]
        assert torch.equal(sent, processed["pixel_values"])


def test_questions_that_share_an_image_are_answered_as_if_alone(
    engine: VipLlavaEngine, zoo: Image.Image
) -> None:
    alone = [answer_texts(engine, zoo, [question])[0] for question in QUESTIONS]
    assert answer_texts(engine, zoo, QUESTIONS) == alone
    assert alone == [plain_run(engine, zoo, question) for question in QUESTIONS]


def test_a_batch_equals_each_question_alone(engine: VipLlavaEngine, zoo: Image.Image) -> None:
    """Mix images, templates, lengths, and answers that end at different steps."""
    box = Mark("box", (((354.0, 212.0), (511.0, 433.0)),), MODEL_COLORS[0])
    breakfast = pad_to_square(draw(open_sample("breakfast"), [box]))
    views = [engine.view(zoo), engine.view(breakfast)]
    prompts = [
        engine.prompt(view, question, template)
        for question in QUESTIONS
        for view in views
        for template in ("human", "vicuna")
    ]
    options = GenerationOptions(max_new_tokens=6)
    alone = [next(engine.answer([prompt], options)) for prompt in prompts]
    batch = engine.answer_batch(prompts, options)
    assert [replace(answer, seconds=0) for answer in batch] == [
        replace(answer, seconds=0) for answer in alone
    ]
    assert len({answer.answer_tokens for answer in alone}) > 1


def test_a_long_prompt_does_not_cut_the_answers_beside_it(
    engine: VipLlavaEngine, prompt: Prompt
) -> None:
    limit = engine.model.config.text_config.max_position_embeddings
    filler = engine.tokenizer(" box", add_special_tokens=False)["input_ids"]
    long = prompt.ids[:-8] + tuple(filler * limit)[: limit - len(prompt.ids) - 1] + prompt.ids[-8:]
    batch = engine.answer_batch([prompt, Prompt(prompt.view, long)])
    assert (batch[0].text, batch[0].finish_reason) == ("a penguin", "stop")
    assert (batch[1].answer_tokens, batch[1].finish_reason) == (1, "length")


def test_a_sampled_answer_is_the_same_in_any_batch(
    engine: VipLlavaEngine, zoo: Image.Image
) -> None:
    options = GenerationOptions(temperature=8.0, max_new_tokens=8, seed=3)
    prompts = [engine.prompt(engine.view(zoo), question) for question in QUESTIONS]
    batch = [answer.text for answer in engine.answer_batch(prompts, options)]
    assert batch == [next(engine.answer([prompt], options)).text for prompt in prompts]


@pytest.mark.parametrize("batch", [False, True])
def test_the_image_is_encoded_once_for_all_questions(
    engine: VipLlavaEngine, zoo: Image.Image, monkeypatch: pytest.MonkeyPatch, batch: bool
) -> None:
    seen: list[int] = []
    patches = engine.model.model.vision_tower.embeddings
    forward = patches.forward

    def count(pixels: torch.Tensor, *args: object, **kwargs: object) -> object:
        seen.append(len(pixels))
        return forward(pixels, *args, **kwargs)

    monkeypatch.setattr(patches, "forward", count)
    view = engine.view(zoo)
    prompts = [engine.prompt(view, question) for question in QUESTIONS]
    assert len(list((engine.answer_batch if batch else engine.answer)(prompts))) == 3
    assert seen == [1]


@pytest.mark.parametrize("template", ["human", "vicuna", "chat"])
def test_every_template_gives_an_answer_without_control_words(
    engine: VipLlavaEngine, zoo: Image.Image, template: str
) -> None:
    answer = next(engine.answer([engine.prompt(engine.view(zoo), QUESTIONS[0], template)]))
    assert answer.text == "a penguin"
    assert answer.finish_reason == "stop"


def test_an_answer_at_the_token_limit_has_the_reason_length(
    engine: VipLlavaEngine, prompt: Prompt
) -> None:
    answer = next(engine.answer([prompt], GenerationOptions(max_new_tokens=1)))
    assert (answer.finish_reason, answer.answer_tokens) == ("length", 1)
    exact = next(engine.answer([prompt]))
    same = GenerationOptions(max_new_tokens=exact.answer_tokens)
    assert next(engine.answer([prompt], same)).finish_reason == "stop"


def test_sampling_repeats_with_its_seed_and_keeps_the_global_one(
    engine: VipLlavaEngine, prompt: Prompt
) -> None:
    def sampled(seed: int) -> list[str]:
        options = GenerationOptions(temperature=8.0, max_new_tokens=12, seed=seed)
        return [answer.text for answer in engine.answer([prompt] * 3, options)]

    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert sampled(1) == sampled(1)
    assert sampled(1) != sampled(2)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_question_that_is_too_long_is_refused(engine: VipLlavaEngine, zoo: Image.Image) -> None:
    with pytest.raises(UsageError, match="reads at most"):
        engine.prompt(engine.view(zoo), "word " * 3000)


def test_a_second_image_placeholder_is_refused(engine: VipLlavaEngine, zoo: Image.Image) -> None:
    with pytest.raises(UsageError, match="2 images"):
        engine.prompt(engine.view(zoo), "what is <image>?")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), OutOfMemoryError, "out of memory"),
        (RuntimeError("shapes\ndo not fit"), GenerationError, "shapes do not fit"),
    ],
)
def test_an_exception_of_torch_is_one_line(
    engine: VipLlavaEngine,
    prompt: Prompt,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    kind: type[Exception],
    message: str,
) -> None:
    def fails(*args: object, **kwargs: object) -> object:
        raise error

    monkeypatch.setattr(engine.model.model.vision_tower.embeddings, "forward", fails)
    with pytest.raises(kind, match=message):
        next(engine.answer([prompt]))
    with pytest.raises(kind, match=message):
        engine.answer_batch([prompt, prompt])


# --- batch size ------------------------------------------------------------------------------


def test_a_plan_predicts_the_batch_size_of_the_engine(engine: VipLlavaEngine) -> None:
    predicted = make_plan("tiny", None, LoadOptions(device="cpu")).placement.batch_size
    assert predicted == engine.max_batch_size() == 32 * torch.get_num_threads()


def test_the_memory_limit_of_a_container_lowers_prediction_and_batch_size(
    engine: VipLlavaEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leave memory for five prompts besides the weights and the reserve for other programs."""
    placement = engine.placement
    needs = placement.needs
    per_prompt = placement.cache_at("cpu") + needs.activations
    free = (512 << 20) + needs.all_weights + needs.workspace + 5 * per_prompt
    (tmp_path / "memory.max").write_text(f"{10 * free}\n")
    (tmp_path / "memory.current").write_text(f"{9 * free}\n")
    monkeypatch.setattr("vipllava_cli.images.memory._CGROUP", tmp_path)
    options = LoadOptions(device="cpu")
    assert make_plan("tiny", None, options).placement.batch_size == 5
    limited = open_engine("tiny", load_options=options)
    assert limited.max_batch_size() == 5
    # A loaded engine also applies the new limit; its weights are already in memory.
    assert 5 <= engine.max_batch_size() <= 5 + needs.all_weights // per_prompt + 1
