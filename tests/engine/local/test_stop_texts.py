"""The end of an answer by its last tokens, compared with the criterion of transformers."""

import random

import pytest
import torch
from transformers.generation.stopping_criteria import StopStringCriteria

from vipllava_cli.engine.local.generate import LocalEngine
from vipllava_cli.engine.local.stop_texts import StopTexts

pytestmark = pytest.mark.model


@pytest.mark.parametrize("stops", [["###"], ["##", "ab"], ["a"], ["#a#", "ing"]])
def test_a_stop_text_ends_where_transformers_ends_it(engine: LocalEngine, stops: list[str]) -> None:
    tokenizer = engine.tokenizer
    vocabulary = range(len(tokenizer) + 3)  # with ids that have no text
    names = tokenizer.convert_ids_to_tokens(list(vocabulary)[:-3])
    likely = [id for id, name in enumerate(names) if set(name) & set("".join(stops))]
    criterion, own = StopStringCriteria(tokenizer, stops), StopTexts(tokenizer, stops)
    rng = random.Random(2)
    found = []
    for _ in range(2000):
        ids = [rng.choice(likely if rng.random() < 0.7 else vocabulary) for _ in range(6)]
        found.append(own.is_complete(ids))
        assert found[-1] == bool(criterion(torch.tensor([ids]), None)[0]), ids
    assert any(found)
    assert not all(found)
