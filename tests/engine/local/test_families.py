"""Each family of models beside ViP-LLaVA: prompts, batches, conversations, choices, the plan.

The slow twin is transformers: the processor's own prompt, and `generate` for each row alone.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, ProcessorMixin

from tests.support.family_checkpoints import make_family_checkpoint
from tests.support.family_layouts import LAYOUTS
from vipllava_cli.engine.base import Prompt
from vipllava_cli.engine.hardware.estimate import make_plan
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.hardware.model_spec import EMBEDDINGS, HEAD, LAYER, TOWER
from vipllava_cli.engine.hub.families import FAMILIES, VIPLLAVA
from vipllava_cli.engine.local.engines import FamilyEngine
from vipllava_cli.engine.local.families import RUN_FAMILIES
from vipllava_cli.engine.open import find_template, open_engine, read_view_size
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.engine.prompts.templates import Turn
from vipllava_cli.errors import ModelError, UsageError

pytestmark = [
    pytest.mark.model,
    pytest.mark.filterwarnings("ignore:__array__ implementation"),  # of a processor of transformers
]

SHORT = GenerationOptions(max_new_tokens=8)
CHOICES = ("a cat", "a dog", "no")
SIZES = ((150, 97), (64, 64), (97, 150), (200, 60), (56, 56), (300, 210), (60, 190), (120, 120))
QUESTIONS = (
    "hello",
    "what is in the red box?",
    "what is it, and why is it there in the image?",
    "color?",
    "is it a cat or a dog?",
    "hm",
    "describe ### the image",
    "what is the name of the blue thing that stands beside the house?",
)
REUSING = set(LAYOUTS) - {"paligemma", "paligemma2"}


@pytest.fixture(scope="module", params=sorted(LAYOUTS))
def family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def engine(family: str, tmp_path_factory: pytest.TempPathFactory) -> FamilyEngine:
    folder = make_family_checkpoint(family, tmp_path_factory.mktemp("families") / family)
    opened = open_engine(str(folder))
    assert isinstance(opened, FamilyEngine)
    return opened


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    return [draw(number, size) for number, size in enumerate(SIZES)]


@pytest.fixture(scope="module")
def prompts(engine: FamilyEngine, images: Sequence[Image.Image]) -> list[Prompt]:
    return [
        engine.prompt(engine.view(image), question)
        for image, question in zip(images, QUESTIONS, strict=True)
    ]


def draw(number: int, size: tuple[int, int]) -> Image.Image:
    """Draw a box and an ellipse that differ from image to image."""
    width, height = size
    image = Image.new("RGB", size, (40 * number % 255, 200 - 20 * number, 30))
    pen = ImageDraw.Draw(image)
    pen.rectangle((width // 4, height // 4, width // 2, height // 2), outline="red", width=3)
    pen.ellipse((width // 2, height // 3, width - 5, height - 5), fill=(0, 30 * number, 255))
    return image


def library_inputs(engine: FamilyEngine, image: Image.Image, question: str) -> Any:
    """Return the inputs that the processor of transformers makes of a question."""
    if engine.default_template:  # no chat template: the processor writes the prompt
        inputs = engine.processor(images=[image], text=[f"<image>{question}"], return_tensors="pt")
        del inputs["labels"]
        return inputs
    content = [{"type": "image", "image": image}, {"type": "text", "text": question}]
    inputs = ProcessorMixin.apply_chat_template(
        engine.processor,
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    return inputs.to(torch.float32)  # the pixels of some processors are bfloat16


def library_answer(engine: FamilyEngine, image: Image.Image, question: str) -> tuple[str, int]:
    """Answer with `generate` of transformers. Returns the text and the number of tokens."""
    inputs = library_inputs(engine, image, question)
    output = engine.model.generate(
        **inputs, max_new_tokens=SHORT.max_new_tokens, do_sample=False, pad_token_id=0
    )
    new = output[0, inputs["input_ids"].shape[1] :].tolist()
    return engine.tokenizer.decode(new, skip_special_tokens=True).strip(), len(new)


def test_rows_of_a_padded_batch_are_those_of_transformers(
    engine: FamilyEngine, images: Sequence[Image.Image], prompts: Sequence[Prompt]
) -> None:
    expected = []
    for image, question, prompt in zip(images, QUESTIONS, prompts, strict=True):
        ids = library_inputs(engine, image, question)["input_ids"][0].tolist()
        assert list(prompt.ids) == ids
        expected.append(library_answer(engine, image, question))
    assert len(set(expected)) > 3, "the images and questions matter"
    for answers in (list(engine.answer(prompts, SHORT)), engine.answer_batch(prompts, SHORT)):
        assert [(each.text, each.answer_tokens) for each in answers] == expected


def test_questions_about_one_image_share_it_only_where_that_changes_nothing(
    family: str, engine: FamilyEngine, images: Sequence[Image.Image], prompts: Sequence[Prompt]
) -> None:
    view = prompts[2].view
    towers: list[int] = []
    shared = [engine.prompt(view, question) for question in QUESTIONS[:3]]
    expected = [library_answer(engine, images[2], question) for question in QUESTIONS[:3]]
    hook = engine.model.get_submodule(tower_of(engine)).register_forward_hook(
        lambda *_: towers.append(1)
    )
    for ask in (engine.answer, engine.answer_batch):
        towers.clear()
        answers = list(ask(shared, SHORT))
        assert [(each.text, each.answer_tokens) for each in answers] == expected
        passes = len(shared) if ask == engine.answer else 1
        assert len(towers) == (1 if family in REUSING else passes)
    hook.remove()
    assert bool(engine.plain_reason) == (family not in REUSING)
    mixed = [*shared, *prompts]
    texts = [answer.text for answer in engine.answer_batch(mixed, SHORT)]
    assert texts == [answer.text for answer in engine.answer(mixed, SHORT)]


def tower_of(engine: FamilyEngine) -> str:
    parts = engine.placement.needs.spec.parts
    return next(part.module for part in parts if part.kind == TOWER)


def test_a_conversation_equals_fresh_runs(
    family: str, engine: FamilyEngine, prompts: Sequence[Prompt]
) -> None:
    view, turns = prompts[5].view, list[Turn]()
    conversation = engine.start_conversation()
    for number, question in enumerate(QUESTIONS[: 1 if engine.default_template else 3]):
        pieces: list[str] = []
        asked = [*turns, Turn(question)]
        reply = conversation.answer(view, asked, options=SHORT, on_text=pieces.append)
        fresh = engine.start_conversation().answer(view, asked, options=SHORT)
        assert reply.tokens == fresh.tokens
        assert reply.answer.text == fresh.answer.text
        assert pieces
        is_shorter = reply.prefill_tokens < fresh.prefill_tokens
        # The cache of a window cannot forget the last token of an answer.
        if number == 0 or family not in REUSING or not engine.has_window:
            assert is_shorter == (number > 0 and family in REUSING)
        assert conversation.count(asked, view=view) == reply.answer.prompt_tokens
        turns.append(Turn(question, reply.answer.text, reply.tokens))
    [alone] = engine.answer([engine.prompt(view, QUESTIONS[0])], SHORT)
    assert turns[0].answer == alone.text.rstrip(" \ufffd"), "but for part of a letter at its end"


def test_the_turns_of_a_conversation_are_those_of_the_template(
    engine: FamilyEngine, prompts: Sequence[Prompt]
) -> None:
    """Compare with the template's text of the whole conversation, for answers of plain words."""
    view = prompts[1].view
    turns = [Turn("what is it?", "a dog"), Turn("color?", "the red box"), Turn("why?")]
    conversation = engine.start_conversation()
    if engine.default_template:
        with pytest.raises(ModelError, match="ask each question in a conversation of its own"):
            conversation.count(turns, view=view)
        return
    conversation.count(turns, view=view)
    ids = conversation.encode_turns(turns)
    text = engine.expand(view, engine.render(tuple(turns)))
    assert engine.tokenizer.decode(ids) == engine.tokenizer.decode(engine.encode(text))


