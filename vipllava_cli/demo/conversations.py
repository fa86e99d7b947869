"""Questions and answers about a marked scene, in the product's own words and in people's."""

from collections.abc import Mapping, Sequence

from numpy.random import Generator

from vipllava_cli.demo.scenes import SCENE_COLORS, SCENE_SHAPES, MarkedScene
from vipllava_cli.marks import Mark
from vipllava_cli.prompts import COLOR_WORDS, SHAPE_WORDS, Turn, place_phrase

KIND_PHRASES: Mapping[str, str] = {
    "animal": "an animal",
    "food": "food",
    "vehicle": "a vehicle",
    "tool": "a tool",
    "clothing": "clothing",
    "instrument": "an instrument",
    "furniture": "furniture",
    "plant": "a plant",
    "toy": "a toy",
}

# {mark} is "red box", {place} "in the red box" or "within the red rectangle".
_NAMING = (
    "what is {place}?",
    "what is {place}?",
    "what is the object {place}?",
    "what's {place}?",
    "what is shown {place}?",
    "what do you see {place}?",
    "which thing is {place}?",
    "which object is {place}?",
    "what thing is {place}?",
    "name the object {place}.",
    "name the thing {place}.",
    "what does the {mark} show?",
    "describe the object {place}.",
    "can you tell me what is {place}?",
    "the object {place} is what?",
)
_KIND = (
    "what kind of thing is {place}?",
    "what kind of object is {place}?",
    "what kind of thing is the object {place}?",
    "what category is the object {place}?",
    "what type of thing is {place}?",
    "is it an animal, food or what {place}?",
)
_ALONE = (
    "what is marked?",
    "what is the marked object?",
    "what is the marked thing?",
    "what is in the marked region?",
    "describe the pointed region.",
    "what is in the {shape}?",
    "what does the {shape} mark?",
)
_POINTING: Mapping[str, tuple[str, ...]] = {
    "box": ("in the {mark}", "inside the {mark}", "within the {mark}"),
    "ellipse": ("in the {mark}", "inside the {mark}", "within the {mark}"),
    "arrow": ("at the {mark}", "pointed to by the {mark}", "that the {mark} points to"),
    "point": ("at the {mark}", "under the {mark}", "on the {mark}"),
}
_ARROW_NAMING = (
    "what does the {mark} point to?",
    "what does the {mark} point at?",
    "what is the {mark} pointing at?",
    "what is the {mark} pointing to?",
    "where does the {mark} point?",
)


MOST_TURNS = 6


def make_conversation(rng: Generator, marked: MarkedScene) -> tuple[Turn, ...]:
    """Turns about every mark, what it shows or its kind, and about marks that are not there. Most are
    long: the more is asked of a picture, the more is learned of having read it.
    """
    marks = len(marked.marks)
    if rng.random() < 0.25:
        turns = [_about(rng, marked, int(number)) for number in rng.permutation(marks)]
        absent = int(rng.random() < 0.35)
    else:
        numbers = [*rng.permutation(marks), *rng.permutation(marks)][: MOST_TURNS - 2]
        turns = [_about(rng, marked, int(number)) for number in numbers]
        absent = int(rng.integers(1, 3))
    turns += [_absent(rng, marked.marks) for _ in range(absent)]
    return tuple(turns[at] for at in rng.permutation(len(turns)))


def _about(rng: Generator, marked: MarkedScene, number: int) -> Turn:
    mark = marked.marks[number]
    thing = marked.scene.placements[marked.targets[number]].thing
    if rng.random() < 0.15:
        question = _pick(rng, _KIND)
        return Turn(_worded(rng, question, mark), KIND_PHRASES[thing.kind])
    if len(marked.marks) == 1 and rng.random() < 0.3:
        return Turn(_worded(rng, _pick(rng, _ALONE), mark), thing.phrase)
    if mark.shape == "arrow" and rng.random() < 0.4:
        return Turn(_worded(rng, _pick(rng, _ARROW_NAMING), mark), thing.phrase)
    return Turn(_worded(rng, _pick(rng, _NAMING), mark), thing.phrase)


def _absent(rng: Generator, marks: Sequence[Mark]) -> Turn:
    """A question about a colour and shape that no mark has."""
    drawn = {(mark.color.name, mark.shape) for mark in marks}
    while True:
        color = SCENE_COLORS[rng.integers(len(SCENE_COLORS))]
        shape = SCENE_SHAPES[rng.integers(len(SCENE_SHAPES))]
        if (color.name, shape) not in drawn:
            break
    mark = Mark(shape, (((0.0, 0.0), (1.0, 1.0)),), color)
    name = _mark_name(rng, mark)
    question = _pick(rng, _NAMING).format(
        mark=name, place=_pick(rng, _POINTING[shape]).format(mark=name)
    )
    return Turn(_cased(rng, question), f"there is no {name}")


def _worded(rng: Generator, question: str, mark: Mark) -> str:
    name = _mark_name(rng, mark)
    place = (
        place_phrase(mark)
        if rng.random() < 0.35
        else _pick(rng, _POINTING[mark.shape]).format(mark=name)
    )
    shape = _pick(rng, SHAPE_WORDS[mark.shape])
    return _cased(rng, question.format(mark=name, place=place, shape=shape))


def _mark_name(rng: Generator, mark: Mark) -> str:
    return f"{_pick(rng, COLOR_WORDS[mark.color.name])} {_pick(rng, SHAPE_WORDS[mark.shape])}"


def _cased(rng: Generator, question: str) -> str:
    if rng.random() < 0.5:
        question = question[0].upper() + question[1:]
    return question if rng.random() < 0.9 else question.rstrip("?.")


def _pick(rng: Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]
