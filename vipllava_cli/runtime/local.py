"""The engine in this process: a picture is read once, and each question goes on from there."""

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

import psutil
import torch
from PIL import Image
from torch import Tensor
from transformers import DynamicCache, GenerationConfig
from transformers.generation.stopping_criteria import StoppingCriteriaList, StopStringCriteria

from vipllava_cli.engine import GREEDY, Answer, GenerationOptions, ModelInfo, Prompt, View
from vipllava_cli.errors import ModelError, UsageError
from vipllava_cli.prompts import DEFAULT_TEMPLATE, IMAGE, STOPS, TEMPLATES, Turn, render
from vipllava_cli.runtime.checkpoints import Checkpoint
from vipllava_cli.runtime.conversation import LocalConversation
from vipllava_cli.runtime.faults import faults
from vipllava_cli.runtime.loading import Loaded
from vipllava_cli.runtime.prefix import Prefix
from vipllava_cli.runtime.streaming import Stream, answer_text, holds_stop
from vipllava_cli.runtime.weighing import weigh

# More rows than these bring no more speed, as measured with the shipped model on two cores; each of
# the threads that share a batch gets so many.
MOST_TOGETHER: Mapping[str, int] = {"cpu": 32, "cuda": 64, "mps": 16}
SMALL = 256 * 1024 * 1024  # bytes of weights that a core reads as fast as it computes with them
_SOME_ANSWER = "(answer)"  # stands where a chat template would put one
ROOM_FOR_WORDS = 512  # tokens of question and answer that a row is planned for