def test_choices_have_the_likelihood_of_a_run_over_the_complete_text(
    engine: FamilyEngine, images: Sequence[Image.Image], prompts: Sequence[Prompt]
) -> None:
    options = GenerationOptions(choices=CHOICES)
    [answer] = engine.answer(prompts[1:2], options)
    [same] = engine.answer_batch(prompts[1:2], options)
    [each] = engine.answer_each(prompts[1:2], [options])
    inputs = dict(library_inputs(engine, images[1], QUESTIONS[1]))
    for choice, *others in zip(answer.choices, same.choices, each.choices, strict=True):
        row = engine.encode(prompts[1].text + choice.text)
        expected = slow_likelihood(engine, inputs, row[len(prompts[1].ids) :])
        for found in (choice, *others):
            assert found.log_likelihood == pytest.approx(expected, abs=1e-3)
    best = max(answer.choices, key=lambda choice: choice.log_likelihood)
    assert answer.text == best.text


def slow_likelihood(engine: FamilyEngine, inputs: dict[str, Any], tokens: Sequence[int]) -> float:
    """Feed the tokens of a choice to transformers one by one, and sum up the log-probabilities."""
    total, known = 0.0, dict(inputs)
    for token in [*tokens, None]:
        with torch.inference_mode():
            logits = engine.model(**known).logits[0, -1]
        scores = logits.float().log_softmax(-1)
        if token is None:
            return total + float(scores[engine.end_tokens].logsumexp(0))
        total += float(scores[token])
        for name, value in known.items():
            if name in ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids"):
                is_answer = int(bool(engine.default_template))  # PaliGemma's type of such tokens
                types = {"token_type_ids": is_answer}
                new = ({"input_ids": token, "attention_mask": 1} | types).get(name, 0)
                known[name] = torch.cat([value, torch.tensor([[new]])], 1)
            elif name == "cross_attention_mask":
                known[name] = torch.cat([value, value[:, -1:]], 1)
    raise AssertionError("unreachable")


