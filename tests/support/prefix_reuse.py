"""Random questions about random images: shared prefix caches against `generate` on complete prompts.

After a change of a family or of the caches:

    python -m tests.support.prefix_reuse --family qwen3_vl --count 260 --seed 2
"""

import argparse
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from PIL import Image, ImageDraw

from tests.support.family_checkpoints import make_family_checkpoint
from tests.support.family_layouts import LAYOUTS
from vipllava_cli.engine.base import ModelView
from vipllava_cli.engine.local.answer_end import answer_text
from vipllava_cli.engine.local.engines import FamilyEngine
from vipllava_cli.engine.local.likelihood import score_choices_plain
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.engine.prompts.templates import Turn

_WORDS = (
    "what", "is", "in", "the", "red", "box", "a", "penguin", "and", "on", "green", "describe",
    "arrow", "12", "345", "yes?", "no!", "house:", "it's", "###",
)  # fmt: skip
_NEW_TOKENS = 8
_SHORT = GenerationOptions(max_new_tokens=_NEW_TOKENS)
_CHOICES = GenerationOptions(choices=("a cat", "the red box", "no"))
_TOLERANCE = 1e-3  # of a log-likelihood


class ReuseCheck:
    """Asks an engine about shared images, and compares with runs that share nothing.

    `cases` counts the comparisons. `differences` describes each answer that is not equal.
    """

    def __init__(self, engine: FamilyEngine, seed: int) -> None:
        self.cases = 0
        self.differences: list[str] = []
        self._engine = engine
        self._random = random.Random(seed)
        self._special: set[int] = {*engine.tokenizer.all_special_ids, *engine.end_tokens}

    def run(self, count: int) -> None:
        """Compare until there are at least `count` cases."""
        while self.cases < count:
            view = self._engine.view(self._image())
            questions = [self._question() for _ in range(4)]
            self._compare_questions(view, questions)
            self._compare_turns(view, questions[:3])

    def _compare_questions(self, view: ModelView, questions: Sequence[str]) -> None:
        engine = self._engine
        other = engine.prompt(engine.view(self._image()), self._question())
        prompts = [*(engine.prompt(view, question) for question in questions), other]
        self._random.shuffle(prompts)
        expected = [self._fresh(prompt.view, prompt.ids) for prompt in prompts]
        texts = [self._text(ids) for ids in expected]
        in_turn = [answer.text for answer in engine.answer(prompts, _SHORT)]
        batch = [answer.text for answer in engine.answer_batch(prompts, _SHORT)]
        for number, text in enumerate(texts):
            self._add("one after the other", in_turn[number], text)
            self._add("batch", batch[number], text)
        for prompt, answer in zip(prompts, engine.answer(prompts, _CHOICES), strict=True):
            fresh = score_choices_plain(engine, prompt, _CHOICES.choices, 0.0)
            found = [choice.log_likelihood for choice in answer.choices]
            wanted = [choice.log_likelihood for choice in fresh.choices]
            self._add("choices", _is_close(found, wanted), True)

    def _compare_turns(self, view: ModelView, questions: Sequence[str]) -> None:
        conversation, turns = self._engine.start_conversation(), list[Turn]()
        for question in questions[:1] if self._engine.default_template else questions:
            asked = [*turns, Turn(question)]
            reply = conversation.answer(view, asked, options=_SHORT)
            fresh = self._fresh(view, conversation.encode_turns(asked))
            self._add("turn", self._words(reply.tokens), self._words(fresh))
            turns.append(Turn(question, reply.answer.text, reply.tokens))

    def _add(self, kind: str, found: object, expected: object) -> None:
        self.cases += 1
        if found != expected:
            self.differences.append(f"case {self.cases}, {kind}: {found}, expected {expected}")

    # --- the slow twin ----------------------------------------------------------------------------

    def _fresh(self, view: ModelView, ids: tuple[int, ...]) -> list[int]:
        """Return the new tokens of `generate` of transformers on a complete prompt."""
        engine, row = self._engine, torch.tensor([ids])
        output = engine.model.generate(
            input_ids=row,
            attention_mask=torch.ones_like(row),
            max_new_tokens=_NEW_TOKENS,
            do_sample=False,
            eos_token_id=engine.end_tokens,
            pad_token_id=engine.pad_token,
            **engine.image_inputs([view], row),
        )
        new: list[int] = output[0, len(ids) :].tolist()
        return new

    def _text(self, ids: list[int]) -> str:
        answer = self._engine.answer_end.trim(ids)
        return answer_text(self._engine.tokenizer, answer.ids, ()).rstrip()

    def _words(self, ids: Sequence[int]) -> list[int]:
        """Leave out special tokens, which a reply does not keep."""
        return [id for id in ids if id not in self._special]

    # --- random inputs ----------------------------------------------------------------------------

    def _image(self) -> Image.Image:
        size = self._random.randint(30, 320), self._random.randint(30, 320)
        color = tuple(self._random.randrange(256) for _ in range(3))
        image = Image.new("RGB", size, color)
        pen = ImageDraw.Draw(image)
        for _ in range(4):
            left, right = sorted(self._random.sample(range(size[0]), 2))
            top, bottom = sorted(self._random.sample(range(size[1]), 2))
            fill = tuple(self._random.randrange(256) for _ in range(3))
            pen.rectangle((left, top, right, bottom), fill=fill)
        return image

    def _question(self) -> str:
        return " ".join(self._random.choices(_WORDS, k=self._random.randint(1, 25)))


def _is_close(found: Sequence[float], expected: Sequence[float]) -> bool:
    pairs = zip(found, expected, strict=True)
    return all(abs(one - other) <= _TOLERANCE for one, other in pairs)


def check_family(family: str, count: int, seed: int, folder: Path) -> ReuseCheck:
    """Compare a random checkpoint of a family, written into `folder`, with runs that share nothing."""
    engine = open_engine(str(make_family_checkpoint(family, folder)))
    assert isinstance(engine, FamilyEngine)
    check = ReuseCheck(engine, seed)
    check.run(count)
    return check


def _lines(families: Sequence[str], count: int, seed: int) -> Iterator[str]:
    for family in families:
        with TemporaryDirectory() as folder:
            check = check_family(family, count, seed, Path(folder))
        yield f"{family}: {len(check.differences)} of {check.cases} cases differ"
        yield from check.differences


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=sorted(LAYOUTS), action="append")
    parser.add_argument("--count", type=int, default=260)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for line in _lines(given.family or sorted(LAYOUTS), given.count, given.seed):
        print(line, flush=True)  # noqa: T201 - the output of this program
