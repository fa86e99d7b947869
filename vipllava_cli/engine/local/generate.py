"""The local engine: prefills an image once, then generates the answer to each question."""

import copy
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from itertools import chain

import torch
from torch import Tensor
from transformers import DynamicCache

from vipllava_cli.engine.base import Answer, ModelView, Prompt
from vipllava_cli.engine.hardware.batch_size import answer_threads, current_batch_size
from vipllava_cli.engine.local.answer_end import answer_text
from vipllava_cli.engine.local.choice_tree import Encoder, score_choice_trees
from vipllava_cli.engine.local.conversation import LocalConversation
from vipllava_cli.engine.local.decoding import DecodeRequest
from vipllava_cli.engine.local.error_translation import translate_errors
from vipllava_cli.engine.local.inputs import ModelInputs
from vipllava_cli.engine.local.likelihood import encode_choices, score_choices
from vipllava_cli.engine.local.prefix_cache import PrefixCache
from vipllava_cli.engine.local.streaming import Stream
from vipllava_cli.engine.local.token_generation import generate_tokens
from vipllava_cli.engine.options import GREEDY, GenerationOptions

_MAX_SCORES = 256 << 20  # bytes of the scores of one pass over choices


class LocalEngine(ModelInputs):
    """Implements `Engine` with a transformers model in this process.

    A subclass adds the inputs of a kind of model: see `local/engines.py`.
    """

    parallel = 1
    usage = None

    def answer(
        self,
        prompts: Sequence[Prompt],
        options: GenerationOptions = GREEDY,
        on_text: Callable[[str], None] | None = None,
    ) -> Iterator[Answer]:
        """See `Engine.answer`."""
        return self._answer_in_turn([(prompt, options) for prompt in prompts], on_text)

    def _answer_in_turn(
        self,
        questions: Sequence[tuple[Prompt, GenerationOptions]],
        on_text: Callable[[str], None] | None = None,
    ) -> Iterator[Answer]:
        """Yield the answer to each question, each with options of its own."""
        prefix: PrefixCache | None = None
        for prompt, options in questions:
            start = time.perf_counter()
            if prefix is None or not prefix.starts(prompt):
                prefix = self.prefill_images([prompt.view], prompt.ids)
            if options.choices:
                cache = copy.deepcopy(prefix.cache)
                yield score_choices(self, prompt, cache, options.choices, start)
                continue
            stream = on_text and Stream(self.tokenizer, on_text, stops=self.stops)
            yield self._generate([prompt], prefix.cache, [0], options, start, stream)[0]

    def answer_batch(
        self, prompts: Sequence[Prompt], options: GenerationOptions = GREEDY
    ) -> list[Answer]:
        """See `Engine.answer_batch`.

        Samples prompts sequentially: a sampled answer must not depend on its batch.
        """
        if options.choices:
            return self.answer_each(prompts, [options] * len(prompts))
        if options.temperature > 0:
            return list(self.answer(prompts, options))
        start = time.perf_counter()
        groups: dict[tuple[tuple[int, ...], int], list[int]] = {}
        for row, prompt in enumerate(prompts):
            until_image = prompt.ids[: self.image_end(prompt.ids)]
            limit = self.max_new_tokens_for(prompt, options)
            groups.setdefault((until_image, limit), []).append(row)
        parts = [part for rows in groups.values() for part in self._split(prompts, rows)]
        run = self._pool.map if self._pool and len(parts) > 1 else map
        finished = run(
            lambda part: self._answer_group([prompts[row] for row in part], options), parts
        )
        answers: dict[int, Answer] = {}
        for part, part_answers in zip(parts, finished, strict=True):
            answers |= zip(part, part_answers, strict=True)
        seconds = (time.perf_counter() - start) / len(prompts)
        return [replace(answers[row], seconds=seconds) for row in range(len(prompts))]

    def answer_each(
        self, prompts: Sequence[Prompt], options: Sequence[GenerationOptions]
    ) -> list[Answer]:
        """See `Engine.answer_each`. Scores the choices of all prompts about a view in one pass."""
        questions = list(zip(prompts, options, strict=True))
        is_sampled = any(each.temperature > 0 for each in options)
        if is_sampled or not self._takes_masks:
            return list(self._answer_in_turn(questions))
        start = time.perf_counter()
        groups: dict[tuple[int, ...], list[int]] = {}
        for row, prompt in enumerate(prompts):
            groups.setdefault(prompt.ids[: self.image_end(prompt.ids)], []).append(row)
        split = (part for rows in groups.values() for part in self._split(prompts, rows))
        parts = [part for rows in split for part in self._split_scores(questions, rows)]
        run = self._pool.map if self._pool and len(parts) > 1 else map
        finished = run(lambda part: self._answer_part([questions[row] for row in part]), parts)
        answers: dict[int, Answer] = {}
        for part, part_answers in zip(parts, finished, strict=True):
            answers |= zip(part, part_answers, strict=True)
        seconds = (time.perf_counter() - start) / len(prompts)
        return [replace(answers[row], seconds=seconds) for row in range(len(prompts))]

    @abstractmethod
    def start_conversation(self) -> LocalConversation:
        """See `Engine.start_conversation`."""

    def max_batch_size(self) -> int:
        """See `Engine.max_batch_size`."""
        return current_batch_size(self.placement, torch.get_num_threads())

    # --- batches -------------------------------------------------------------------------------

    def _answer_group(self, prompts: Sequence[Prompt], options: GenerationOptions) -> list[Answer]:
        """Answer prompts with equal text before the image and equal token limits."""
        start = time.perf_counter()
        views = list(dict.fromkeys(prompt.view for prompt in prompts))
        has_own_views = len(views) == len(prompts)
        if has_own_views and not self.has_lean_prefill:
            # One pass prefills images and questions.
            return self._generate(prompts, None, (), options, start)
        cache = self.prefill_images(views, prompts[0].ids).cache
        if has_own_views:
            return self._generate(prompts, cache, None, options, start)
        rows = [views.index(prompt.view) for prompt in prompts]
        return self._generate(prompts, cache, rows, options, start)

    def _answer_part(self, questions: Sequence[tuple[Prompt, GenerationOptions]]) -> list[Answer]:
        """Answer prompts with equal text before the image, each with its options."""
        views = list(dict.fromkeys(prompt.view for prompt, _ in questions))
        prefix = self.prefill_images(views, questions[0][0].ids)
        answers: dict[int, Answer] = {}
        scored: dict[ModelView, list[int]] = {}
        generated: dict[tuple[GenerationOptions, int], list[int]] = {}
        for row, (prompt, options) in enumerate(questions):
            if options.choices:
                scored.setdefault(prompt.view, []).append(row)
            else:
                limit = self.max_new_tokens_for(prompt, options)
                generated.setdefault((options, limit), []).append(row)
        if scored:
            answers |= self._score_views(questions, views, scored, prefix.cache)
            if generated:
                prefix = prefix.crop_added()
        for (options, _), rows in generated.items():
            prompts = [questions[row][0] for row in rows]
            of_view = [views.index(prompt.view) for prompt in prompts]
            new = self._generate(prompts, prefix.cache, of_view, options, 0.0)
            answers |= zip(rows, new, strict=True)
        return [answers[row] for row in range(len(questions))]

    def _score_views(
        self,
        questions: Sequence[tuple[Prompt, GenerationOptions]],
        views: Sequence[ModelView],
        scored: Mapping[ModelView, Sequence[int]],
        cache: DynamicCache,
    ) -> Iterable[tuple[int, Answer]]:
        """Score the choices of the questions at the rows in `scored`. Extends the cache."""
        rows = [scored.get(view, ()) for view in views]
        trees = [[(questions[row][0], questions[row][1].choices) for row in some] for some in rows]
        answers = score_choice_trees(self, cache, trees, self._encode_choices)
        return zip(chain.from_iterable(rows), chain.from_iterable(answers), strict=True)

    @cached_property
    def _encode_choices(self) -> Encoder:
        """Encode choices; many rows of a batch ask the same question in the same words."""
        return lru_cache(maxsize=1024)(partial(encode_choices, self))

    @property
    def _takes_masks(self) -> bool:
        """Whether the decoder takes attention masks that the caller makes."""
        config = self.model.config.get_text_config()
        has_window = getattr(config, "sliding_window", None) is not None
        return config._attn_implementation in ("sdpa", "eager") and not has_window

    def _split(self, prompts: Sequence[Prompt], rows: Sequence[int]) -> Iterable[list[int]]:
        """Split rows into one part for each thread. Rows with the same view stay together."""
        views = list(dict.fromkeys(prompts[row].view for row in rows))
        threads = min(self._threads, len(views))
        thread_of = {view: number * threads // len(views) for number, view in enumerate(views)}
        parts: list[list[int]] = [[] for _ in range(threads)]
        for row in rows:
            parts[thread_of[prompts[row].view]].append(row)
        return parts

    def _split_scores(
        self, questions: Sequence[tuple[Prompt, GenerationOptions]], rows: Sequence[int]
    ) -> Iterator[list[int]]:
        """Split rows where the scores of their choices take more than _MAX_SCORES bytes in float32.

        Rows with the same view stay together.
        """
        rows_of: dict[ModelView, list[int]] = {}
        for row in rows:
            rows_of.setdefault(questions[row][0].view, []).append(row)
        most = _MAX_SCORES // (4 * self.model.config.get_text_config().vocab_size)
        part: list[int] = []
        views = longest = 0
        for of_view in rows_of.values():
            tokens = sum(self._scored_tokens(*questions[row]) for row in of_view)
            longest = max(longest, tokens)
            if views and (views + 1) * longest > most:
                yield part
                part, views, longest = [], 0, tokens
            part += of_view
            views += 1
        yield part

    def _scored_tokens(self, prompt: Prompt, options: GenerationOptions) -> int:
        """Return the tokens behind the image that the choices of a question need."""
        if not options.choices:
            return 0
        encoded = self._encode_choices(prompt.text, prompt.ids, options.choices)
        own = sum(len(row) - encoded.shared for row in encoded.rows)
        return encoded.shared - self.image_end(prompt.ids) + own

    @cached_property
    def _pool(self) -> ThreadPoolExecutor | None:
        """Threads with one core each, if threads share batches (see `answer_threads`)."""
        if self._threads == 1:
            return None
        return ThreadPoolExecutor(self._threads, "answering", torch.set_num_threads, (1,))

    @cached_property
    def _threads(self) -> int:
        return answer_threads(self.placement, torch.get_num_threads())

    # --- generation ----------------------------------------------------------------------------

    def _generate(
        self,
        prompts: Sequence[Prompt],
        cache: DynamicCache | None,
        cached_rows: Sequence[int] | None,
        options: GenerationOptions,
        start: float,
        stream: Stream | None = None,
    ) -> list[Answer]:
        """Answer prompts with equal token limits.

        `cache` contains their common start, in the row `cached_rows[i]` that of prompt i, and stays as
        it is. Without `cached_rows` it has a row for each prompt, and is used up. Without `cache` the
        model prefills the complete prompts.
        `seconds` of an answer is its share of the time since `start`.
        """
        cached = 0 if cache is None else cache.get_seq_length()
        ids, mask = self._pad([prompt.ids for prompt in prompts], cached)
        views = [prompt.view for prompt in prompts]
        request = DecodeRequest(
            ids,
            mask,
            self.max_new_tokens_for(prompts[0], options),
            options,
            cache,
            None if cache is None or cached_rows is None else torch.tensor(cached_rows),
            self.image_inputs(views, ids)
            if cache is None
            else self.rest_inputs(views, ids, mask, cached),
            stream,
        )
        rows = generate_tokens(self, request)
        seconds = (time.perf_counter() - start) / len(prompts)
        return [
            self._make_answer(prompt, new, seconds)
            for prompt, new in zip(prompts, rows, strict=True)
        ]

    def _pad(self, rows: list[tuple[int, ...]], cached: int) -> tuple[Tensor, Tensor | None]:
        """Return ids and mask, int64 [rows, longest]. The mask is None if there is no padding.

        The padding lies between the cached start, which all rows share, and the rest of each row, so
        that new tokens follow each row's own last token.
        """
        longest = max(len(ids) for ids in rows)
        pad = self.pad_token
        padded = [(*ids[:cached], *[pad] * (longest - len(ids)), *ids[cached:]) for ids in rows]
        if all(len(ids) == longest for ids in rows):
            return torch.tensor(padded), None
        mask = torch.ones(len(rows), longest, dtype=torch.long)
        for row, ids in enumerate(rows):
            mask[row, cached : cached + longest - len(ids)] = 0
        return torch.tensor(padded), mask

    @translate_errors()
    def _make_answer(self, prompt: Prompt, new_ids: list[int], seconds: float) -> Answer:
        answer = self.answer_end.trim(new_ids)
        return Answer(
            answer_text(self.tokenizer, answer.ids, self.stops).rstrip(),
            "stop" if answer.is_complete else "length",
            len(prompt.ids),
            len(answer.ids),
            seconds,
        )
