"""The engine in this process: an image is read once, and each question goes on from there."""

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property

import psutil
import torch
from torch import Tensor
from transformers import DynamicCache, GenerationConfig
from transformers.generation.stopping_criteria import StoppingCriteriaList

from vipllava_cli.engine.base import GREEDY, Answer, GenerationOptions, Prompt
from vipllava_cli.engine.hardware.placement import PLANNED_TEXT_TOKENS
from vipllava_cli.engine.local.conversation import LocalConversation
from vipllava_cli.engine.local.error_translation import translate_errors
from vipllava_cli.engine.local.inputs import ModelInputs
from vipllava_cli.engine.local.likelihood import score_choices
from vipllava_cli.engine.local.prefix_cache import Prefix
from vipllava_cli.engine.local.streaming import Stream, answer_text, contains_stop

# More rows than these bring no more speed, as measured with the shipped model on two cores; each of
# the threads that share a batch gets so many.
MAX_BATCH_SIZE: Mapping[str, int] = {"cpu": 32, "cuda": 64, "mps": 16}
SMALL = 256 * 1024 * 1024  # bytes of weights that a core reads as fast as it computes with them


class LocalEngine(ModelInputs):
    """Implements `engine.Engine` with a transformers model in this process."""

    def answer(
        self,
        prompts: Sequence[Prompt],
        options: GenerationOptions = GREEDY,
        on_text: Callable[[str], None] | None = None,
    ) -> Iterator[Answer]:
        """See `engine.Engine.answer`."""
        prefix: Prefix | None = None
        for prompt in prompts:
            start = time.perf_counter()
            if prefix is None or not prefix.begins(prompt):
                prefix = self.prefill_images([prompt.view], prompt.ids)
            cache = copy.deepcopy(prefix.cache)
            if options.choices:
                yield score_choices(self, prompt, cache, options.choices, start)
                continue
            streamer = on_text and Stream(self.tokenizer, on_text)
            yield self._generate([prompt], cache, options, start, streamer)[0]

    def answer_batch(
        self, prompts: Sequence[Prompt], options: GenerationOptions = GREEDY
    ) -> list[Answer]:
        """See `engine.Engine.answer_batch`. Sampling goes one by one: an answer that was drawn
        must not depend on what was asked beside it. Choices are a batch of their own.
        """
        if options.temperature > 0 or options.choices:
            return list(self.answer(prompts, options))
        start = time.perf_counter()
        alike: dict[tuple[tuple[int, ...], int], list[int]] = {}
        for at, prompt in enumerate(prompts):
            beginning = prompt.ids[: self.image_end(prompt.ids)]
            alike.setdefault((beginning, self.max_new_tokens_for(prompt, options)), []).append(at)
        parts = [part for chosen in alike.values() for part in self._parts(prompts, chosen)]
        each = self._pool.map if self._pool and len(parts) > 1 else map
        found = each(lambda part: self._answer_alike([prompts[at] for at in part], options), parts)
        answers: dict[int, Answer] = {}
        for part, said in zip(parts, found, strict=True):
            answers |= zip(part, said, strict=True)
        seconds = (time.perf_counter() - start) / len(prompts)
        return [replace(answers[at], seconds=seconds) for at in range(len(prompts))]

    def _answer_alike(self, prompts: Sequence[Prompt], options: GenerationOptions) -> list[Answer]:
        """Answers to prompts that begin alike and have the same room for new tokens."""
        start = time.perf_counter()
        views = list(dict.fromkeys(prompt.view for prompt in prompts))
        if len(views) == len(prompts):  # nothing is shared, and one pass reads all
            return self._generate(prompts, None, options, start)
        cache = self.prefill_images(views, prompts[0].ids).cache
        rows = torch.tensor([views.index(prompt.view) for prompt in prompts])
        cache.batch_select_indices(rows.to(self.device))
        return self._generate(prompts, cache, options, start)

    def _parts(self, prompts: Sequence[Prompt], chosen: Sequence[int]) -> Iterable[list[int]]:
        """The chosen prompts in a part for each thread; those of one view stay together."""
        views = list(dict.fromkeys(prompts[at].view for at in chosen))
        threads = min(self._threads, len(views))
        thread = {view: number * threads // len(views) for number, view in enumerate(views)}
        parts: dict[int, list[int]] = {}
        for at in chosen:
            parts.setdefault(thread[prompts[at].view], []).append(at)
        return parts.values()

    @cached_property
    def _pool(self) -> ThreadPoolExecutor | None:
        """Threads that answer a part of a batch each, on a core of their own; for a small model on a
        CPU, whose operations are so short that threads which share each of them mostly wait for each
        other. Of a large model the weights had better be read once for all rows.
        """
        cores = torch.get_num_threads()
        small = self.device.type == "cpu" and self.model.get_memory_footprint() <= SMALL
        if not small or cores == 1:
            return None
        return ThreadPoolExecutor(cores, "answering", torch.set_num_threads, (1,))

    @property
    def _threads(self) -> int:
        """How many threads share a batch."""
        return torch.get_num_threads() if self._pool else 1

    def start_conversation(self) -> LocalConversation:
        """See `engine.Engine.start_conversation`."""
        return LocalConversation(self)

    # --- generation ------------------------------------------------------------------------------

    def _generate(
        self,
        prompts: Sequence[Prompt],
        cache: DynamicCache | None,
        options: GenerationOptions,
        start: float,
        streamer: Stream | None = None,
    ) -> list[Answer]:
        """Answers to prompts whose beginning is in the cache, or of which nothing is read yet, and
        which have the same room for new tokens; `seconds` is a row's share of the time since `start`.
        """
        read = 0 if cache is None else cache.get_seq_length()
        ids, mask = self._padded([prompt.ids for prompt in prompts], read)
        config = self.generation_config(options, self.max_new_tokens_for(prompts[0], options))
        with torch.inference_mode(), torch.random.fork_rng(self.gpus), translate_errors():
            torch.manual_seed(options.seed)
            views = [prompt.view for prompt in prompts]
            unread = {"pixel_values": self.pixels(views)} if cache is None else {}
            output = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                past_key_values=cache,
                generation_config=config,
                stopping_criteria=StoppingCriteriaList([self.stop_text]),
                streamer=streamer,
                **unread,
            )
        seconds = (time.perf_counter() - start) / len(prompts)
        said = output[:, ids.shape[1] :].tolist()
        return [
            self._answer(prompt, new, config, seconds)
            for prompt, new in zip(prompts, said, strict=True)
        ]

    def _padded(self, rows: list[tuple[int, ...]], read: int) -> tuple[Tensor, Tensor]:
        """Ids and mask [rows, longest]. The gap lies between what is read already, which all rows
        have in common, and the rest; what is generated follows each row's own last token.
        """
        longest = max(len(ids) for ids in rows)
        pad = self.pad_token
        padded = [(*ids[:read], *[pad] * (longest - len(ids)), *ids[read:]) for ids in rows]
        mask = torch.ones(len(rows), longest, dtype=torch.long)
        for row, ids in enumerate(rows):
            mask[row, read : read + longest - len(ids)] = 0
        return torch.tensor(padded, device=self.device), mask.to(self.device)

    def _answer(
        self, prompt: Prompt, new: list[int], config: GenerationConfig, seconds: float
    ) -> Answer:
        """The answer in a row of new tokens, which other rows may have outlasted."""
        end = next((at for at, token in enumerate(new) if token in self.ends), None)
        if end is None or contains_stop(self.tokenizer, new[:end]):
            own = new if end is None else new[:end]
            while own and own[-1] == config.pad_token_id:
                own = own[:-1]
            stopped = contains_stop(self.tokenizer, own)
        else:
            own, stopped = new[: end + 1], True
        text = answer_text(self.tokenizer, own).rstrip()
        return Answer(text, "stop" if stopped else "length", len(prompt.ids), len(own), seconds)

    # --- memory ------------------------------------------------------------------------------

    def max_batch_size(self) -> int:
        """See `engine.Engine.max_batch_size`: half of what is free, for caches and images."""
        on_gpu = self.device.type == "cuda"
        free: int = (
            torch.cuda.mem_get_info(self.device)[0] if on_gpu else psutil.virtual_memory().available
        )
        most = self._threads * MAX_BATCH_SIZE[self.device.type]
        return max(min(free // 2 // self._row_bytes(), most), 1)

    def _row_bytes(self) -> int:
        """What one more row takes: the cache of a long prompt and answer, and twice its activations
        in the widest layer.
        """
        config = self.model.config.text_config
        tokens = self.image_tokens + PLANNED_TEXT_TOKENS
        heads = config.num_key_value_heads * (config.hidden_size // config.num_attention_heads)
        cache = 2 * config.num_hidden_layers * heads * tokens
        work = 2 * (config.intermediate_size + config.hidden_size) * tokens
        size: int = self.model.dtype.itemsize
        return int((cache + work) * size)
