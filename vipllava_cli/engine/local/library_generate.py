"""Generation by transformers, for models whose KV cache the program's own loop does not handle."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from vipllava_cli.engine.local.decoding import DecodeRequest
from vipllava_cli.engine.local.finite_scores import FINITE_SCORES
from vipllava_cli.engine.local.inputs import ModelInputs
from vipllava_cli.engine.options import GenerationOptions


def library_generate(inputs: ModelInputs, request: DecodeRequest) -> list[list[int]]:
    """Return what `Decoder.run` returns; rows of a batch end with padding. Extends the cache."""
    cache = request.cache
    if cache is not None and request.cached_rows is not None:
        cache = copy.deepcopy(cache)
        cache.batch_select_indices(request.cached_rows)
    mask = torch.ones_like(request.ids) if request.mask is None else request.mask
    criteria: list[StoppingCriteria] = [*inputs.stop_criteria]
    if request.stop is not None:
        criteria.append(_UserStop(request.stop))
    with torch.inference_mode():
        output = inputs.model.generate(
            input_ids=request.ids.to(inputs.device),
            attention_mask=mask.to(inputs.device),
            cache=cache,
            generation_config=_generation_config(inputs, request.options, request.limit),
            logits_processor=FINITE_SCORES,
            stopping_criteria=StoppingCriteriaList(criteria),
            streamer=request.stream,
            **request.images,
        )
    rows: list[list[int]] = output[:, request.ids.shape[1] :].tolist()
    return rows


def _generation_config(
    inputs: ModelInputs, options: GenerationOptions, limit: int
) -> GenerationConfig:
    """Translate the options for `generate`. Ignores the checkpoint's own sampling defaults."""
    sampling: dict[str, Any] = (
        {"do_sample": True, "temperature": options.temperature, "top_p": options.top_p}
        if options.temperature > 0
        else {"do_sample": False}
    )
    return GenerationConfig(
        max_new_tokens=limit,
        bos_token_id=inputs.tokenizer.bos_token_id,
        eos_token_id=inputs.end_tokens,
        pad_token_id=inputs.pad_token,
        **sampling,
    )


class _UserStop(StoppingCriteria):
    """Stops generation after the token at which `stop` returns True."""

    def __init__(self, stop: Callable[[], bool]) -> None:
        self._stop = stop

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        return torch.full((len(input_ids),), self._stop(), device=input_ids.device)
