"""The decode loop: prefills prompts and generates their answers, with little work for each token.

It gives the tokens of `generate` of transformers. Between two tokens, `generate` makes a new mask, copies
the KV cache, and searches the vocabulary for stop texts. Its rows wait for the longest answer.
"""

import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from vipllava_cli.engine.local.answers_so_far import AnswersSoFar
from vipllava_cli.engine.local.decode_steps import PlainSteps, StaticSteps
from vipllava_cli.engine.local.error_translation import is_out_of_memory
from vipllava_cli.engine.local.lean_decoder import LeanDecoder, causal_mask
from vipllava_cli.engine.local.roomy_cache import fill_cache, keeps_all_tokens, new_cache
from vipllava_cli.engine.local.shared_prefix import SharedPrefix
from vipllava_cli.engine.local.stop_texts import StopTexts
from vipllava_cli.engine.local.streaming import Stream
from vipllava_cli.engine.local.token_choice import TokenChoice, token_choice
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.engine.prompts.templates import STOPS

_logger = logging.getLogger("vipllava")

_ROUND_TO = 64  # tokens: prompts of similar length share a CUDA graph
_MAX_ROOM = 256  # tokens for answers in a cache of fixed size; longer ones move to a larger cache
_MAX_SPARE_ROWS = 4  # of another CUDA graph and its cache that stay in memory
_STEPS_AHEAD = 1  # of a GPU while Python looks at a token


@dataclass(frozen=True)
class DecodeRequest:
    """Prompts to answer: `ids` int64 [rows, longest] on the CPU, with padding.

    `mask` is 0 for padding; None if there is none. `cache` holds the start of the prompts, and padding
    lies behind it. Prompt i takes the row `cached_rows[i]` of `cache`, which stays as it is. Without
    `cached_rows`, each prompt has a row, and the run adds the other tokens to `cache`. `images` are the
    inputs of the model about images. The run makes at most `limit` new tokens for each prompt.
    """

    ids: Tensor
    mask: Tensor | None
    limit: int
    options: GenerationOptions
    cache: DynamicCache | None = None
    cached_rows: Tensor | None = None
    images: Mapping[str, Tensor] = field(default_factory=dict)
    stream: Stream | None = None
    stop: Callable[[], bool] | None = None


