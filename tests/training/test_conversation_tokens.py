"""Tokenized conversations and their targets."""

import pytest

from training.architecture import GRID
from training.conversation_tokens import tokenize_conversation
from training.model import TrainingModel
from training.patch_targets import IGNORE
from vipllava_cli.engine.prompts.templates import TEMPLATES, render
from vipllava_cli.flows.evals.clipart.questions import make_conversation
from vipllava_cli.flows.evals.clipart.scenes import TRAINING, make_scene, mark_scene, scene_rng

pytestmark = pytest.mark.model


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_conversation_has_the_same_tokens_turn_by_turn_and_at_once(
    untrained: TrainingModel, name: str
) -> None:
    tokenizer = untrained.tokenizer
    stale = 0
    for number in range(30):
        rng = scene_rng(TRAINING, number)
        turns = make_conversation(rng, mark_scene(rng, make_scene(rng)))
        tokens = tokenize_conversation(tokenizer, name, turns)
        stale += sum(turn.is_stale for turn in turns)
        full = render(TEMPLATES[name], turns).replace("<image>", "<image>" * GRID * GRID)
        assert tokens.input_ids[:-1] == tokenizer(full)["input_ids"]
        targets = [token for token in tokens.answer_targets if token != IGNORE]
        stop = TEMPLATES[name].stop
        expected = "".join(f" {turn.answer}{stop}" for turn in turns if not turn.is_stale)
        assert tokenizer.decode(targets) == expected
        assert (
            len(tokens.answer_targets)
            == len(tokens.question_kinds)
            == len(tokens.auxiliary_targets)
            == len(tokens.input_ids)
        )
    assert stale


def test_a_conversation_keeps_the_turns_that_fit_and_at_least_one(untrained: TrainingModel) -> None:
    rng = scene_rng(TRAINING, 0)
    turns = make_conversation(rng, mark_scene(rng, make_scene(rng)))
    first = tokenize_conversation(untrained.tokenizer, "human", turns[:1])
    full = tokenize_conversation(untrained.tokenizer, "human", turns)
    assert tokenize_conversation(untrained.tokenizer, "human", turns, max_tokens=1) == first
    assert tokenize_conversation(untrained.tokenizer, "human", turns, max_tokens=9999) == full
