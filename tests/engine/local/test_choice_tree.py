"""Several questions about several images in one batch, compared with each alone."""

from dataclasses import replace

import pytest
from PIL import Image

from tests.support.sample_scenes import open_sample
from vipllava_cli.engine.local.engines import VipLlavaEngine
from vipllava_cli.engine.options import GREEDY, GenerationOptions
from vipllava_cli.images.square import pad_to_square

pytestmark = pytest.mark.model

QUESTIONS = (
    ("what is in the red box?", GenerationOptions(choices=("a penguin", "a lion", "a", "no"))),
    ("what kind of thing is in the red box?", GREEDY),
    ("is it a dog?", GenerationOptions(choices=("yes", "no"))),
    # One choice is the start of another, and long ones are padded.
    ("name it", GenerationOptions(choices=("a dog", "a dog and a cat and a bus", "a do"))),
    ("what is it?", GenerationOptions(max_new_tokens=1)),
)


@pytest.mark.parametrize("template", ["human", "vicuna"])
def test_each_answer_equals_that_of_its_question_alone(
    engine: VipLlavaEngine, zoo: Image.Image, template: str
) -> None:
    """The second view has other questions than the first, and a view with one kind of them."""
    views = [engine.view(pad_to_square(image)) for image in (zoo, open_sample("farm"))]
    asked = [(view, *each) for view in views for each in QUESTIONS]
    asked += [(engine.view(pad_to_square(open_sample("street"))), *QUESTIONS[2])]
    del asked[len(QUESTIONS)]
    prompts = [engine.prompt(view, question, template) for view, question, _ in asked]
    options = [each for _, _, each in asked]
    answers = engine.answer_each(prompts, options)
    for prompt, each, answer in zip(prompts, options, answers, strict=True):
        alone = next(engine.answer([prompt], each))
        assert replace(answer, seconds=0, choices=()) == replace(alone, seconds=0, choices=())
        assert [choice.text for choice in answer.choices] == list(each.choices)
        for choice, single in zip(answer.choices, alone.choices, strict=True):
            assert choice.log_likelihood == pytest.approx(single.log_likelihood, abs=1e-3)
            assert choice.probability == pytest.approx(single.probability, abs=1e-4)


@pytest.mark.parametrize("most", [None, 1], ids=["together", "one view at a time"])
def test_choices_of_a_batch_equal_those_of_each_image_alone(
    engine: VipLlavaEngine, monkeypatch: pytest.MonkeyPatch, most: int | None
) -> None:
    """Also where the scores of all images together take too much memory."""
    if most is not None:
        monkeypatch.setattr("vipllava_cli.engine.local.generate._MAX_SCORES", most)
    options = QUESTIONS[0][1]
    views = [
        engine.view(pad_to_square(open_sample(name))) for name in ("zoo-red-box", "farm", "street")
    ]
    prompts = [engine.prompt(view, "what is in the red box?") for view in (*views, views[0])]
    together = engine.answer_batch(prompts, options)
    for prompt, answer in zip(prompts, together, strict=True):
        [alone] = engine.answer([prompt], options)
        assert answer.text == alone.text
        expected = [choice.log_likelihood for choice in alone.choices]
        found = [choice.log_likelihood for choice in answer.choices]
        assert found == pytest.approx(expected, abs=1e-3)


def test_sampling_and_other_attention_answer_the_same_way(
    engine: VipLlavaEngine, zoo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = engine.view(zoo)
    prompts = [engine.prompt(view, question) for question, _ in QUESTIONS]
    options = [each for _, each in QUESTIONS]
    expected = [answer.text for answer in engine.answer_each(prompts, options)]
    config = engine.model.config.get_text_config()
    monkeypatch.setattr(config, "sliding_window", 4096, raising=False)
    assert [answer.text for answer in engine.answer_each(prompts, options)] == expected
