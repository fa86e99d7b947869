"""Questions about one mark. `mark_number` is the mark's number in the scene."""

from dataclasses import replace

from vipllava_cli.engine.prompts.phrases import SHAPE_WORDS, object_phrase
from vipllava_cli.engine.prompts.templates import PHRASE_LINE
from vipllava_cli.flows.evals.clipart import question_templates, scene_templates
from vipllava_cli.flows.evals.clipart.auxiliary_targets import (
    AuxiliaryTarget,
    targets_after,
    targets_at_mark,
)
from vipllava_cli.flows.evals.clipart.phrases import CATEGORY_NOUNS, CATEGORY_PHRASES, PLACES, SIDES
from vipllava_cli.flows.evals.clipart.question_generator import QuestionGenerator, SceneTurn
from vipllava_cli.flows.evals.clipart.question_templates import Templates
from vipllava_cli.flows.evals.clipart.relations import DIRECTIONS, marked_neighbors
from vipllava_cli.marks.colors import MODEL_COLORS
from vipllava_cli.marks.types import Mark


def ask_name(generator: QuestionGenerator, mark_number: int) -> SceneTurn:
    """Ask what a mark shows. In 8 % the question asks for a short answer: the bare name."""
    turn = ask_name_with(generator, mark_number, _naming_templates(generator, mark_number))
    if generator.chance(0.08):
        name = generator.marked_class(mark_number).name
        return replace(turn, question=f"{turn.question}\n{PHRASE_LINE}", answer=name)
    return turn


def _naming_templates(generator: QuestionGenerator, mark_number: int) -> Templates:
    if generator.has_one_mark() and generator.chance(0.3):
        return question_templates.NAMING_SINGLE_MARK
    if generator.marked.marks[mark_number].shape == "arrow" and generator.chance(0.4):
        return question_templates.NAMING_ARROW
    if generator.chance(0.1):
        return question_templates.NAMING_BY_CATEGORY
    if generator.chance(0.08):
        return question_templates.NAMING_BY_COLOR
    return question_templates.NAMING


def ask_name_with(
    generator: QuestionGenerator, mark_number: int, templates: Templates
) -> SceneTurn:
    """Ask what a mark shows with one of these templates."""
    mark = generator.marked.marks[mark_number]
    shown = generator.marked_class(mark_number)
    noun = CATEGORY_NOUNS[shown.category]
    question = generator.fill(templates, noun=noun, **generator.mark_words(mark))
    return SceneTurn(
        question,
        shown.phrase,
        kind="naming",
        mark=mark_number,
        auxiliary_targets=targets_at_mark(question, mark, shown.name),
    )


def ask_absent_mark(generator: QuestionGenerator, mark_number: int) -> SceneTurn:
    """Ask about a mark that is not drawn, in half of the cases of the colour or shape of a drawn one."""
    drawn = {(mark.color.name, mark.shape) for mark in generator.marked.marks}
    similar = generator.marked.marks[mark_number]
    while True:
        color = generator.pick(MODEL_COLORS[: generator.settings.colors])
        shape = generator.pick(generator.settings.shapes)
        if generator.chance(0.3):
            color = similar.color
        elif generator.chance(0.3):
            shape = similar.shape
        if (color.name, shape) not in drawn:
            break
    return _absence_turn(generator, Mark(shape, (((0.0, 0.0), (1.0, 1.0)),), color))


def _absence_turn(generator: QuestionGenerator, mark: Mark) -> SceneTurn:
    question = generator.fill(question_templates.NAMING, **generator.mark_words(mark))
    targets = targets_after(question, SHAPE_WORDS[mark.shape], "there")
    answer = f"there is no {mark.color.name} {SHAPE_WORDS[mark.shape][0]}"
    return SceneTurn(question, answer, kind="absent", auxiliary_targets=targets)


def ask_before_and_after_mark(
    generator: QuestionGenerator, mark_number: int
) -> tuple[SceneTurn, SceneTurn]:
    """Ask about a mark before the user draws it and again after. The first answer is stale."""
    before = _absence_turn(generator, generator.marked.marks[mark_number])
    return replace(before, auxiliary_targets=(), is_stale=True), ask_name(generator, mark_number)


