"""The rule by which `compare` calls an answer equal to its truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vipllava_cli.flows.evals.normalization import IGNORED, normalize, normalized_words
from vipllava_cli.flows.evals.scorers import AND, OR, is_sublist
from vipllava_cli.flows.evals.synonyms import common_synonyms, read_synonyms


@dataclass(frozen=True)
class AnswerRule:
    """When an answer equals its truth.

    A strict rule compares the texts as they are, apart from spaces around them. Any other rule
    normalizes them. `synonyms` are by normalized names; `source` is the user's file of some of them.
    """

    is_strict: bool = False
    synonyms: Mapping[str, str] = field(default_factory=common_synonyms)
    source: str = ""

    @property
    def ignored(self) -> Sequence[str]:
        """The differences that do not count, in words."""
        if self.is_strict:
            return ()
        return (*IGNORED, "common synonyms", *([f"those in {self.source}"] if self.source else []))

    @property
    def is_default(self) -> bool:
        return not self.is_strict and not self.source

    def key(self, text: str) -> str:
        """Return a text that is equal for equal answers."""
        if self.is_strict:
            return text.strip()
        words = normalize(text)
        return self.synonyms.get(words, words)

    def is_correct(self, answer: str | None, truth: str) -> bool:
        """Return whether an answer equals its truth. A failed row has no answer and does not.

        If `<AND>` joins parts of the truth, the answer must contain all of them. If `<OR>` joins
        alternatives, one is enough.
        """
        if answer is None:
            return False
        if AND in truth or OR in truth:
            parts = (part.split(OR) for part in truth.split(AND))
            return all(any(self.contains(answer, each) for each in part) for part in parts)
        return self.key(answer) == self.key(truth)

    def contains(self, answer: str, truth: str) -> bool:
        """Return whether the words of the truth are adjacent in the answer, or equal it."""
        if self.key(answer) == self.key(truth):
            return True
        return is_sublist(self._words(truth), self._words(answer))

    def _words(self, text: str) -> Sequence[str]:
        return text.split() if self.is_strict else normalized_words(text)


def rule_with_synonyms(file: Path) -> AnswerRule:
    """Return the normalizing rule with the synonyms of a file. Raises InputError."""
    return AnswerRule(synonyms=read_synonyms(file), source=file.name)
