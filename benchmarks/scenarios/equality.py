"""Random cases through the fast paths, against `generate` of transformers over complete prompts.

A case is a batch of different images and lengths, several questions about an image, a conversation, or
choices beside a free answer and of several images. The slow twin answers each prompt alone, from the
image on, with a model as transformers loads it. All run in float32, and both sides compare texts: each
token of `mid` is a word of its own.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from benchmarks.bench import Bench
from benchmarks.measuring import Measure
from benchmarks.scenes import SAMPLE

if TYPE_CHECKING:
    from vipllava_cli.engine.base import Answer, ModelView, Prompt
    from vipllava_cli.engine.local.generate import LocalEngine

WORDS = ("what", "is", "in", "the", "red", "box", "left", "of", "a", "thing", "marked", "or", "it")
CHOICES = ("a dog", "a cat", "a red car", "an old tree")
TOLERANCE = 1e-3  # of a log-likelihood
KINDS = ("batch", "questions", "choices", "conversation")


@dataclass
class Cases:
    """Makes random cases, and answers each with both sides.

    Images and questions come from small pools, so that the slow twin can keep its answers.
    """

    engine: "LocalEngine"
    plain: Any
    rng: random.Random
    views: "Sequence[ModelView]"
    questions: Sequence[str]
    tokens: int
    _known: "dict[tuple[ModelView, tuple[int, ...]], str]" = field(default_factory=dict)
    _scores: "dict[tuple[ModelView, str, str], float]" = field(default_factory=dict)

    def is_equal(self, kind: str) -> bool:
        """Run a case of this kind. Returns whether both sides give the same."""
        match kind:
            case "batch":
                views = self.rng.sample(self.views, self.rng.randint(1, len(self.views)))
                return self._compare([self._prompt(view) for view in views])
            case "questions":
                view, other = self.rng.sample(self.views, 2)
                shares = [view, view, view, self.rng.choice((view, other))]
                return self._compare([self._prompt(each) for each in shares])
            case "conversation":
                return self._compare_turns(self.rng.choice(self.views))
            case _:
                return self._compare_choices(self.rng.choice(self.views))

    def _prompt(self, view: "ModelView") -> "Prompt":
        return self.engine.prompt(view, self.rng.choice(self.questions))

    def _compare(self, prompts: "Sequence[Prompt]") -> bool:
        from vipllava_cli.engine.options import GenerationOptions

        options = GenerationOptions(max_new_tokens=self.tokens)
        texts = [answer.text for answer in self.engine.answer_batch(prompts, options)]
        return texts == [self._plain_answer(prompt.view, prompt.ids) for prompt in prompts]

    def _compare_turns(self, view: "ModelView") -> bool:
        """Ask two turns. Some first turns are taken back, which shortens the prefix cache."""
        from vipllava_cli.engine.options import GenerationOptions
        from vipllava_cli.engine.prompts.templates import Turn

        conversation = self.engine.start_conversation()
        turns: list[Turn] = []
        for _ in range(2):
            question = self.rng.choice(self.questions)
            asked = [*turns, Turn(question)]
            options = GenerationOptions(max_new_tokens=self.tokens)
            reply = conversation.answer(view, asked, options=options)
            ids = conversation.encode_turns(asked)
            if reply.answer.text != self._plain_answer(view, ids):
                return False
            if self.rng.random() < 0.7:
                turns.append(Turn(question, reply.answer.text, reply.tokens))
        return True

    def _compare_choices(self, view: "ModelView") -> bool:
        """Score choices beside a free answer, and those of a batch of images."""
        from vipllava_cli.engine.options import GenerationOptions

        free, scored = self._prompt(view), self._prompt(view)
        options = GenerationOptions(max_new_tokens=self.tokens)
        choices = tuple(self.rng.sample(CHOICES, 3))
        with_choices = replace(options, choices=choices)
        answer, chosen = self.engine.answer_each([free, scored], [options, with_choices])
        prompts = [self._prompt(each) for each in self.rng.sample(self.views, 2)]
        batch = self.engine.answer_batch(prompts, with_choices)
        return answer.text == self._plain_answer(view, free.ids) and all(
            self._is_likeliest(*pair)
            for pair in zip([scored, *prompts], [chosen, *batch], strict=True)
        )

    def _is_likeliest(self, prompt: "Prompt", answer: "Answer") -> bool:
        """Return whether the scores are those of full runs, and the answer has the best one."""
        full = {choice.text: self._plain_score(prompt, choice.text) for choice in answer.choices}
        errors = [abs(choice.log_likelihood - full[choice.text]) for choice in answer.choices]
        return max(errors) < TOLERANCE and answer.text == max(full, key=lambda text: full[text])

    def _plain_answer(self, view: "ModelView", ids: tuple[int, ...]) -> str:
        """Answer one complete prompt with `generate`."""
        key = view, ids
        if key not in self._known:
            self._known[key] = self._generate(view, ids)
        return self._known[key]

    def _plain_score(self, prompt: "Prompt", choice: str) -> float:
        """Score a choice in one run over the complete text."""
        from benchmarks.scenarios.choices import log_likelihood_in_full

        key = prompt.view, prompt.text, choice
        if key not in self._scores:
            self._scores[key] = log_likelihood_in_full(self.engine, self.plain, prompt, choice)
        return self._scores[key]

    def _generate(self, view: "ModelView", ids: tuple[int, ...]) -> str:
        import torch

        from benchmarks.baselines import stop_options, until_stop

        engine = self.engine
        rows = torch.tensor([ids], device=engine.device)
        output = self.plain.generate(
            input_ids=rows,
            attention_mask=torch.ones_like(rows),
            **engine.image_inputs([view], rows),
            max_new_tokens=self.tokens,
            do_sample=False,
            **stop_options(engine),
        )
        new = output[0, len(ids) :]
        return until_stop(engine.tokenizer.decode(new, skip_special_tokens=True))


def run(bench: Bench) -> Iterator[Measure]:
    """Count the cases with equal answers, by kind."""
    from PIL import Image

    from vipllava_cli.images.square import pad_to_square

    rng = random.Random(11)  # noqa: S311 - no secrets
    engine = bench.open(dtype="fp32")
    image = pad_to_square(Image.open(SAMPLE).convert("RGB"))
    views = [engine.view(image.rotate(17 * number)) for number in range(bench.choose(3, 2))]
    questions = [" ".join(rng.choices(WORDS, k=rng.randint(1, 12))) for _ in range(4)]
    cases = Cases(engine, _load_plain(bench), rng, views, questions, bench.choose(8, 3))
    count = bench.choose(50, 1)  # of each kind
    for kind in KINDS:
        equal = sum(cases.is_equal(kind) for _ in range(count))
        yield Measure(f"equal cases: {kind}", equal, f"of {count}", goal=f"{count}")


def _load_plain(bench: Bench) -> Any:
    """Load the model without this program's changes to its weights and layers."""
    import torch
    from transformers import VipLlavaForConditionalGeneration

    from vipllava_cli.engine.hub.checkpoints import find_checkpoint

    folder = find_checkpoint(bench.model()).folder
    return VipLlavaForConditionalGeneration.from_pretrained(
        folder, device_map=bench.device, dtype=torch.float32
    )
