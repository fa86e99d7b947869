"""Questions and answers about a marked scene, in the product's own words and in people's."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from numpy.random import Generator

from vipllava_cli.engine.prompts import (
    COLOR_WORDS,
    LETTER_LINE,
    PHRASE_LINE,
    SHAPE_WORDS,
    object_phrase,
)
from vipllava_cli.flows.evals.clipart import holdout_templates as others
from vipllava_cli.flows.evals.clipart import question_templates as wordings
from vipllava_cli.flows.evals.clipart import scene_templates as many
from vipllava_cli.flows.evals.clipart.phrases import (
    KIND_NOUNS,
    KIND_PHRASES,
    PLACES,
    SIDES,
)
from vipllava_cli.flows.evals.clipart.question_generator import Clue, Exchange, Talker
from vipllava_cli.flows.evals.clipart.question_templates import Wordings
from vipllava_cli.flows.evals.clipart.relations import DIRECTIONS, beside, reading_order
from vipllava_cli.flows.evals.clipart.scenes import WHOLE, MarkedScene, World
from vipllava_cli.marks.colors import MODEL_COLORS
from vipllava_cli.marks.types import Mark

MOST_TURNS = 6
_LETTERS = "ABCD"


def make_conversation(
    rng: Generator, marked: MarkedScene, world: World = WHOLE, *, measured: bool = False
) -> tuple[Exchange, ...]:
    """Mostly about what the marks show, in turn, the rest of other kinds by their weights. Long ones:
    the more is asked of a picture, the more is learned of having read it.
    """
    talker = Talker(rng, marked, world, measured)
    order = rng.permutation(len(marked.marks)).tolist()
    kinds = rng.choice(list(WEIGHTS), size=MOST_TURNS, p=_SHARES).tolist()
    talk = list(_asked_too_soon(talker, order[0])) if talker.chance(0.1) else []
    for turn, kind in enumerate(kinds):
        mark = order[turn % len(order)]
        said = ask(talker, kind, mark)
        if said is not None:
            talk.append(said)
        if talk and talk[-1].kind == "naming" and talker.chance(0.1):
            talk.append(_kind_again(talker, talk[-1].mark or 0))
    return tuple(talk[:MOST_TURNS]) or (_naming(talker, 0),)


def ask(
    talker: Talker, kind: str, mark: int | None = None, asked: "Mapping[str, Asking] | None" = None
) -> Exchange | None:
    """A question of this kind, about this mark if it is about one, as ASKED asks unless told
    otherwise; None where the scene gives no such question.
    """
    if mark is None:
        mark = talker.number(len(talker.marked.marks))
    return (asked or ASKED)[kind](talker, mark)


# --- kinds of question -----------------------------------------------------------------------


def _naming(talker: Talker, number: int) -> Exchange:
    asked = _named(talker, number, _naming_sentences(talker, number))
    if talker.chance(0.08):
        name = talker.marked.marked(number).thing.name
        return replace(asked, question=f"{asked.question}\n{PHRASE_LINE}", answer=name)
    return asked


def _naming_sentences(talker: Talker, number: int) -> Wordings:
    if talker.alone() and talker.chance(0.3):
        return wordings.ALONE
    if talker.marked.marks[number].shape == "arrow" and talker.chance(0.4):
        return wordings.POINTED
    if talker.chance(0.1):
        return wordings.OF_KIND
    return wordings.BY_COLOR if talker.chance(0.08) else wordings.NAMING


def _named(talker: Talker, number: int, sentences: Wordings) -> Exchange:
    mark, thing = talker.marked.marks[number], talker.marked.marked(number).thing
    noun = KIND_NOUNS[thing.kind]
    question = talker.words(sentences, noun=noun, **talker.mark_words(mark))
    return Exchange("naming", question, thing.phrase, number, _at_mark(question, mark, thing.name))


def _absent(talker: Talker, number: int) -> Exchange:
    """About a mark that is not there, which is mostly like one that is."""
    drawn = {(mark.color.name, mark.shape) for mark in talker.marked.marks}
    like = talker.marked.marks[number]
    while True:
        color = talker.pick(MODEL_COLORS[: talker.world.colors])
        shape = talker.pick(talker.world.shapes)
        if talker.chance(0.3):
            color = like.color
        elif talker.chance(0.3):
            shape = like.shape
        if (color.name, shape) not in drawn:
            break
    return _denied(talker, Mark(shape, (((0.0, 0.0), (1.0, 1.0)),), color))


def _denied(talker: Talker, mark: Mark) -> Exchange:
    question = talker.words(wordings.NAMING, **talker.mark_words(mark))
    clues = _after(question, SHAPE_WORDS[mark.shape], "there")
    answer = f"there is no {mark.color.name} {SHAPE_WORDS[mark.shape][0]}"
    return Exchange("absent", question, answer, clues=clues)


def _asked_too_soon(talker: Talker, number: int) -> tuple[Exchange, Exchange]:
    """About a mark before it was drawn, and again once it is."""
    denied = _denied(talker, talker.marked.marks[number])
    return replace(denied, clues=(), stale=True), _naming(talker, number)


def _color(talker: Talker, number: int) -> Exchange:
    """With several marks the thing says which is meant."""
    mark, thing = talker.marked.marks[number], talker.marked.marked(number).thing
    unique = [other.shape for other in talker.marked.marks].count(mark.shape) == 1
    sentences = wordings.COLOR if unique else wordings.COLOR_OF_THING
    question = talker.words(sentences, the=f"the {thing.name}", **talker.mark_words(mark))
    at_thing = _after(question, (thing.name,), mark.color.name)
    clues = at_thing or _after(question, SHAPE_WORDS[mark.shape], mark.color.name)
    return Exchange("colour", question, mark.color.name, number, clues)


def _which(talker: Talker, number: int) -> Exchange:
    """Of a thing either which mark is on it, or which of the marked objects it is."""
    if talker.chance(0.4):
        asked = _which_mark(talker, number, wordings.WHICH_OBJECT)
        return replace(asked, answer=object_phrase(talker.marked.marks[number]))
    return _which_mark(talker, number)


def _which_mark(talker: Talker, number: int, sentences: Wordings = wordings.WHICH) -> Exchange:
    mark, thing = talker.marked.marks[number], talker.marked.marked(number).thing
    question = talker.words(sentences, the=f"the {thing.name}")
    clues = _after(question, (thing.name,), mark.color.name)
    return Exchange("which mark", question, _name(mark), number, clues)


def _yes_no(talker: Talker, number: int, sentences: Wordings = wordings.YES_NO) -> Exchange:
    mark, thing = talker.marked.marks[number], talker.marked.marked(number).thing
    yes = talker.chance(0.5)
    asked = thing if yes else talker.other_thing(thing)
    question = talker.words(sentences, thing=asked.phrase, **talker.mark_words(mark))
    answer = "yes" if yes else "no"
    shown = _at_mark(question, mark, thing.name)
    both = max(shown[0].end, *(clue.end for clue in _after(question, (asked.phrase,), answer)))
    return Exchange("yes or no", question, answer, number, (*shown, Clue(both, answer)))


def _kind(talker: Talker, number: int) -> Exchange:
    mark, thing = talker.marked.marks[number], talker.marked.marked(number).thing
    question = talker.words(wordings.KIND, **talker.mark_words(mark))
    clues = _at_mark(question, mark, thing.name)
    return Exchange("kind", question, KIND_PHRASES[thing.kind], number, clues)


def _kind_again(talker: Talker, number: int) -> Exchange:
    """What a mark shows was asked just before."""
    thing = talker.marked.marked(number).thing
    return Exchange("kind", talker.words(wordings.KIND_AGAIN), KIND_PHRASES[thing.kind], number)


def _beside(talker: Talker, number: int, sentences: Wordings = many.BESIDE) -> Exchange | None:
    told = {side: beside(talker.marked, side) for side in DIRECTIONS}
    known = [side for side in DIRECTIONS if number in told[side]]
    if not known:
        return None
    side = talker.pick(known)
    mark, found = talker.marked.marks[number], talker.marked.scene.placements[told[side][number]]
    words = talker.mark_words(mark)
    # "under the red dot" is for people where the dot is, not what lies below.
    taken = PLACES[mark.shape]
    sides = [phrase for phrase in SIDES[side] if f"{phrase} the {{mark}}" not in taken]
    question = talker.words(sentences, side=talker.pick(sides), **words)
    clues = _at_mark(question, mark, found.thing.name)
    return Exchange("beside", question, found.thing.phrase, number, clues)


def _count(talker: Talker, number: int, sentences: Wordings = many.COUNT) -> Exchange:
    things = str(len(talker.marked.scene.placements))
    question = talker.words(sentences)
    return Exchange("count", question, things, clues=(Clue(len(question), things),))


def _list(talker: Talker, number: int, sentences: Wordings = many.LIST) -> Exchange:
    placements = talker.marked.scene.placements
    things = [placements[at].thing for at in reading_order(placements)]
    question = talker.words(sentences)
    clues = (Clue(len(question), things[0].name),)
    return Exchange("list", question, listed([thing.phrase for thing in things]), clues=clues)


def _compare(talker: Talker, number: int) -> Exchange | None:
    marks = talker.marked.marks
    if len(marks) < 2:
        return None
    second = (number + 1 + talker.number(len(marks) - 1)) % len(marks)
    if not talker.measured and talker.chance(0.4):
        second = _of_its_kind(talker, number, second)
    question = talker.words(
        many.COMPARE,
        first=_object(talker, marks[number]),
        second=_object(talker, marks[second]),
    )
    things = [talker.marked.marked(at).thing for at in (number, second)]
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
    return Exchange("compare", question, answer, number, tuple(clues))


def _of_its_kind(talker: Talker, number: int, otherwise: int) -> int:
    """Another mark on a thing of the same kind, of which chance shows few, if there is one."""
    kinds = [talker.marked.marked(at).thing.kind for at in range(len(talker.marked.marks))]
    alike = [at for at, kind in enumerate(kinds) if at != number and kind == kinds[number]]
    return talker.pick(alike) if alike else otherwise


def _choose_thing(talker: Talker, number: int) -> Exchange:
    mark, thing = talker.marked.marks[number], talker.marked.marked(number).thing
    options = [thing]
    while len(options) < len(_LETTERS):
        other = talker.other_thing(thing)
        if other not in options:
            options.append(other)
    question = talker.words(wordings.NAMING, **talker.mark_words(mark))
    phrases = [option.phrase for option in options]
    clues = _at_mark(question, mark, thing.name)
    return _lettered(talker, Exchange("choose thing", question, "", number, clues), phrases)


def _choose_mark(talker: Talker, number: int) -> Exchange | None:
    """As Visual7W asks: four marks, and which of them is on a thing."""
    marks = talker.marked.marks
    if len(marks) < 2:
        return None
    options = [marks[number], *(mark for at, mark in enumerate(marks) if at != number)]
    thing = talker.marked.marked(number).thing
    question = talker.words(wordings.CHOOSE_MARK, the=f"the {thing.name}")
    phrases = [object_phrase(mark).capitalize() for mark in options[: len(_LETTERS)]]
    clues = _after(question, (thing.name,), marks[number].color.name)
    return _lettered(talker, Exchange("choose mark", question, "", number, clues), phrases)


def _lettered(talker: Talker, asked: Exchange, options: Sequence[str]) -> Exchange:
    """The question with its options, shuffled; its answer the letter of the first, which is right."""
    order = talker.rng.permutation(len(options)).tolist()
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


def _object(talker: Talker, mark: Mark) -> str:
    words = talker.mark_words(mark)
    return object_phrase(mark) if talker.chance(0.5) else f"the {words['mark']}"


def _name(mark: Mark) -> str:
    return f"the {mark.color.name} {SHAPE_WORDS[mark.shape][0]}"


def listed(phrases: Sequence[str]) -> str:
    """`a dog, a cat and a tree`."""
    *most, last = phrases
    return f"{', '.join(most)} and {last}" if most else last


Asking = Callable[[Talker, int], Exchange | None]

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
