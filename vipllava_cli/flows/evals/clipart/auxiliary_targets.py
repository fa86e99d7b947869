"""Auxiliary targets: words that training predicts while the decoder reads a question."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vipllava_cli.engine.prompts.phrases import COLOR_WORDS, SHAPE_WORDS
from vipllava_cli.marks.types import Mark


@dataclass(frozen=True)
class AuxiliaryTarget:
    """A word that training predicts at the question's own tokens, as a step towards the answer.

    `end` is the character of the question from which `word` is known. The target applies to the next
    `tokens` tokens.
    """

    end: int
    word: str
    tokens: int = 8


def targets_at_mark(question: str, mark: Mark, word: str) -> tuple[AuxiliaryTarget, ...]:
    """Make a target behind the mark's colour, or behind its shape if the question names no colour."""
    by_color = targets_after(question, COLOR_WORDS[mark.color.name], word)
    return by_color or targets_after(question, SHAPE_WORDS[mark.shape], word)


def targets_after(question: str, triggers: Sequence[str], word: str) -> tuple[AuxiliaryTarget, ...]:
    """Make a target behind the first of `triggers` in the question. Empty if there is none."""
    match = re.search(rf"\b({'|'.join(triggers)})\b", question, re.IGNORECASE)
    return (AuxiliaryTarget(match.end(), word),) if match else ()
