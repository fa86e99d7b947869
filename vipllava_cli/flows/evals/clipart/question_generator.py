"""What is said about a marked scene, and who says it: chance, and words for marks, in one place."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from numpy.random import Generator

from vipllava_cli.engine.prompts.phrases import COLOR_WORDS, SHAPE_WORDS, place_phrase
from vipllava_cli.engine.prompts.templates import Turn
from vipllava_cli.flows.evals.clipart.objects import OBJECT_CLASSES, ObjectClass
from vipllava_cli.flows.evals.clipart.phrases import LEADS, MARKED, NOUNS, PLACES, TAILS
from vipllava_cli.flows.evals.clipart.question_templates import Templates
from vipllava_cli.flows.evals.clipart.scenes import WHOLE, MarkedScene, World
from vipllava_cli.marks.types import Mark

T = TypeVar("T")


@dataclass(frozen=True)
class Clue:
    """A word that a reader of the question has in mind from its letter number `end` on; it is looked
    for in so many tokens.
    """

    end: int
    word: str
    tokens: int = 8


@dataclass(frozen=True)
class SceneTurn:
    """A question and its answer; `kind` says what is asked for, `mark` is the number of the mark that
    it is about, if it is about one; `clues`, in their order, lead to the answer. `stale` is one that
    was right before the marks were as they are now: read, and not learned.
    """

    kind: str
    question: str
    answer: str
    mark: int | None = None
    clues: tuple[Clue, ...] = ()
    stale: bool = False

    @property
    def turn(self) -> Turn:
        return Turn(self.question, self.answer)


@dataclass(frozen=True)
class QuestionGenerator:
    """Asks about a marked scene; `measured` takes the wordings that are kept for measuring."""

    rng: Generator
    marked: MarkedScene
    world: World = WHOLE
    measured: bool = False

    # --- chance ------------------------------------------------------------------------------

    def number(self, below: int) -> int:
        return int(self.rng.integers(below))

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def pick(self, options: Sequence[T]) -> T:
        return options[self.number(len(options))]

    # --- words -------------------------------------------------------------------------------

    def words(self, templates: Templates, **parts: str) -> str:
        """One of the sentences, filled in, cased and dotted as people do; a learned one at times with
        other words around it, of which none is measured.
        """
        sentence = self.pick(templates.measured if self.measured else templates.learned)
        sentence = self._cased(sentence.format(**parts))
        if not self.measured:
            sentence = self._framed(sentence)
        return sentence if self.chance(0.9) else sentence.rstrip("?.")

    def _framed(self, sentence: str) -> str:
        """With something before it or behind it, once in a while."""
        words, end, tail = sentence[:-1], sentence[-1], self.pick(TAILS)
        if self.chance(0.08) and tail.split()[-1] not in words.lower():
            sentence = f"{words}{tail}{end}"
        return f"{self._cased(self.pick(LEADS))}{sentence}" if self.chance(0.12) else sentence

    def _cased(self, sentence: str) -> str:
        return sentence[0].upper() + sentence[1:] if self.chance(0.5) else sentence

    def mark_words(self, mark: Mark) -> dict[str, str]:
        """What stands for {mark}, {a_mark}, {place}, {object}, {shape} and {color}."""
        shape = self.pick(SHAPE_WORDS[mark.shape])
        color = self.pick(COLOR_WORDS[mark.color.name])
        name = f"{color} {shape}"
        people = self.pick(PLACES[mark.shape]).format(mark=name)
        place = place_phrase(mark) if self.chance(0.35) else people
        return {
            "mark": name,
            "a_mark": f"{'an' if name[0] in 'aeiou' else 'a'} {name}",
            "place": place,
            "object": f"{self.pick(NOUNS)} {self.pick(MARKED)}".format(mark=name),
            "shape": shape,
            "color": color,
        }

    def other_thing(self, thing: ObjectClass) -> ObjectClass:
        """Another thing, mostly one of the scene."""
        shown = [p.thing for p in self.marked.scene.placements if p.thing != thing]
        if shown and self.chance(0.6):
            return self.pick(shown)
        while True:
            other = self.pick(OBJECT_CLASSES[: self.world.things])
            if other != thing:
                return other

    def alone(self) -> bool:
        return len(self.marked.marks) == 1