class LocalEngine:
    """Implements `engine.Engine` with a transformers model in this process."""

    def __init__(self, checkpoint: Checkpoint, loaded: Loaded) -> None:
        self.model = loaded.model
        self.processor = loaded.processor
        self.tokenizer = loaded.processor.tokenizer
        self.device = loaded.placement.inputs
        self.gpus = [self.device] if self.device.type == "cuda" else []
        vision = loaded.model.config.vision_config
        self.picture_tokens: int = (vision.image_size // vision.patch_size) ** 2
        self.info = ModelInfo(
            name=checkpoint.name,
            revision=checkpoint.revision,
            device=loaded.placement.inputs.type,
            dtype=loaded.placement.dtype_name,
            view=vision.image_size,
            patch=vision.patch_size,
        )

    def view(self, picture: Image.Image) -> View:
        """See `engine.Engine.view`: pixels are [1, 3, side, side], on the CPU."""
        return View(self.processor.image_processor(picture, return_tensors="pt")["pixel_values"])

    def prompt(self, view: View, question: str, template: str = DEFAULT_TEMPLATE) -> Prompt:
        """See `engine.Engine.prompt`."""
        text = self.text(question, template)
        ids = self.encode(text)
        self.check_length(len(ids))
        return Prompt(view, ids, text + self.between(question, "", template)[0])

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
                prefix = self.read_pictures([prompt.view], prompt.ids)
            cache = copy.deepcopy(prefix.cache)
            if options.choices:
                yield weigh(self, prompt, cache, options.choices, start)
                continue
            streamer = on_text and Stream(self.tokenizer, on_text)
            yield self._generate([prompt], cache, options, start, streamer)[0]

    def answer_together(
        self, prompts: Sequence[Prompt], options: GenerationOptions = GREEDY
    ) -> list[Answer]:
        """See `engine.Engine.answer_together`. Sampling goes one by one: an answer that was drawn
        must not depend on what was asked beside it. Choices are a batch of their own.
        """
        if options.temperature > 0 or options.choices:
            return list(self.answer(prompts, options))
        start = time.perf_counter()
        alike: dict[tuple[tuple[int, ...], int], list[int]] = {}
        for at, prompt in enumerate(prompts):
            beginning = prompt.ids[: self.picture_end(prompt.ids)]
            alike.setdefault((beginning, self.most_new(prompt, options)), []).append(at)
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
        cache = self.read_pictures(views, prompts[0].ids).cache
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

    def converse(self) -> LocalConversation:
        """See `engine.Engine.converse`."""
        return LocalConversation(self)

    # --- prompt ------------------------------------------------------------------------------

    def text(self, question: str, template: str) -> str:
        """The prompt of a first question as text. Raises UsageError."""
        if template in TEMPLATES:
            return render(TEMPLATES[template], [Turn(question)])
        return self._chat_text([Turn(question)])

    def between(self, before: str, question: str, template: str) -> tuple[str, str]:
        """What a conversation has between the prompt of question `before` and its answer, and what it
        has after that answer up to the next one, which is to `question`.
        """
        if template in TEMPLATES:
            chosen = TEMPLATES[template]
            return chosen.answered(""), chosen.asked(question, first=False)
        opening = self._chat_text([Turn(before)])
        whole = self._chat_text([Turn(before, _SOME_ANSWER), Turn(question)])
        lead, _, asked = whole.removeprefix(opening).partition(_SOME_ANSWER)
        return lead, asked

    def _chat_text(self, turns: Sequence[Turn]) -> str:
        if not self.processor.chat_template:
            raise UsageError(
                f"the model {self.info.name} has no chat template: use --template human or vicuna"
            )
        messages: list[dict[str, Any]] = []
        for turn in turns:
            picture = [] if messages else [{"type": "image"}]
            question = [*picture, {"type": "text", "text": turn.question}]
            messages.append({"role": "user", "content": question})
            if turn.answer is not None:
                answer = [{"type": "text", "text": turn.answer}]
                messages.append({"role": "assistant", "content": answer})
        text: str = self.processor.apply_chat_template(messages, add_generation_prompt=True)
        return text

    def encode(self, text: str) -> tuple[int, ...]:
        """The token ids of a prompt's beginning.

        The picture's token is repeated in ids rather than in text: equal, and hundreds of words less
        to be cut up.
        """
        image = self.model.config.image_token_id
        ids: list[int] = self.tokenizer(text)["input_ids"]
        if text.count(IMAGE) != 1:
            raise UsageError(f"the prompt holds {text.count(IMAGE)} pictures, expected 1")
        if ids.count(image) != 1:
            raise ModelError(
                f"a picture is token {image} to the model, which its tokenizer does not make of"
                f" {IMAGE}: the tokenizer of {self.info.name} does not fit its model"
            )
        at = ids.index(image)
        return (*ids[:at], *[image] * self.picture_tokens, *ids[at + 1 :])

    def check_length(self, tokens: int) -> None:
        """Raises UsageError for a prompt of so many tokens that no answer would have room."""
        most = self.model.config.text_config.max_position_embeddings
        if tokens >= most:
            raise UsageError(
                f"the question makes a prompt of {tokens} tokens and {self.info.name} reads at"
                f" most {most - 1}: ask a shorter question"
            )

    def picture_end(self, ids: tuple[int, ...]) -> int:
        """The place after the picture's last token."""
        first: int = ids.index(self.model.config.image_token_id)
        return first + self.picture_tokens

    # --- generation --------------------------------------------------------------------------

    def read_pictures(self, views: Sequence[View], ids: tuple[int, ...]) -> Prefix:
        """Run the model over the prompt up to the end of the picture, for every view at once."""
        beginning = ids[: self.picture_end(ids)]
        cache = DynamicCache(config=self.model.config.get_text_config())
        with torch.inference_mode(), faults():
            self.model(
                input_ids=torch.tensor([beginning], device=self.device).expand(len(views), -1),
                pixel_values=self._pixels(views),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        return Prefix(views[0], beginning, cache)

    def _pixels(self, views: Sequence[View]) -> Tensor:
        """[views, 3, side, side], where and as the model takes them."""
        pixels = torch.cat([cast(Tensor, view.pixels) for view in views])
        return pixels.to(self.device, self.model.dtype)

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
        config = self.generation_config(options, self.most_new(prompts[0], options))
        with torch.inference_mode(), torch.random.fork_rng(self.gpus), faults():
            torch.manual_seed(options.seed)
            views = [prompt.view for prompt in prompts]
            unread = {"pixel_values": self._pixels(views)} if cache is None else {}
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

    def most_new(self, prompt: Prompt, options: GenerationOptions) -> int:
        """How many tokens an answer may have: what is asked for, or what the model can still hold."""
        limit: int = self.model.config.text_config.max_position_embeddings
        return min(options.max_new_tokens, limit - len(prompt.ids))

    def _padded(self, rows: list[tuple[int, ...]], read: int) -> tuple[Tensor, Tensor]:
        """Ids and mask [rows, longest]. The gap lies between what is read already, which all rows
        have in common, and the rest; what is generated follows each row's own last token.
        """
        longest = max(len(ids) for ids in rows)
        pad = self._pad_token()
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
        if end is None or holds_stop(self.tokenizer, new[:end]):
            own = new if end is None else new[:end]
            while own and own[-1] == config.pad_token_id:
                own = own[:-1]
            stopped = holds_stop(self.tokenizer, own)
        else:
            own, stopped = new[: end + 1], True
        text = answer_text(self.tokenizer, own).rstrip()
        return Answer(text, "stop" if stopped else "length", len(prompt.ids), len(own), seconds)

    def generation_config(self, options: GenerationOptions, most: int) -> GenerationConfig:
        """The options as `generate` takes them, for at most so many new tokens."""
        sampling: dict[str, Any] = (
            {"do_sample": True, "temperature": options.temperature, "top_p": options.top_p}
            if options.temperature > 0
            else {"do_sample": False}
        )
        return GenerationConfig(
            max_new_tokens=most,
            bos_token_id=self.tokenizer.bos_token_id,
            eos_token_id=self.ends,
            pad_token_id=self._pad_token(),
            **sampling,
        )

    @cached_property
    def ends(self) -> list[int]:
        """The tokens that end an answer."""
        own = self.model.generation_config.eos_token_id
        ends = self.tokenizer.eos_token_id if own is None else own
        return ends if isinstance(ends, list) else [ends]

    @cached_property
    def stop_text(self) -> StopStringCriteria:
        """Ends an answer at a stop text. Made once: it looks through the whole vocabulary, which
        `generate(stop_strings=...)` does anew for every batch.
        """
        return StopStringCriteria(self.tokenizer, list(STOPS))

    def _pad_token(self) -> int:
        pad: int | None = self.tokenizer.pad_token_id
        end: int = self.tokenizer.eos_token_id
        return end if pad is None else pad

    # --- memory ------------------------------------------------------------------------------

    def most_together(self) -> int:
        """See `engine.Engine.most_together`: half of what is free, for caches and pictures."""
        on_gpu = self.device.type == "cuda"
        free: int = (
            torch.cuda.mem_get_info(self.device)[0] if on_gpu else psutil.virtual_memory().available
        )
        most = self._threads * MOST_TOGETHER[self.device.type]
        return max(min(free // 2 // self._row_bytes(), most), 1)

    def _row_bytes(self) -> int:
        """What one more row takes: the cache of a long prompt and answer, and twice its activations
        in the widest layer.
        """
        config = self.model.config.text_config
        tokens = self.picture_tokens + ROOM_FOR_WORDS
        heads = config.num_key_value_heads * (config.hidden_size // config.num_attention_heads)
        cache = 2 * config.num_hidden_layers * heads * tokens
        work = 2 * (config.intermediate_size + config.hidden_size) * tokens
        size: int = self.model.dtype.itemsize
        return int((cache + work) * size)
