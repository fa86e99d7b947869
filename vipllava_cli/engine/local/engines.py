"""The local engine for each kind of model."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from vipllava_cli.engine.base import Answer, ModelView, Prompt
from vipllava_cli.engine.hub.checkpoints import Checkpoint
from vipllava_cli.engine.local.family_conversation import FamilyConversation
from vipllava_cli.engine.local.family_inputs import FamilyInputs
from vipllava_cli.engine.local.generate import LocalEngine
from vipllava_cli.engine.local.likelihood import score_choices_plain
from vipllava_cli.engine.local.loading import Loaded
from vipllava_cli.engine.local.streaming import Stream
from vipllava_cli.engine.local.vipllava_conversation import VipLlavaConversation
from vipllava_cli.engine.local.vipllava_inputs import VipLlavaInputs
from vipllava_cli.engine.options import GREEDY, GenerationOptions

_Start = tuple[ModelView, tuple[int, ...]]  # the part of a prompt up to the end of its image


class VipLlavaEngine(VipLlavaInputs, LocalEngine):
    """The engine of ViP-LLaVA."""

    def start_conversation(self) -> VipLlavaConversation:
        """See `Engine.start_conversation`."""
        return VipLlavaConversation(self)


class FamilyEngine(FamilyInputs, LocalEngine):
    """The engine of other families.

    Questions about one image share its prefix cache where that gives the same answers. Elsewhere
    each question reads the complete prompt: `plain_reason` says why.
    """

    _takes_masks = False  # the choices of each question are scored on their own

    def _answer_in_turn(
        self,
        questions: Sequence[tuple[Prompt, GenerationOptions]],
        on_text: Callable[[str], None] | None = None,
    ) -> Iterator[Answer]:
        if not self.plain_reason:
            yield from super()._answer_in_turn(questions, on_text)
            return
        for prompt, options in questions:
            start = time.perf_counter()
            if options.choices:
                yield score_choices_plain(self, prompt, options.choices, start)
                continue
            stream = on_text and Stream(self.tokenizer, on_text, stops=self.stops)
            yield self._generate([prompt], None, (), options, start, stream)[0]

    def answer_batch(
        self, prompts: Sequence[Prompt], options: GenerationOptions = GREEDY
    ) -> list[Answer]:
        """See `Engine.answer_batch`. Images of different sizes share a batch, padded on the left."""
        if options.temperature > 0 or options.choices:
            return list(self.answer(prompts, options))
        start = time.perf_counter()
        starts = [(prompt.view, prompt.ids[: self.image_end(prompt.ids)]) for prompt in prompts]
        counts = Counter(starts)
        groups: dict[tuple[int, _Start | None], list[int]] = {}
        for row, prompt in enumerate(prompts):
            is_shared = not self.plain_reason and counts[starts[row]] > 1
            limit = self.max_new_tokens_for(prompt, options)
            groups.setdefault((limit, starts[row] if is_shared else None), []).append(row)
        answers: dict[int, Answer] = {}
        for (_, shared), rows in groups.items():
            group = [prompts[row] for row in rows]
            if shared is None:
                answers |= zip(rows, self._generate(group, None, (), options, start), strict=True)
                continue
            cache = self.prefill_images([group[0].view], group[0].ids).cache
            for part in self._parts(group):
                some = [group[number] for number in part]
                found = self._generate(some, cache, [0] * len(some), options, start)
                answers |= zip((rows[number] for number in part), found, strict=True)
        seconds = (time.perf_counter() - start) / len(prompts)
        return [replace(answers[row], seconds=seconds) for row in range(len(prompts))]

    def _parts(self, prompts: Sequence[Prompt]) -> Iterable[list[int]]:
        """Split prompts with one prefix into batches. A window would count their padding as tokens."""
        if not self.has_window:
            return [list(range(len(prompts)))]
        parts: dict[int, list[int]] = {}
        for number, prompt in enumerate(prompts):
            parts.setdefault(len(prompt.ids), []).append(number)
        return parts.values()

    def start_conversation(self) -> FamilyConversation:
        """See `Engine.start_conversation`."""
        return FamilyConversation(self)

    @cached_property
    def _threads(self) -> int:
        """One: some of these models keep the positions of the last prompt in themselves."""
        return 1


def make_engine(checkpoint: Checkpoint, loaded: Loaded) -> LocalEngine:
    """Return the engine for a loaded model."""
    if loaded.family is None:
        return VipLlavaEngine(checkpoint, loaded)
    return FamilyEngine(checkpoint, loaded, loaded.family)
