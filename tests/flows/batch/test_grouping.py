"""Grouping pending questions into batches."""

import random
from collections.abc import Sequence
from dataclasses import replace

from tests.conftest import SAMPLES
from vipllava_cli.engine.base import ModelView, Prompt
from vipllava_cli.engine.options import GREEDY, GenerationOptions
from vipllava_cli.flows.batch.grouping import PendingQuestion, group_into_batches
from vipllava_cli.flows.requests import make_request
from vipllava_cli.marks.marked_image import MarkedImage, open_image

CHOICES = GenerationOptions(choices=("yes", "no"))


def question(view: ModelView, length: int, options: GenerationOptions = GREEDY) -> PendingQuestion:
    """Make a question with a prompt of `length` tokens."""
    image = MarkedImage(open_image(str(SAMPLES / "garden.png")))
    request = make_request(image, "what?", ("fake", "1"), "human", options)
    return PendingQuestion(request, (Prompt(view, tuple(range(length))),), options)


def lengths(batches: Sequence[Sequence[PendingQuestion]]) -> list[list[int]]:
    return [[len(pending.prompts[0].ids) for pending in batch] for batch in batches]


def test_prompts_of_similar_length_share_a_batch() -> None:
    numbers = list(range(1, 9))
    random.Random(0).shuffle(numbers)
    pending = [question(ModelView(number), number) for number in numbers]
    batches = list(group_into_batches(pending, 3))
    assert lengths(batches) == [[1, 2, 3], [4, 5, 6], [7, 8]]


def test_questions_about_one_view_share_a_batch_if_they_fit() -> None:
    first, second = ModelView(1), ModelView(2)
    pending = [question(view, length) for length in (1, 5, 9) for view in (first, second)]
    batches = list(group_into_batches(pending, 4))
    assert [{pending.prompts[0].view for pending in batch} for batch in batches] == [
        {first},
        {second},
    ]


def test_a_view_with_more_questions_than_a_batch_is_split() -> None:
    view = ModelView(1)
    batches = list(group_into_batches([question(view, 2) for _ in range(7)], 3))
    assert [len(batch) for batch in batches] == [3, 3, 1]


def test_questions_with_other_options_are_in_other_batches() -> None:
    pending = [
        question(ModelView(number), number, CHOICES if number % 2 else GREEDY)
        for number in range(1, 7)
    ]
    batches = list(group_into_batches(pending, 100))
    assert lengths(batches) == [[2, 4, 6], [1, 3, 5]]


def test_no_questions_give_no_batch() -> None:
    assert list(group_into_batches([], 4)) == []


def test_the_prompts_of_a_question_with_fields_stay_in_one_batch() -> None:
    """A batch of 6 prompts holds one question of 4 fields; a batch of 3 holds one anyway."""
    views = [ModelView(number) for number in range(3)]
    pending = [
        replace(question(view, 2), prompts=tuple(Prompt(view, (1, 2)) for _ in range(4)))
        for view in views
    ]
    for size, expected in ((3, [1, 1, 1]), (6, [1, 1, 1]), (8, [2, 1]), (100, [3])):
        batches = list(group_into_batches(pending, size))
        assert [len(batch) for batch in batches] == expected
        assert [each for batch in batches for each in batch] == pending
