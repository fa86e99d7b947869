"""Questions and answers about a marked scene: conversations, and the kinds of question."""

from collections.abc import Callable, Mapping
from functools import partial

from numpy.random import Generator

from vipllava_cli.flows.evals.clipart import holdout_templates
from vipllava_cli.flows.evals.clipart.choice_questions import ask_mark_choice, ask_object_choice
from vipllava_cli.flows.evals.clipart.mark_questions import (
    ask_absent_mark,
    ask_before_and_after_mark,
    ask_category,
    ask_category_again,
    ask_color,
    ask_name,
    ask_name_with,
    ask_neighbor,
    ask_which,
    ask_which_mark,
    ask_yes_no,
)
from vipllava_cli.flows.evals.clipart.question_generator import QuestionGenerator, SceneTurn
from vipllava_cli.flows.evals.clipart.scene_questions import ask_comparison, ask_count, ask_list
from vipllava_cli.flows.evals.clipart.scenes import FULL, MarkedScene, SceneSettings

MAX_TURNS = 6

# Asks about the mark of this number. Returns None if the scene does not allow the question.
AskFunction = Callable[[QuestionGenerator, int], SceneTurn | None]

# Score files group by these keys.
QUESTION_KINDS: Mapping[str, AskFunction] = {
    "naming": ask_name,
    "absent": ask_absent_mark,
    "colour": ask_color,
    "which mark": ask_which,
    "yes or no": ask_yes_no,
    "kind": ask_category,
    "beside": ask_neighbor,
    "count": ask_count,
    "list": ask_list,
    "compare": ask_comparison,
    "choose thing": ask_object_choice,
    "choose mark": ask_mark_choice,
}

# The same kinds with holdout templates, which no training uses.
HOLDOUT_QUESTION_KINDS: Mapping[str, AskFunction] = {
    "naming": partial(ask_name_with, templates=holdout_templates.NAMING),
    "which mark": partial(ask_which_mark, templates=holdout_templates.WHICH),
    "yes or no": partial(ask_yes_no, templates=holdout_templates.YES_NO),
    "beside": partial(ask_neighbor, templates=holdout_templates.BESIDE),
    "count": partial(ask_count, templates=holdout_templates.COUNT),
    "list": partial(ask_list, templates=holdout_templates.LIST),
}

# How often a training conversation asks each kind, relative to the others.
KIND_WEIGHTS: Mapping[str, float] = {
    "naming": 2.2,
    "absent": 1.0,
    "colour": 0.6,
    "which mark": 1.4,
    "yes or no": 0.8,
    "kind": 0.6,
    "beside": 2.0,
    "count": 1.8,
    "list": 1.2,
    "compare": 1.6,
    "choose thing": 0.3,
    "choose mark": 0.3,
}
_KIND_SHARES = [weight / sum(KIND_WEIGHTS.values()) for weight in KIND_WEIGHTS.values()]


def make_conversation(
    rng: Generator,
    marked: MarkedScene,
    settings: SceneSettings = FULL,
    *,
    measured: bool = False,
) -> tuple[SceneTurn, ...]:
    """Make a conversation of one to MAX_TURNS turns about the marks in random order.

    `KIND_WEIGHTS` weights the kinds. Long conversations are cheap: their turns share one image.
    """
    generator = QuestionGenerator(rng, marked, settings, measured)
    order = rng.permutation(len(marked.marks)).tolist()
    kinds = rng.choice(list(KIND_WEIGHTS), size=MAX_TURNS, p=_KIND_SHARES).tolist()
    turns = list(ask_before_and_after_mark(generator, order[0])) if generator.chance(0.1) else []
    for number, kind in enumerate(kinds):
        turn = ask(generator, kind, order[number % len(order)])
        if turn is not None:
            turns.append(turn)
        if turns and turns[-1].kind == "naming" and generator.chance(0.1):
            turns.append(ask_category_again(generator, turns[-1].mark or 0))
    return tuple(turns[:MAX_TURNS]) or (ask_name(generator, 0),)


def ask(
    generator: QuestionGenerator,
    kind: str,
    mark: int | None = None,
    kinds: Mapping[str, AskFunction] = QUESTION_KINDS,
) -> SceneTurn | None:
    """Ask a question of a kind in `kinds`.

    `mark` is the number of the mark in question, random if None. Returns None if the scene does not
    allow a question of this kind.
    """
    if mark is None:
        mark = generator.number(len(generator.marked.marks))
    return kinds[kind](generator, mark)
