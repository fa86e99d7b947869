"""Answers as text for people, where a format has one text for a region."""

from collections.abc import Sequence

from vipllava_cli.flows.export.dataset import Answer


def describe(answers: Sequence[Answer]) -> str:
    """Return an answer as text. Several answers stand with their questions, one in each line."""
    given = [answer for answer in answers if answer.text is not None]
    if len(given) == 1:
        return given[0].text or ""
    return "\n".join(f"{answer.question} {answer.text}" for answer in given)
