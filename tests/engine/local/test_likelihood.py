"""The likelihood of choices, compared with full runs."""

import pytest
import torch
from PIL import Image

from vipllava_cli.engine.local.engines import VipLlavaEngine
from vipllava_cli.engine.options import GenerationOptions

pytestmark = pytest.mark.model

QUESTION = "what is in the red box?"
CHOICES = ("a penguin", "an elephant", "a lion", "a", "a penguin and a lion", "no")


def log_likelihood_in_full(
    engine: VipLlavaEngine, image: Image.Image, choice: str, template: str
) -> float:
    """Compute a choice's log-likelihood in one run over the complete text, without a cache."""
    text = engine.format_first_prompt(QUESTION, template) + " " + choice
    prompt, ids = engine.encode(engine.format_first_prompt(QUESTION, template)), engine.encode(text)
    with torch.inference_mode():
        rows = torch.tensor([ids])
        scores = engine.model(
            input_ids=rows, **engine.image_inputs([engine.view(image)], rows)
        ).logits[0]
    scores = scores.double().log_softmax(-1)
    choice_score = sum(scores[index - 1, ids[index]] for index in range(len(prompt), len(ids)))
    stop = engine.encode(text + "###")[len(ids)]
    ends = [engine.tokenizer.eos_token_id, stop]
    return float(choice_score + scores[-1, ends].logsumexp(0))


@pytest.mark.parametrize("template", ["human", "vicuna"])
def test_probabilities_are_those_of_a_full_run_for_each_choice(
    engine: VipLlavaEngine, zoo: Image.Image, template: str
) -> None:
    prompt = engine.prompt(engine.view(zoo), QUESTION, template)
    (answer,) = engine.answer([prompt], GenerationOptions(choices=CHOICES))
    expected = [log_likelihood_in_full(engine, zoo, choice, template) for choice in CHOICES]
    probabilities = torch.tensor(expected, dtype=torch.float64).softmax(0).tolist()
    assert [choice.text for choice in answer.choices] == list(CHOICES)
    for choice, likelihood, probability in zip(
        answer.choices, expected, probabilities, strict=True
    ):
        assert choice.log_likelihood == pytest.approx(likelihood, abs=1e-3)
        assert choice.probability == pytest.approx(probability, abs=1e-4)
    assert answer.text == CHOICES[expected.index(max(expected))]
