"""The engine in this process: a picture is read once, and each question goes on from there."""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from transformers import DynamicCache, GenerationConfig
from transformers.generation.streamers import BaseStreamer

from vipllava_cli.engine import GREEDY, Answer, GenerationOptions, ModelInfo
from vipllava_cli.errors import GenerationError, ModelError, UsageError
from vipllava_cli.prompts import DEFAULT_TEMPLATE, IMAGE, STOPS, TEMPLATES, Turn, render
from vipllava_cli.runtime.checkpoints import Checkpoint, find_checkpoint
from vipllava_cli.runtime.loading import Loaded, is_out_of_memory, load


def open_local_engine(
    model: str, *, device: str, dtype: str, revision: str | None
) -> "LocalEngine":
    """Find a checkpoint and load it. Raises ModelError."""
    checkpoint = find_checkpoint(model, revision)
    return LocalEngine(checkpoint, load(checkpoint, device=device, dtype=dtype))


@dataclass(frozen=True)
class Prefix:
    """The part of a prompt up to the end of the picture, already read: its token ids and cache."""

    ids: list[int]
    cache: DynamicCache


class LocalEngine:
    """Implements `engine.Engine` with a transformers model in this process."""

    def __init__(self, checkpoint: Checkpoint, loaded: Loaded) -> None:
        self.model = loaded.model
        self.processor = loaded.processor
        self.tokenizer = loaded.processor.tokenizer
        self.device = loaded.placement.inputs
        self._gpus = [self.device] if self.device.type == "cuda" else []
        vision = loaded.model.config.vision_config
        self.picture_tokens = (vision.image_size // vision.patch_size) ** 2
        self.info = ModelInfo(
            name=checkpoint.name,
            revision=checkpoint.revision,
            device=loaded.placement.inputs.type,
            dtype=loaded.placement.dtype_name,
            view=vision.image_size,
            patch=vision.patch_size,
        )

    def answer(
        self,
        picture: Image.Image,
        questions: Sequence[str],
        *,
        template: str = DEFAULT_TEMPLATE,
        options: GenerationOptions = GREEDY,
        on_text: Callable[[str], None] | None = None,
    ) -> Iterator[Answer]:
        """See `engine.Engine.answer`."""
        prompts = [self._encode(self._prompt(text, template)) for text in questions]
        prefix: Prefix | None = None
        for ids in prompts:
            start = time.perf_counter()
            if prefix is None or ids[0, : len(prefix.ids)].tolist() != prefix.ids:
                prefix = self._read_picture(picture, ids)
            yield self._generate(ids, prefix, options, on_text, start)

    # --- prompt ------------------------------------------------------------------------------

    def _prompt(self, question: str, template: str) -> str:
        if template in TEMPLATES:
            return render(TEMPLATES[template], [Turn(question)])
        if not self.processor.chat_template:
            raise UsageError(
                f"the model {self.info.name} has no chat template: use --template human or vicuna"
            )
        content = [{"type": "image"}, {"type": "text", "text": question}]
        prompt: str = self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        return prompt

    def _encode(self, prompt: str) -> torch.Tensor:
        """Token ids [1, length] on the model's device. Raises UsageError for a prompt too long."""
        if prompt.count(IMAGE) != 1:
            raise UsageError(f"the prompt holds {prompt.count(IMAGE)} pictures, expected 1")
        whole = prompt.replace(IMAGE, IMAGE * self.picture_tokens)
        ids: torch.Tensor = self.tokenizer(whole, return_tensors="pt")["input_ids"]
        found = int((ids == self.model.config.image_token_id).sum())
        if found != self.picture_tokens:
            raise ModelError(
                f"the picture takes {self.picture_tokens} tokens of the prompt, found {found}:"
                f" the tokenizer of {self.info.name} does not fit its model"
            )
        most = self.model.config.text_config.max_position_embeddings
        if ids.shape[1] >= most:
            raise UsageError(
                f"the question makes a prompt of {ids.shape[1]} tokens and {self.info.name} reads at"
                f" most {most - 1}: ask a shorter question"
            )
        return ids.to(self.device)

    def _pixels(self, picture: Image.Image) -> torch.Tensor:
        """The picture as the model sees it: [1, 3, side, side]."""
        inputs = self.processor.image_processor(picture, return_tensors="pt")
        pixels: torch.Tensor = inputs["pixel_values"]
        return pixels.to(self.device, self.model.dtype)

    # --- generation --------------------------------------------------------------------------

    def _read_picture(self, picture: Image.Image, ids: torch.Tensor) -> Prefix:
        """Run the model over the prompt up to the end of the picture."""
        end = int((ids[0] == self.model.config.image_token_id).nonzero()[-1]) + 1
        cache = DynamicCache(config=self.model.config.get_text_config())
        with torch.inference_mode(), _faults():
            self.model(
                input_ids=ids[:, :end],
                pixel_values=self._pixels(picture),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        return Prefix(ids[0, :end].tolist(), cache)

    def _generate(
        self,
        ids: torch.Tensor,
        prefix: Prefix,
        options: GenerationOptions,
        on_text: Callable[[str], None] | None,
        start: float,
    ) -> Answer:
        length = ids.shape[1]
        room = self.model.config.text_config.max_position_embeddings - length
        config = self._generation_config(options, min(options.max_new_tokens, room))
        text = AnswerText(self.tokenizer, on_text)
        with torch.inference_mode(), torch.random.fork_rng(self._gpus), _faults():
            torch.manual_seed(options.seed)
            output = self.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                past_key_values=copy.deepcopy(prefix.cache),
                generation_config=config,
                tokenizer=self.tokenizer,
                streamer=text,
            )
        new = output[0, length:].tolist()
        cut = len(new) >= config.max_new_tokens and not text.stopped(new[-1], config.eos_token_id)
        return Answer(
            text=text.final(),
            finish_reason="length" if cut else "stop",
            prompt_tokens=length,
            answer_tokens=len(new),
            seconds=time.perf_counter() - start,
        )

    def _generation_config(self, options: GenerationOptions, most: int) -> GenerationConfig:
        own = self.model.generation_config
        sampling: dict[str, Any] = (
            {"do_sample": True, "temperature": options.temperature, "top_p": options.top_p}
            if options.temperature > 0
            else {"do_sample": False}
        )
        eos = own.eos_token_id if own.eos_token_id is not None else self.tokenizer.eos_token_id
        pad = self.tokenizer.pad_token_id
        return GenerationConfig(
            max_new_tokens=most,
            stop_strings=list(STOPS),
            bos_token_id=self.tokenizer.bos_token_id,
            eos_token_id=eos,
            pad_token_id=pad if pad is not None else self.tokenizer.eos_token_id,
            **sampling,
        )


class AnswerText(BaseStreamer):
    """Tokens -> the answer's text as it grows, without special tokens and without the stop text."""

    def __init__(self, tokenizer: Any, on_text: Callable[[str], None] | None) -> None:
        self.tokenizer = tokenizer
        self.on_text = on_text
        self.ids: list[int] = []
        self.sent = 0
        self.prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        """Called by `generate`: first with the prompt, then with each new token."""
        if not self.prompt_seen:
            self.prompt_seen = True
            return
        self.ids += value.flatten().tolist()
        if self.on_text:
            self._send(_without_partial_stop(self._text()))

    def end(self) -> None:
        """Called by `generate` at the end."""
        if self.on_text:
            self._send(self.final())

    def final(self) -> str:
        return self._text().rstrip()

    def stopped(self, last: int, eos: int | list[int] | None) -> bool:
        """Whether the answer ended by itself rather than at the limit."""
        ends = eos if isinstance(eos, list) else [eos]
        whole = self.tokenizer.decode(self.ids, skip_special_tokens=True)
        return last in ends or any(stop in whole for stop in STOPS)

    def _text(self) -> str:
        text: str = self.tokenizer.decode(self.ids, skip_special_tokens=True)
        for stop in STOPS:
            text = text.partition(stop)[0]
        return text.lstrip()

    def _send(self, text: str) -> None:
        if self.on_text and len(text) > self.sent:
            self.on_text(text[self.sent :])
            self.sent = len(text)


def _without_partial_stop(text: str) -> str:
    """The text less what may yet become a stop, half a character, or space at the end."""
    text = text.rstrip("\ufffd")
    for stop in STOPS:
        for size in range(len(stop) - 1, 0, -1):
            if text.endswith(stop[:size]):
                text = text[:-size]
    return text.rstrip()


@contextmanager
def _faults() -> Iterator[None]:
    """Turns what torch raises during a run into one line."""
    try:
        yield
    except (RuntimeError, ValueError, IndexError, MemoryError) as error:
        if is_out_of_memory(error):
            raise GenerationError(
                "out of memory while answering: use a smaller model, --dtype bf16 or --device cpu"
            ) from error
        why = " ".join(str(error).split())[:300]
        raise GenerationError(f"generation failed: {why}") from error
