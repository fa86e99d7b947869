"""Group pending questions into batches of similar length."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vipllava_cli.engine.base import ModelView
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.flows.answering import Prompts
from vipllava_cli.storage.records import Request


@dataclass(frozen=True)
class PendingQuestion:
    """A question for the model, with its prompt, or with one for each field."""

    request: Request
    prompts: Prompts
    options: GenerationOptions


def group_into_batches(
    questions: Sequence[PendingQuestion], batch_size: int
) -> Iterator[list[PendingQuestion]]:
    """Group questions into batches of at most `batch_size` prompts; a question is never split.

    The questions of a batch have equal options and prompts of similar length, so that padding costs
    little. Questions about one view share a batch if they fit, so that the view is encoded once.
    """
    # 1. Group by view and options.
    groups: dict[tuple[ModelView, GenerationOptions], list[PendingQuestion]] = {}
    for question in questions:
        groups.setdefault((question.prompts[0].view, question.options), []).append(question)
    # 2. Fill batches with complete groups, the shortest first.
    batch: list[PendingQuestion] = []
    for group in sorted(groups.values(), key=_sort_key):
        is_full = _count(batch) + _count(group) > batch_size
        if batch and (is_full or batch[0].options != group[0].options):
            yield batch
            batch = []
        batch = batch + group
        # 3. Split a group that is larger than a batch.
        while _count(batch) >= batch_size:
            size = max(batch_size // len(batch[0].prompts), 1)
            yield batch[:size]
            batch = batch[size:]
    if batch:
        yield batch


def _count(questions: Sequence[PendingQuestion]) -> int:
    """Count the prompts. The questions of a batch have equal numbers of them."""
    return sum(len(question.prompts) for question in questions)


def _sort_key(group: Sequence[PendingQuestion]) -> tuple[tuple[str, ...], int]:
    """Sort by choices, so that equal options are adjacent; then by the longest prompt in tokens."""
    return group[0].options.choices, max(
        len(prompt.ids) for question in group for prompt in question.prompts
    )
