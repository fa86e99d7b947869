"""A row -> its question as the published evaluation asks it, with its options and the answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vipllava_cli.engine.prompts.control_words import neutralize
from vipllava_cli.engine.prompts.templates import LETTER_LINE, PHRASE_LINE
from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.flows.evals.benchmark import LETTER, LIKELIHOOD, TEXT
from vipllava_cli.flows.evals.dataset import Case, Groups
from vipllava_cli.flows.evals.scorers import find_letter
from vipllava_cli.flows.evals.vp_bench.cells import first_cell, parsed_cell, text_cell

LETTERS = "ABCD"
CONTEXT = ("context", "hint")  # the second is the name in the file for VLMEvalKit
_PLACEHOLDER = re.compile(r"\{(?=[0-9]+\})")
_OPTION_LINE = re.compile(r"^\s*\(?([A-D])[.):]\s+(.*\S)\s*$", re.MULTILINE)
_INSTRUCTION = re.compile(r"\n\s*(?:Answer with|Options:|Choices:)[^\n]*$", re.MULTILINE)


@dataclass(frozen=True)
class RowQuestion:
    """The question of a row, the context before it, and its options by letter.

    A row without options has a free answer.
    """

    question: str
    context: str
    options: Mapping[str, str]
    answer: str

    def case(self, by: str, groups: Groups) -> Case:
        """Make the case, with the answer in the form that `by` names. Raises InputError."""
        head = [text for text in (self.context, self.question) if text]
        if not self.options:
            if by != LETTER:
                raise InputError(f"the row has no options to score by {by}: use --by letter")
            return Case("\n".join([*head, PHRASE_LINE]), self.answer, groups)
        letter = _find_answer(self.answer, self.options)
        if by == TEXT:
            texts = {each: neutralize(text).text for each, text in self.options.items()}
            return Case("\n".join(head), texts[letter], groups, tuple(texts.values()), by_text=True)
        lines = [f"{each}. {text}" for each, text in self.options.items()]
        return Case(
            "\n".join([*head, *lines, LETTER_LINE]),
            letter,
            groups,
            _by_position(self.options),
            choices=tuple(self.options) if by == LIKELIHOOD else (),
        )


def parse_question(fields: Mapping[str, Any], *, may_be_free: bool = False) -> RowQuestion:
    """Parse the question of a row. Raises InputError if a part is missing.

    Only with `may_be_free`, a row without options has an answer in words.
    """
    question = text_cell(fields.get("question"))
    if not question:
        raise InputError(f'expected a "question", found {short_repr(fields.get("question"))}')
    answer = text_cell(fields.get("answer"))
    if not answer:
        raise InputError(f'expected an "answer", found {short_repr(fields.get("answer"))}')
    options = _parse_options(fields)
    if not options:
        question, options = _split_options(question)
    if len(options) == 1 or not (options or (may_be_free and len(answer) > 1)):
        found = f"only {next(iter(options))}" if options else "none"
        raise InputError(f"expected two options or more in A to D, found {found}")
    context = without_placeholders(text_cell(first_cell(fields, CONTEXT)))
    return RowQuestion(question, context, options, answer)


def _parse_options(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return the options in the columns A to D, or in a column `options`. Empty ones are left out."""
    texts = {letter: text_cell(fields.get(letter)) for letter in LETTERS}
    if not any(texts.values()):
        listed = parsed_cell(fields.get("options"))
        if isinstance(listed, Mapping):
            texts = {letter: text_cell(listed.get(letter)) for letter in LETTERS}
        elif isinstance(listed, list):
            if len(listed) > len(LETTERS):
                raise InputError(f"expected at most {len(LETTERS)} options, found {len(listed)}")
            texts = dict(zip(LETTERS, map(_without_letter, listed), strict=False))
    return {letter: without_placeholders(text) for letter, text in texts.items() if text}


def _without_letter(option: Any) -> str:
    match = _OPTION_LINE.fullmatch(text_cell(option))
    return match[2] if match else text_cell(option)


def _split_options(question: str) -> tuple[str, dict[str, str]]:
    """Split lines like `A. a dog` off a question. They must be the first letters in order."""
    found = list(_OPTION_LINE.finditer(question))
    if len(found) < 2 or "".join(match[1] for match in found) != LETTERS[: len(found)]:
        return question, {}
    head = question[: found[0].start()].rstrip()
    head = _INSTRUCTION.sub("", f"\n{head}").strip()
    return (head, {match[1]: match[2] for match in found}) if head else (question, {})


def _find_answer(answer: str, options: Mapping[str, str]) -> str:
    """Return the letter of the right option. The answer may also be its text. Raises InputError."""
    # A number may count the options from 0 or from 1.
    letter = None if answer.isdecimal() else find_letter(answer, _by_position(options))
    if letter not in options:
        raise InputError(
            f'expected an "answer" among {_join(tuple(options))}, found {short_repr(answer)}'
        )
    return str(letter)


def _by_position(options: Mapping[str, str]) -> tuple[str, ...]:
    """Return the options from A to the last one, empty where there is none."""
    return tuple(options.get(each, "") for each in LETTERS[: LETTERS.index(max(options)) + 1])


def without_placeholders(text: str) -> str:
    """Break up `{1}`, which would stand for a mark that the program draws."""
    return _PLACEHOLDER.sub("{ ", text)


def _join(letters: Sequence[str]) -> str:
    return f"{', '.join(letters[:-1])} and {letters[-1]}"