class Decoder:
    """Generates answers with a model. Threads may share it on a CPU.

    `find_lean` returns what computes tokens in place of the model, or None.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        end_tokens: Sequence[int],
        device: torch.device,
        find_lean: Callable[[], LeanDecoder | None] = lambda: None,
    ) -> None:
        self._model = model
        self._find_lean = find_lean
        self._config = model.config.get_text_config()
        self._ends = frozenset(end_tokens)
        self._stops = StopTexts(tokenizer, STOPS)
        self._device = device
        self._kept: OrderedDict[tuple[int, int], StaticSteps] = OrderedDict()

    @property
    def supports_model(self) -> bool:
        """Whether the decoder's layers keep all tokens: a sliding window does not."""
        return keeps_all_tokens(new_cache(self._config))

    @cached_property
    def is_static(self) -> bool:
        """Whether steps run in tensors of fixed sizes, for CUDA graphs. All weights are on one GPU."""
        devices = {weight.device for weight in self._model.parameters()}
        return self._device.type == "cuda" and devices == {self._device}

    def run(self, request: DecodeRequest) -> list[list[int]]:
        """Return the new tokens of each row, with the end token or those of the stop text.

        Raises GenerationError if the model computes no numbers, and what torch raises.
        """
        try:
            with torch.inference_mode(), self._on_device():
                return self._run(request)
        except BaseException:
            self._kept.clear()  # memory may be short, or a cache damaged
            raise

    def _run(self, request: DecodeRequest) -> list[list[int]]:
        answers = AnswersSoFar(request.ids, self._ends, self._stops, request.stream, request.stop)
        reader = _TokenReader(answers, token_choice(request.options), self._device)
        prefix = self._shared_prefix(request)
        cache = self._start_cache(request) if prefix is None else new_cache(self._config)
        scores, is_token, positions = self._prefill(request, cache, prefix)
        tokens = reader.choose(scores)
        steps: PlainSteps | StaticSteps | None = None
        for _ in range(request.limit - 1):
            if answers.have_ended:
                break
            steps = steps or self._first_steps(request, cache, is_token, positions, prefix)
            if isinstance(steps, StaticSteps):
                if not steps.has_room:
                    steps = self._larger_steps(steps, is_token)
            elif reader.is_done and answers.should_drop_rows:
                rows = torch.tensor(answers.drop_rows())
                steps.keep(rows)
                tokens = tokens[rows]
            tokens = reader.choose(steps.step(tokens))
        reader.finish()
        if request.stream is not None:
            request.stream.end()
        if request.cache is not None and request.cached_rows is None:
            _add_new_tokens(request.cache, steps.cache if steps else cache)
        return answers.ids

    def _on_device(self) -> AbstractContextManager[object]:
        """Make the GPU of the model the one whose streams and graphs torch uses."""
        is_gpu = self._device.type == "cuda"
        return torch.cuda.device(self._device) if is_gpu else nullcontext()

    def _shared_prefix(self, request: DecodeRequest) -> SharedPrefix | None:
        """Return the cached start of the prompts, if their rows can share it without a copy."""
        if request.cache is None or request.cached_rows is None or self.is_static:
            return None
        if self._find_lean() is None:
            return None
        return SharedPrefix(request.cache, tuple(request.cached_rows.tolist()))

    def _start_cache(self, request: DecodeRequest) -> DynamicCache:
        """Return the cache of a run, with the tokens of the prompts that are cached."""
        given, rows = request.cache, request.cached_rows
        if not self.is_static:
            if given is not None and rows is None:
                return given
            cache = new_cache(self._config)
        else:
            key = self._size(request)
            if key in self._kept:
                self._kept.move_to_end(key)
                cache = self._kept[key].empty_cache()
            else:
                self._forget_graphs()
                cache = new_cache(self._config, key[1])
        if given is not None:
            fill_cache(cache, given, rows)
        return cache

    def _forget_graphs(self) -> None:
        """Forget graphs and their caches, so that the memory for another cache is free."""
        while len(self._kept) > 1 or sum(rows for rows, _ in self._kept) > _MAX_SPARE_ROWS:
            self._kept.popitem(last=False)

    def _size(self, request: DecodeRequest) -> tuple[int, int]:
        """Return the rows of a cache of fixed size, and its tokens in each row."""
        rows, length = request.ids.shape
        return rows, _rounded(length + min(request.limit, _MAX_ROOM))

    def _prefill(
        self, request: DecodeRequest, cache: DynamicCache, prefix: SharedPrefix | None
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Run the model over the tokens that are not cached.

        Returns the scores of the first new tokens, where the rows of the cache have tokens (None for
        everywhere), and the positions [rows, 1] of the first new tokens.
        """
        cached = cache.get_seq_length() if prefix is None else prefix.tokens
        ids = request.ids[:, cached:].to(self._device)
        mask = None if request.mask is None else request.mask.to(self._device)
        if mask is None:
            length = request.ids.shape[1]
            positions = torch.arange(cached, length, device=self._device).expand(len(ids), -1)
            following = torch.full((len(ids), 1), length, device=self._device)
        else:
            positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, cached:]
            following = positions[:, -1:] + 1
        is_token = None if mask is None else mask.bool()
        lean = self._find_lean()
        if lean is not None and not request.images:
            if is_token is not None and prefix is not None:
                is_token = is_token[:, cached:]
            is_seen = None if is_token is None else _seen(is_token, ids.shape[1])
            return lean.score(ids, positions, cache, is_seen, prefix), is_token, following
        output = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            cache=cache,
            use_cache=True,
            logits_to_keep=1,
            **request.images,
        )
        return output.logits[:, -1], is_token, following

    # --- steps ---------------------------------------------------------------------------------

    def _first_steps(
        self,
        request: DecodeRequest,
        cache: DynamicCache,
        is_token: Tensor | None,
        positions: Tensor,
        prefix: SharedPrefix | None,
    ) -> PlainSteps | StaticSteps:
        if self.is_static:
            key = self._size(request)
            steps = self._kept.get(key)
            if steps is None:
                steps = self._kept[key] = StaticSteps(self._model, cache, *key, self._device)
            steps.begin(is_token, positions)
            if self._prepare(steps):
                return steps
        return PlainSteps(
            self._model, cache, is_token, positions, request.limit, self._find_lean(), prefix
        )

    def _prepare(self, steps: StaticSteps) -> bool:
        """Record the CUDA graph of the steps. Returns whether that worked; later runs do not try it."""
        try:
            steps.prepare()
        except Exception as error:  # torch and the layers raise any kind
            if is_out_of_memory(error):
                raise
            _logger.debug("decoding without CUDA graphs: %s", error)
            self.is_static = False
            self._kept.clear()
            return False
        return True

    def _larger_steps(self, steps: StaticSteps, is_token: Tensor | None) -> StaticSteps:
        """Move the rows to a cache with more room."""
        key = steps.rows, _rounded(steps.capacity + max(_MAX_ROOM, steps.capacity // 2))
        larger = self._kept.pop(key, None)
        if larger is None:
            cache = new_cache(self._config, key[1])
            larger = StaticSteps(self._model, cache, *key, self._device)
        else:
            cache = larger.empty_cache()
        self._kept[key] = larger
        fill_cache(cache, steps.cache)
        larger.begin(is_token, steps.positions)
        larger.prepare()
        if steps.rows > _MAX_SPARE_ROWS:
            self._kept.pop((steps.rows, steps.capacity), None)
        return larger


class _TokenReader:
    """Chooses tokens on the device and reads them. A GPU works on the next step meanwhile."""

    def __init__(self, answers: AnswersSoFar, choice: TokenChoice, device: torch.device) -> None:
        self._answers = answers
        self._choice = choice
        self._ahead = _STEPS_AHEAD if device.type == "cuda" else 0
        self._waiting: deque[_PendingTokens] = deque()

    @property
    def is_done(self) -> bool:
        """Whether the answers have all tokens that are chosen."""
        return not self._waiting

    def choose(self, scores: Tensor) -> Tensor:
        """Choose the next tokens [rows], and add the tokens that have arrived to the answers."""
        tokens, reported = self._choice(scores)
        self._waiting.append(_PendingTokens(reported))
        if len(self._waiting) > self._ahead:
            self._answers.add(self._waiting.popleft().tokens())
        return tokens

    def finish(self) -> None:
        """Read the other tokens until all answers end."""
        while self._waiting and not self._answers.have_ended:
            self._answers.add(self._waiting.popleft().tokens())


class _PendingTokens:
    """Tokens on their way from the device."""

    def __init__(self, tokens: Tensor) -> None:
        self._tokens = tokens
        self._arrived: torch.cuda.Event | None = None
        if tokens.device.type == "cuda":
            self._tokens = torch.empty(tokens.shape, dtype=tokens.dtype, pin_memory=True)
            self._tokens.copy_(tokens, non_blocking=True)
            self._arrived = torch.cuda.Event()
            self._arrived.record()

    def tokens(self) -> list[int]:
        """Wait for the tokens, and return them."""
        if self._arrived is not None:
            self._arrived.synchronize()
        tokens: list[int] = self._tokens.tolist()
        return tokens


def _seen(is_token: Tensor, new: int) -> Tensor:
    """Return [rows, 1, new, tokens]: where each of the last `new` tokens finds those up to itself."""
    tokens = is_token.shape[1]
    return is_token[:, None, None] & causal_mask(new, tokens - new)


def _rounded(length: int) -> int:
    return -(-length // _ROUND_TO) * _ROUND_TO


def _add_new_tokens(cache: DynamicCache, longer: DynamicCache) -> None:
    """Add to a cache what a longer one has behind its tokens."""
    if longer is cache:
        return
    used = cache.get_seq_length()
    for layer, source in zip(cache.layers, longer.layers, strict=True):
        layer.update(source.keys[:, :, used:], source.values[:, :, used:])
