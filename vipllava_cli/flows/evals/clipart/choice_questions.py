"""Multiple-choice questions, answered by a letter."""

from collections.abc import Sequence
from dataclasses import replace

from vipllava_cli.engine.prompts.phrases import object_phrase
from vipllava_cli.engine.prompts.templates import LETTER_LINE
from vipllava_cli.flows.evals.clipart import question_templates
from vipllava_cli.flows.evals.clipart.auxiliary_targets import (
    AuxiliaryTarget,
    targets_after,
    targets_at_mark,
)
from vipllava_cli.flows.evals.clipart.question_generator import QuestionGenerator, SceneTurn

_LETTERS = "ABCD"


def ask_object_choice(generator: QuestionGenerator, mark_number: int) -> SceneTurn:
    """Ask what a mark shows, with four object classes as options."""
    mark = generator.marked.marks[mark_number]
    shown = generator.marked_class(mark_number)
    options = [shown]
    while len(options) < len(_LETTERS):
        other = generator.other_class(shown)
        if other not in options:
            options.append(other)
    question = generator.fill(question_templates.NAMING, **generator.mark_words(mark))
    turn = SceneTurn(
        question,
        "",
        kind="choose thing",
        mark=mark_number,
        auxiliary_targets=targets_at_mark(question, mark, shown.name),
    )
    return _with_options(generator, turn, [option.phrase for option in options])


def ask_mark_choice(generator: QuestionGenerator, mark_number: int) -> SceneTurn | None:
    """Ask as Visual7W does: which of up to four marks is on an object. None if there is only one."""
    marks = generator.marked.marks
    if len(marks) < 2:
        return None
    others = [mark for number, mark in enumerate(marks) if number != mark_number]
    options = [marks[mark_number], *others][: len(_LETTERS)]
    name = generator.marked_class(mark_number).name
    question = generator.fill(question_templates.CHOOSE_MARK, the=f"the {name}")
    turn = SceneTurn(
        question,
        "",
        kind="choose mark",
        mark=mark_number,
        auxiliary_targets=targets_after(question, (name,), marks[mark_number].color.name),
    )
    return _with_options(generator, turn, [object_phrase(mark).capitalize() for mark in options])


def _with_options(
    generator: QuestionGenerator, turn: SceneTurn, options: Sequence[str]
) -> SceneTurn:
    """Append shuffled options to a question. The answer is the letter of `options[0]`."""
    order = generator.rng.permutation(len(options)).tolist()
    lines = [f"{letter}. {options[at]}" for letter, at in zip(_LETTERS, order, strict=False)]
    question = "\n".join([turn.question, *lines, LETTER_LINE])
    correct = order.index(0)
    targets, end = list(turn.auxiliary_targets), len(turn.question)
    # Up to the correct option, the target is still what the mark shows; from it on, the letter.
    for number, line in enumerate(lines):
        end += 1 + len(line)
        word = _LETTERS[correct] if number >= correct else turn.auxiliary_targets[-1].word
        targets.append(AuxiliaryTarget(end, word, 2))
    targets.append(AuxiliaryTarget(len(question), _LETTERS[correct]))
    return replace(
        turn, question=question, answer=_LETTERS[correct], auxiliary_targets=tuple(targets)
    )
