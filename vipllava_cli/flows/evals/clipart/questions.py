"""Questions and answers about a marked scene, in the product's own words and in people's."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from numpy.random import Generator

from vipllava_cli.engine.prompts.phrases import COLOR_WORDS, SHAPE_WORDS, object_phrase
from vipllava_cli.engine.prompts.templates import LETTER_LINE, PHRASE_LINE
from vipllava_cli.flows.evals.clipart import holdout_templates as others
from vipllava_cli.flows.evals.clipart import question_templates as templates
from vipllava_cli.flows.evals.clipart import scene_templates as many
from vipllava_cli.flows.evals.clipart.phrases import (
    KIND_NOUNS,
    KIND_PHRASES,
    PLACES,
    SIDES,
)
from vipllava_cli.flows.evals.clipart.question_generator import Clue, QuestionGenerator, SceneTurn
from vipllava_cli.flows.evals.clipart.question_templates import Templates
from vipllava_cli.flows.evals.clipart.relations import DIRECTIONS, beside, reading_order
from vipllava_cli.flows.evals.clipart.scenes import WHOLE, MarkedScene, World
from vipllava_cli.marks.colors import MODEL_COLORS
from vipllava_cli.marks.types import Mark

MOST_TURNS = 6
_LETTERS = "ABCD"


def make_conversation(
    rng: Generator, marked: MarkedScene, world: World = WHOLE, *, measured: bool = False
) -> tuple[SceneTurn, ...]:
    """Mostly about what the marks show, in turn, the rest of other kinds by their weights. Long ones:
    the more is asked of an image, the more is learned of having read it.
    """
    generator = QuestionGenerator(rng, marked, world, measured)
    order = rng.permutation(len(marked.marks)).tolist()
    kinds = rng.choice(list(WEIGHTS), size=MOST_TURNS, p=_SHARES).tolist()
    talk = list(_asked_too_soon(generator, order[0])) if generator.chance(0.1) else []
    for turn, kind in enumerate(kinds):
        mark = order[turn % len(order)]
        said = ask(generator, kind, mark)
        if said is not None:
            talk.append(said)
        if talk and talk[-1].kind == "naming" and generator.chance(0.1):
            talk.append(_kind_again(generator, talk[-1].mark or 0))
    return tuple(talk[:MOST_TURNS]) or (_naming(generator, 0),)


def ask(
    generator: QuestionGenerator,
    kind: str,
    mark: int | None = None,
    asked: "Mapping[str, Asking] | None" = None,
) -> SceneTurn | None:
    """A question of this kind, about this mark if it is about one, as ASKED asks unless told
    otherwise; None where the scene gives no such question.
    """
    if mark is None:
        mark = generator.number(len(generator.marked.marks))
    return (asked or ASKED)[kind](generator, mark)


# --- kinds of question -----------------------------------------------------------------------


def _naming(generator: QuestionGenerator, number: int) -> SceneTurn:
    asked = _named(generator, number, _naming_sentences(generator, number))
    if generator.chance(0.08):
        name = generator.marked.marked(number).thing.name
        return replace(asked, question=f"{asked.question}\n{PHRASE_LINE}", answer=name)
    return asked


def _naming_sentences(generator: QuestionGenerator, number: int) -> Templates:
    if generator.alone() and generator.chance(0.3):
        return templates.ALONE
    if generator.marked.marks[number].shape == "arrow" and generator.chance(0.4):
        return templates.POINTED
    if generator.chance(0.1):
        return templates.OF_KIND
    return templates.BY_COLOR if generator.chance(0.08) else templates.NAMING


def _named(generator: QuestionGenerator, number: int, sentences: Templates) -> SceneTurn:
    mark, thing = generator.marked.marks[number], generator.marked.marked(number).thing
    noun = KIND_NOUNS[thing.kind]
    question = generator.words(sentences, noun=noun, **generator.mark_words(mark))
    return SceneTurn("naming", question, thing.phrase, number, _at_mark(question, mark, thing.name))


def _absent(generator: QuestionGenerator, number: int) -> SceneTurn:
    """About a mark that is not there, which is mostly like one that is."""
    drawn = {(mark.color.name, mark.shape) for mark in generator.marked.marks}
    like = generator.marked.marks[number]
    while True:
        color = generator.pick(MODEL_COLORS[: generator.world.colors])
        shape = generator.pick(generator.world.shapes)
        if generator.chance(0.3):
            color = like.color
        elif generator.chance(0.3):
            shape = like.shape
        if (color.name, shape) not in drawn:
            break
    return _denied(generator, Mark(shape, (((0.0, 0.0), (1.0, 1.0)),), color))


def _denied(generator: QuestionGenerator, mark: Mark) -> SceneTurn:
    question = generator.words(templates.NAMING, **generator.mark_words(mark))
    clues = _after(question, SHAPE_WORDS[mark.shape], "there")
    answer = f"there is no {mark.color.name} {SHAPE_WORDS[mark.shape][0]}"
    return SceneTurn("absent", question, answer, clues=clues)


def _asked_too_soon(generator: QuestionGenerator, number: int) -> tuple[SceneTurn, SceneTurn]:
    """About a mark before it was drawn, and again once it is."""
    denied = _denied(generator, generator.marked.marks[number])
    return replace(denied, clues=(), stale=True), _naming(generator, number)


def _color(generator: QuestionGenerator, number: int) -> SceneTurn:
    """With several marks the thing says which is meant."""
    mark, thing = generator.marked.marks[number], generator.marked.marked(number).thing
    unique = [other.shape for other in generator.marked.marks].count(mark.shape) == 1
    sentences = templates.COLOR if unique else templates.COLOR_OF_THING
    question = generator.words(sentences, the=f"the {thing.name}", **generator.mark_words(mark))
    at_thing = _after(question, (thing.name,), mark.color.name)
    clues = at_thing or _after(question, SHAPE_WORDS[mark.shape], mark.color.name)
    return SceneTurn("colour", question, mark.color.name, number, clues)


def _which(generator: QuestionGenerator, number: int) -> SceneTurn:
    """Of a thing either which mark is on it, or which of the marked objects it is."""
    if generator.chance(0.4):
        asked = _which_mark(generator, number, templates.WHICH_OBJECT)
        return replace(asked, answer=object_phrase(generator.marked.marks[number]))
    return _which_mark(generator, number)


def _which_mark(
    generator: QuestionGenerator, number: int, sentences: Templates = templates.WHICH
) -> SceneTurn:
    mark, thing = generator.marked.marks[number], generator.marked.marked(number).thing
    question = generator.words(sentences, the=f"the {thing.name}")
    clues = _after(question, (thing.name,), mark.color.name)
    return SceneTurn("which mark", question, _name(mark), number, clues)


def _yes_no(
    generator: QuestionGenerator, number: int, sentences: Templates = templates.YES_NO
) -> SceneTurn:
    mark, thing = generator.marked.marks[number], generator.marked.marked(number).thing
    yes = generator.chance(0.5)
    asked = thing if yes else generator.other_thing(thing)
    question = generator.words(sentences, thing=asked.phrase, **generator.mark_words(mark))
    answer = "yes" if yes else "no"
    shown = _at_mark(question, mark, thing.name)
    both = max(shown[0].end, *(clue.end for clue in _after(question, (asked.phrase,), answer)))
    return SceneTurn("yes or no", question, answer, number, (*shown, Clue(both, answer)))


def _kind(generator: QuestionGenerator, number: int) -> SceneTurn:
    mark, thing = generator.marked.marks[number], generator.marked.marked(number).thing
    question = generator.words(templates.KIND, **generator.mark_words(mark))
    clues = _at_mark(question, mark, thing.name)
    return SceneTurn("kind", question, KIND_PHRASES[thing.kind], number, clues)


def _kind_again(generator: QuestionGenerator, number: int) -> SceneTurn:
    """What a mark shows was asked just before."""
    thing = generator.marked.marked(number).thing
    return SceneTurn(
        "kind", generator.words(templates.KIND_AGAIN), KIND_PHRASES[thing.kind], number
    )


def _beside(
    generator: QuestionGenerator, number: int, sentences: Templates = many.BESIDE
) -> SceneTurn | None:
    told = {side: beside(generator.marked, side) for side in DIRECTIONS}
    known = [side for side in DIRECTIONS if number in told[side]]
    if not known:
        return None
    side = generator.pick(known)
    mark, found = (
        generator.marked.marks[number],
        generator.marked.scene.placements[told[side][number]],
    )
    words = generator.mark_words(mark)
    # "under the red dot" is for people where the dot is, not what lies below.
    taken = PLACES[mark.shape]
    sides = [phrase for phrase in SIDES[side] if f"{phrase} the {{mark}}" not in taken]
    question = generator.words(sentences, side=generator.pick(sides), **words)
    clues = _at_mark(question, mark, found.thing.name)
    return SceneTurn("beside", question, found.thing.phrase, number, clues)


def _count(
    generator: QuestionGenerator, number: int, sentences: Templates = many.COUNT
) -> SceneTurn:
    things = str(len(generator.marked.scene.placements))
    question = generator.words(sentences)
    return SceneTurn("count", question, things, clues=(Clue(len(question), things),))


def _list(generator: QuestionGenerator, number: int, sentences: Templates = many.LIST) -> SceneTurn:
    placements = generator.marked.scene.placements
    things = [placements[at].thing for at in reading_order(placements)]
    question = generator.words(sentences)
    clues = (Clue(len(question), things[0].name),)
    return SceneTurn("list", question, listed([thing.phrase for thing in things]), clues=clues)


def _compare(generator: QuestionGenerator, number: int) -> SceneTurn | None:
    marks = generator.marked.marks
    if len(marks) < 2:
        return None
    second = (number + 1 + generator.number(len(marks) - 1)) % len(marks)
    if not generator.measured and generator.chance(0.4):
        second = _of_its_kind(generator, number, second)
    question = generator.words(
        many.COMPARE,
        first=_object(generator, marks[number]),
        second=_object(generator, marks[second]),
    )
    things = [generator.marked.marked(at).thing for at in (number, second)]
    clues = [
        clue
        for at, thing in zip((number, second), things, strict=True)
        for clue in _at_mark(question, marks[at], thing.name)
    ]
    kinds = [KIND_PHRASES[thing.kind] for thing in things]
    same = f"both are {kinds[0]}"
    different = f"the first is {kinds[0]}, the second is {kinds[1]}"
    answer = same if kinds[0] == kinds[1] else different
    clues.append(Clue(len(question), "both" if answer == same else "first"))
    return SceneTurn("compare", question, answer, number, tuple(clues))


def _of_its_kind(generator: QuestionGenerator, number: int, otherwise: int) -> int:
    """Another mark on a thing of the same kind, of which chance shows few, if there is one."""
    kinds = [generator.marked.marked(at).thing.kind for at in range(len(generator.marked.marks))]
    alike = [at for at, kind in enumerate(kinds) if at != number and kind == kinds[number]]
    return generator.pick(alike) if alike else otherwise


def _choose_thing(generator: QuestionGenerator, number: int) -> SceneTurn:
    mark, thing = generator.marked.marks[number], generator.marked.marked(number).thing
    options = [thing]
    while len(options) < len(_LETTERS):
        other = generator.other_thing(thing)
        if other not in options:
            options.append(other)
    question = generator.words(templates.NAMING, **generator.mark_words(mark))
    phrases = [option.phrase for option in options]
    clues = _at_mark(question, mark, thing.name)
    return _lettered(generator, SceneTurn("choose thing", question, "", number, clues), phrases)


def _choose_mark(generator: QuestionGenerator, number: int) -> SceneTurn | None:
    """As Visual7W asks: four marks, and which of them is on a thing."""
    marks = generator.marked.marks
    if len(marks) < 2:
        return None
    options = [marks[number], *(mark for at, mark in enumerate(marks) if at != number)]
    thing = generator.marked.marked(number).thing
    question = generator.words(templates.CHOOSE_MARK, the=f"the {thing.name}")
    phrases = [object_phrase(mark).capitalize() for mark in options[: len(_LETTERS)]]
    clues = _after(question, (thing.name,), marks[number].color.name)
    return _lettered(generator, SceneTurn("choose mark", question, "", number, clues), phrases)


def _lettered(generator: QuestionGenerator, asked: SceneTurn, options: Sequence[str]) -> SceneTurn:
    """The question with its options, shuffled; its answer the letter of the first, which is right."""
    order = generator.rng.permutation(len(options)).tolist()
    lines = [f"{letter}. {options[at]}" for letter, at in zip(_LETTERS, order, strict=False)]
    question = "\n".join([asked.question, *lines, LETTER_LINE])
    right = order.index(0)
    clues, end = list(asked.clues), len(asked.question)
    for number, line in enumerate(lines):  # each option is looked at: is it this one?
        end += 1 + len(line)
        known = _LETTERS[right] if number >= right else asked.clues[-1].word
        clues.append(Clue(end, known, 2))
    clues.append(Clue(len(question), _LETTERS[right]))
    return replace(asked, question=question, answer=_LETTERS[right], clues=tuple(clues))


def _at_mark(question: str, mark: Mark, word: str) -> tuple[Clue, ...]:
    """From the mark's colour on, or from its shape where no colour is named; none where neither is."""
    by_color = _after(question, COLOR_WORDS[mark.color.name], word)
    return by_color or _after(question, SHAPE_WORDS[mark.shape], word)