def test_a_plan_counts_every_parameter(engine: FamilyEngine) -> None:
    real = sum(each.numel() for each in engine.model.parameters())
    plan = make_plan(engine.info.name, None, LoadOptions(device="cpu"))
    spec = plan.placement.needs.spec
    assert spec.parameters == real
    assert {TOWER, EMBEDDINGS, LAYER, HEAD} <= {part.kind for part in spec.parts}
    assert spec.layers == engine.model.config.get_text_config().num_hidden_layers
    assert spec.image_tokens > 0


@pytest.mark.parametrize("is_equal", [True, False])
@pytest.mark.parametrize("tied", [None, True, False])
@pytest.mark.parametrize("name", ["internvl", "gemma3", "llava"])
def test_a_stored_head_counts_as_often_as_it_is_loaded(
    name: str, tied: bool | None, is_equal: bool, tmp_path: Path
) -> None:
    """Published configs of InternVL do not say that their head is one of its own."""
    folder = make_family_checkpoint(name, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    table = next(value for key, value in weights.items() if key.endswith("embed_tokens.weight"))
    head = table.clone() if is_equal else table.flip(0).contiguous()
    stored = next((key for key in weights if key.endswith("lm_head.weight")), "lm_head.weight")
    weights[stored] = head
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    for part in (config, config["text_config"]):
        part.pop("tie_word_embeddings", None)
        if tied is not None:
            part["tie_word_embeddings"] = tied
    (folder / "config.json").write_text(json.dumps(config))
    spec = make_plan(str(folder), None, LoadOptions(device="cpu")).placement.needs.spec
    engine = open_engine(str(folder))
    assert isinstance(engine, FamilyEngine)
    assert torch.equal(engine.model.get_output_embeddings().weight, head)
    library = AutoModelForImageTextToText.from_pretrained(folder)
    for model in (engine.model, library):
        assert spec.parameters == sum(each.numel() for each in model.parameters())


def test_the_model_has_its_own_template_and_control_words(
    family: str, engine: FamilyEngine, prompts: Sequence[Prompt]
) -> None:
    view, model = prompts[0].view, engine.info.name
    # Pixtral checkpoints are of the class of LLaVA-1.5, which documents coordinates.
    of_class = {"pixtral": "pixtral", "llava": "llava-1.5"}
    assert engine.info.family == of_class.get(family, LAYOUTS[family].model_type)
    assert engine.info.pads_image == (family == "llava")
    assert (read_view_size(model) is None) == (family != "llava")
    assert find_template("auto", model) == engine.info.template_for("auto") == "chat"
    for template in ("human", "vicuna"):
        with pytest.raises(UsageError, match=f"template {template} is for ViP-LLaVA"):
            engine.prompt(view, "hello", template)
    for word in (engine.processor.image_token, engine.tokenizer.decode(engine.end_tokens[-1])):
        with pytest.raises(UsageError, match="control word"):
            engine.prompt(view, f"hello {word} there")
        with pytest.raises(UsageError, match=r"the choice contains .* control word"):
            list(engine.answer(prompts[:1], GenerationOptions(choices=("yes", f"no{word}"))))


def test_every_accepted_family_runs_and_has_a_checkpoint_here() -> None:
    run = {VIPLLAVA, *(family.model_type for family in RUN_FAMILIES)}
    assert run == set(FAMILIES)
    assert run == {VIPLLAVA, *(layout.model_type for layout in LAYOUTS.values())}
