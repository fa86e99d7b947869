"""The question generator's vocabulary: random choices, filled templates, words for marks."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TypeVar

from numpy.random import Generator

from vipllava_cli.engine.prompts.phrases import (
    COLOR_WORDS,
    SHAPE_WORDS,
    object_phrase,
    place_phrase,
)
from vipllava_cli.engine.prompts.templates import Turn
from vipllava_cli.flows.evals.clipart.auxiliary_targets import AuxiliaryTarget
from vipllava_cli.flows.evals.clipart.objects import OBJECT_CLASSES, ObjectClass
from vipllava_cli.flows.evals.clipart.phrases import LEADS, MARKED, NOUNS, PLACES, TAILS
from vipllava_cli.flows.evals.clipart.question_templates import Templates
from vipllava_cli.flows.evals.clipart.scenes import FULL, MarkedScene, SceneSettings
from vipllava_cli.marks.types import Mark

T = TypeVar("T")


@dataclass(frozen=True)
class SceneTurn(Turn):
    """A question and its answer about a marked scene.

    `kind` is a key of QUESTION_KINDS. `mark` is the number of the mark in question, if there is one.
    `auxiliary_targets` are sorted by `end`. `is_stale`: the answer was right before the current marks
    were drawn; the turn is context only, and training ignores its answer.
    """

    answer: str
    _: KW_ONLY
    kind: str
    mark: int | None = None
    auxiliary_targets: tuple[AuxiliaryTarget, ...] = ()
    is_stale: bool = False


@dataclass(frozen=True)
class QuestionGenerator:
    """A marked scene and the random choices of its questions.

    `measured` selects the templates that are reserved for measurement.
    """

    rng: Generator
    marked: MarkedScene
    settings: SceneSettings = FULL
    measured: bool = False

    # --- random choices ----------------------------------------------------------------------

    def number(self, below: int) -> int:
        return int(self.rng.integers(below))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def pick(self, options: Sequence[T]) -> T:
        return options[self.number(len(options))]

    # --- words -------------------------------------------------------------------------------

    def fill(self, templates: Templates, **parts: str) -> str:
        """Pick a template and fill it. Vary the capital letter and the final punctuation mark.

        A training template also gets words before or behind it at times.
        """
        template = self.pick(templates.measured if self.measured else templates.training)
        sentence = self._vary_case(template.format(**parts))
        if not self.measured:
            sentence = self._frame(sentence)
        return sentence if self.chance(0.9) else sentence.rstrip("?.")

    def _frame(self, sentence: str) -> str:
        """Put a tail behind the sentence in 8 % and a lead before it in 12 % of cases."""
        words, punctuation, tail = sentence[:-1], sentence[-1], self.pick(TAILS)
        if self.chance(0.08) and tail.split()[-1] not in words.lower():
            sentence = f"{words}{tail}{punctuation}"
        return f"{self._vary_case(self.pick(LEADS))}{sentence}" if self.chance(0.12) else sentence

    def _vary_case(self, sentence: str) -> str:
        return sentence[0].upper() + sentence[1:] if self.chance(0.5) else sentence

    def mark_words(self, mark: Mark) -> dict[str, str]:
        """Pick words for a mark: the values of {mark}, {a_mark}, {place}, {object}, {shape}, {color}."""
        shape = self.pick(SHAPE_WORDS[mark.shape])
        color = self.pick(COLOR_WORDS[mark.color.name])
        name = f"{color} {shape}"
        common_place = self.pick(PLACES[mark.shape]).format(mark=name)
        place = place_phrase(mark) if self.chance(0.35) else common_place
        return {
            "mark": name,
            "a_mark": f"{'an' if name[0] in 'aeiou' else 'a'} {name}",
            "place": place,
            "object": f"{self.pick(NOUNS)} {self.pick(MARKED)}".format(mark=name),
            "shape": shape,
            "color": color,
        }

    def object_words(self, mark: Mark) -> str:
        """Pick words for a marked object: the phrase of the mark's shape, or just the mark."""
        words = self.mark_words(mark)
        return object_phrase(mark) if self.chance(0.5) else f"the {words['mark']}"

    def other_class(self, excluded: ObjectClass) -> ObjectClass:
        """Pick another object class: in 60 % one that the scene shows."""
        shown = [
            placement.object_class
            for placement in self.marked.scene.placements
            if placement.object_class != excluded
        ]
        if shown and self.chance(0.6):
            return self.pick(shown)
        while True:
            other = self.pick(OBJECT_CLASSES[: self.settings.object_classes])
            if other != excluded:
                return other

    def marked_class(self, mark_number: int) -> ObjectClass:
        """Return the class of the object that a mark is on."""
        return self.marked.marked_placement(mark_number).object_class

    def has_one_mark(self) -> bool:
        return len(self.marked.marks) == 1