def ask_color(generator: QuestionGenerator, mark_number: int) -> SceneTurn:
    """Ask for a mark's colour. If its shape is not unique, the question names its object instead."""
    mark = generator.marked.marks[mark_number]
    name = generator.marked_class(mark_number).name
    is_unique = [other.shape for other in generator.marked.marks].count(mark.shape) == 1
    templates = question_templates.COLOR if is_unique else question_templates.COLOR_OF_THING
    question = generator.fill(templates, the=f"the {name}", **generator.mark_words(mark))
    at_object = targets_after(question, (name,), mark.color.name)
    return SceneTurn(
        question,
        mark.color.name,
        kind="colour",
        mark=mark_number,
        auxiliary_targets=at_object
        or targets_after(question, SHAPE_WORDS[mark.shape], mark.color.name),
    )


def ask_which(generator: QuestionGenerator, mark_number: int) -> SceneTurn:
    """Ask which mark is on an object, or which of the marked objects it is."""
    if generator.chance(0.4):
        turn = ask_which_mark(generator, mark_number, question_templates.WHICH_OBJECT)
        return replace(turn, answer=object_phrase(generator.marked.marks[mark_number]))
    return ask_which_mark(generator, mark_number)


def ask_which_mark(
    generator: QuestionGenerator,
    mark_number: int,
    templates: Templates = question_templates.WHICH,
) -> SceneTurn:
    """Ask which mark is on an object."""
    mark = generator.marked.marks[mark_number]
    name = generator.marked_class(mark_number).name
    question = generator.fill(templates, the=f"the {name}")
    return SceneTurn(
        question,
        mark_name(mark),
        kind="which mark",
        mark=mark_number,
        auxiliary_targets=targets_after(question, (name,), mark.color.name),
    )


def ask_yes_no(
    generator: QuestionGenerator,
    mark_number: int,
    templates: Templates = question_templates.YES_NO,
) -> SceneTurn:
    """Ask whether a mark shows an object class: in half of the cases it does."""
    mark = generator.marked.marks[mark_number]
    shown = generator.marked_class(mark_number)
    is_yes = generator.chance(0.5)
    named = shown if is_yes else generator.other_class(shown)
    question = generator.fill(templates, thing=named.phrase, **generator.mark_words(mark))
    answer = "yes" if is_yes else "no"
    targets = targets_at_mark(question, mark, shown.name)
    # The answer is known once the question has named both the mark and the object.
    at_object = targets_after(question, (named.phrase,), answer)
    end = max(targets[0].end, *(target.end for target in at_object))
    targets = (*targets, AuxiliaryTarget(end, answer))
    return SceneTurn(
        question, answer, kind="yes or no", mark=mark_number, auxiliary_targets=targets
    )


def ask_category(generator: QuestionGenerator, mark_number: int) -> SceneTurn:
    """Ask for the category of a marked object."""
    mark = generator.marked.marks[mark_number]
    shown = generator.marked_class(mark_number)
    question = generator.fill(question_templates.CATEGORY, **generator.mark_words(mark))
    return SceneTurn(
        question,
        CATEGORY_PHRASES[shown.category],
        kind="kind",
        mark=mark_number,
        auxiliary_targets=targets_at_mark(question, mark, shown.name),
    )


def ask_category_again(generator: QuestionGenerator, mark_number: int) -> SceneTurn:
    """Ask for the category without naming the mark: the turn before was about it."""
    question = generator.fill(question_templates.CATEGORY_FOLLOW_UP)
    category = generator.marked_class(mark_number).category
    return SceneTurn(question, CATEGORY_PHRASES[category], kind="kind", mark=mark_number)


def ask_neighbor(
    generator: QuestionGenerator,
    mark_number: int,
    templates: Templates = scene_templates.BESIDE,
) -> SceneTurn | None:
    """Ask what is beside a marked object. None if it has no clear neighbour on any side."""
    neighbors = {side: marked_neighbors(generator.marked, side) for side in DIRECTIONS}
    known = [side for side in DIRECTIONS if mark_number in neighbors[side]]
    if not known:
        return None
    side = generator.pick(known)
    mark = generator.marked.marks[mark_number]
    placement = generator.marked.scene.placements[neighbors[side][mark_number]]
    words = generator.mark_words(mark)
    # Leave out "under the red dot": it also means the place of the dot itself.
    phrases = [
        phrase for phrase in SIDES[side] if f"{phrase} the {{mark}}" not in PLACES[mark.shape]
    ]
    question = generator.fill(templates, side=generator.pick(phrases), **words)
    return SceneTurn(
        question,
        placement.object_class.phrase,
        kind="beside",
        mark=mark_number,
        auxiliary_targets=targets_at_mark(question, mark, placement.object_class.name),
    )


def mark_name(mark: Mark) -> str:
    """Name a mark as answers do: `the red box`."""
    return f"the {mark.color.name} {SHAPE_WORDS[mark.shape][0]}"