def _after(question: str, words: Sequence[str], means: str) -> tuple[Clue, ...]:
    """From the first of the words on, if the question has one of them."""
    found = re.search(rf"\b({'|'.join(words)})\b", question, re.IGNORECASE)
    return (Clue(found.end(), means),) if found else ()


def _object(generator: QuestionGenerator, mark: Mark) -> str:
    words = generator.mark_words(mark)
    return object_phrase(mark) if generator.chance(0.5) else f"the {words['mark']}"


def _name(mark: Mark) -> str:
    return f"the {mark.color.name} {SHAPE_WORDS[mark.shape][0]}"


def listed(phrases: Sequence[str]) -> str:
    """`a dog, a cat and a tree`."""
    *most, last = phrases
    return f"{', '.join(most)} and {last}" if most else last


Asking = Callable[[QuestionGenerator, int], SceneTurn | None]

ASKED: Mapping[str, Asking] = {
    "naming": _naming,
    "absent": _absent,
    "colour": _color,
    "which mark": _which,
    "yes or no": _yes_no,
    "kind": _kind,
    "beside": _beside,
    "count": _count,
    "list": _list,
    "compare": _compare,
    "choose thing": _choose_thing,
    "choose mark": _choose_mark,
}

# The same in sentences from which nothing is learned.
ASKED_OTHERWISE: Mapping[str, Asking] = {
    "naming": partial(_named, sentences=others.NAMING),
    "which mark": partial(_which_mark, sentences=others.WHICH),
    "yes or no": partial(_yes_no, sentences=others.YES_NO),
    "beside": partial(_beside, sentences=others.BESIDE),
    "count": partial(_count, sentences=others.COUNT),
    "list": partial(_list, sentences=others.LIST),
}

# How often training asks each kind.
WEIGHTS: Mapping[str, float] = {
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
_SHARES = [weight / sum(WEIGHTS.values()) for weight in WEIGHTS.values()]
