"""The decode loop gives the tokens of `generate` of transformers."""

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache

from benchmarks.make_checkpoint import make
from tests.support.library_generation import use_library
from tests.support.sample_scenes import open_sample
from vipllava_cli.engine.base import Answer, Prompt
from vipllava_cli.engine.local import decoding
from vipllava_cli.engine.local.decode_steps import PlainSteps, StaticSteps
from vipllava_cli.engine.local.decoding import Decoder, DecodeRequest
from vipllava_cli.engine.local.engines import VipLlavaEngine
from vipllava_cli.engine.local.roomy_cache import new_cache
from vipllava_cli.engine.local.streaming import Stream
from vipllava_cli.engine.local.token_generation import generate_tokens
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.engine.prompts.templates import Turn
from vipllava_cli.errors import GenerationError
from vipllava_cli.images.square import pad_to_square

pytestmark = pytest.mark.model

_Result = TypeVar("_Result")

_WORDS = (
    "what",
    "is",
    "in",
    "the",
    "red",
    "box",
    "left",
    "of",
    "a",
    "kind",
    "thing",
    "marked",
    "?",
)


@pytest.fixture(scope="module")
def random_engine(tmp_path_factory: pytest.TempPathFactory) -> VipLlavaEngine:
    """Return a small model of random weights with the vocabulary of the public ones."""
    folder: Path = tmp_path_factory.mktemp("models") / "random"
    make("tiny", folder, seed=4)
    engine = open_engine(str(folder), device="cpu", dtype="fp32")
    assert isinstance(engine, VipLlavaEngine)
    return engine


@pytest.fixture(params=["growing", "fixed"])
def sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Decode with a growing cache, or in tensors of fixed sizes as on a GPU."""
    kind: str = request.param
    if kind == "fixed":
        fix_sizes(monkeypatch)
    return kind


def fix_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode in tensors of fixed sizes; longer answers move to a larger cache."""
    # A property overrides a value that the instance has cached.
    monkeypatch.setattr(Decoder, "is_static", property(lambda decoder: True))
    monkeypatch.setattr(decoding, "_MAX_ROOM", 8)
    monkeypatch.setattr(decoding, "_ROUND_TO", 4)


def with_library(run: Callable[[], _Result]) -> _Result:
    """Run with `generate` of transformers."""
    with pytest.MonkeyPatch.context() as patch:
        use_library(patch)
        return run()


# --- random prompts --------------------------------------------------------------------------


def random_rows(rng: random.Random, cached: int) -> tuple[Tensor, Tensor | None]:
    """Return ids and mask of a batch of text prompts, with an equal start and padding behind it."""
    lengths = [rng.randint(2, 24) for _ in range(rng.choice((1, 1, 2, 3, 5, 8)))]
    start = [rng.randrange(5, 1000) for _ in range(cached)]
    rows, masks = [], []
    for length in lengths:
        padding = max(lengths) - length
        rest = [rng.randrange(5, 1000) for _ in range(length)]
        rows.append([*start, *[4] * padding, *rest])
        masks.append([1] * cached + [0] * padding + [1] * length)
    is_padded = any(0 in mask for mask in masks)
    return torch.tensor(rows), torch.tensor(masks) if is_padded else None


def prefill(engine: VipLlavaEngine, ids: Tensor) -> DynamicCache:
    cache = new_cache(engine.model.config.get_text_config())
    with torch.inference_mode():
        model: Any = engine.model
        model(input_ids=ids, cache=cache, use_cache=True)
    return cache


def random_requests(engine: VipLlavaEngine, count: int) -> Iterator[DecodeRequest]:
    """Make requests with and without a cached start and padding, greedy and sampled."""
    rng = random.Random(7)
    for number in range(count):
        cached = rng.choice((0, 0, 9))
        ids, mask = random_rows(rng, cached)
        options = GenerationOptions(seed=number)
        if len(ids) == 1 and rng.random() < 0.4:
            options = replace(options, temperature=rng.choice((0.5, 1.0, 3.0)), top_p=0.9)
        request = DecodeRequest(ids, mask, rng.choice((1, 2, 6, 14, 30)), options)
        if cached:
            request = replace(
                request,
                cache=prefill(engine, ids[:1, :cached]),
                cached_rows=torch.zeros(len(ids), dtype=torch.long),
            )
        yield request


def until_end(rows: Sequence[Sequence[int]], ends: Sequence[int]) -> list[list[int]]:
    """Cut rows behind their first end token: transformers pads them."""
    found = [next((at for at, token in enumerate(row) if token in ends), len(row)) for row in rows]
    return [list(row[: end + 1]) for row, end in zip(rows, found, strict=True)]


@pytest.mark.slow
def test_random_prompts_get_the_tokens_of_transformers(
    random_engine: VipLlavaEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token of one answer ends all of a batch, so that they end at different steps."""
    engine, rng = random_engine, random.Random(3)
    lengths = set()
    for request in random_requests(engine, 200):
        endless = Decoder(engine.model, engine.tokenizer, [2], engine.device)
        with torch.random.fork_rng([]):
            ends = [2, rng.choice(rng.choice(endless.run(request)))]
        decoder = Decoder(
            engine.model, engine.tokenizer, ends, engine.device, lambda: engine.lean_decoder
        )
        monkeypatch.setattr(engine, "end_tokens", ends, raising=False)
        monkeypatch.setattr(engine, "decoder", decoder, raising=False)
        expected = with_library(lambda: generate_tokens(engine, request))  # noqa: B023
        with monkeypatch.context() as patch:
            growing = generate_tokens(engine, request)
            fix_sizes(patch)
            fixed = generate_tokens(engine, request)
        assert growing == fixed == until_end(expected, ends)
        lengths |= set(map(len, growing))
    assert len(lengths) > 15


def test_rows_leave_the_batch_when_they_end(
    random_engine: VipLlavaEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    step = PlainSteps.step

    def count(self: PlainSteps, tokens: Tensor) -> Tensor:
        sizes.append(len(tokens))
        return step(self, tokens)

    rng = random.Random(12)
    batches = (random_rows(rng, 0) for _ in range(100))
    ids, mask = next((ids, mask) for ids, mask in batches if len(ids) > 4)
    request = DecodeRequest(ids, mask, 20, GenerationOptions())
    free = generate_tokens(random_engine, request)
    ends = [row[3] for row in free[:4]]
    decoder = Decoder(random_engine.model, random_engine.tokenizer, ends, torch.device("cpu"))
    monkeypatch.setattr(PlainSteps, "step", count)
    rows = decoder.run(request)
    assert rows == until_end(free, ends)
    assert sizes[0] == len(ids)
    assert 0 < min(sizes) < len(ids)


def test_a_run_adds_its_tokens_to_the_cache_of_a_conversation(
    random_engine: VipLlavaEngine, sizes: str
) -> None:
    """Go on behind the first run's tokens, and compare with a run over the complete prompt."""
    ids, _ = random_rows(random.Random(5), 6)
    ids = ids[:1]
    cache = prefill(random_engine, ids[:, :6])
    for _ in range(3):
        request = DecodeRequest(ids, None, 11, GenerationOptions())
        [expected] = random_engine.decoder.run(request)
        [row] = random_engine.decoder.run(replace(request, cache=cache))
        assert row == expected
        assert cache.get_seq_length() in (ids.shape[1] + 10, ids.shape[1] + 11)
        ids = torch.cat([ids, torch.tensor([[*row, 17, 18]])], dim=1)


# --- the engine --------------------------------------------------------------------------------


def random_prompts(engine: VipLlavaEngine, rng: random.Random, count: int) -> list[Prompt]:
    views = [engine.view(pad_to_square(open_sample(name))) for name in ("zoo-red-box", "breakfast")]
    return [
        engine.prompt(
            rng.choice(views),
            " ".join(rng.choices(_WORDS, k=rng.randint(1, 12))),
            rng.choice(("human", "vicuna")),
        )
        for _ in range(count)
    ]


def without_times(answers: Sequence[Answer]) -> list[Answer]:
    return [replace(answer, seconds=0) for answer in answers]


def test_answers_of_the_shipped_model_are_those_of_transformers(
    engine: VipLlavaEngine, sizes: str
) -> None:
    """Ask alone, in a batch with padding, about a shared image, and with options of each row's own."""
    rng = random.Random(1)
    for number in (1, 4):
        prompts = random_prompts(engine, rng, number)
        options = GenerationOptions(max_new_tokens=rng.choice((3, 12)))
        each = [replace(options, max_new_tokens=rng.choice((2, 6))) for _ in prompts]
        runs: list[Callable[[], list[Answer]]] = [
            lambda: without_times(list(engine.answer(prompts, options))),  # noqa: B023
            lambda: without_times(engine.answer_batch(prompts, options)),  # noqa: B023
            lambda: without_times(engine.answer_each(prompts, each)),  # noqa: B023
        ]
        for run in runs:
            assert run() == with_library(run)


def test_turns_of_a_conversation_are_those_of_transformers(
    engine: VipLlavaEngine, sizes: str
) -> None:
    def talk() -> list[tuple[str, tuple[int, ...], str, str]]:
        conversation = engine.start_conversation()
        view = engine.view(pad_to_square(open_sample("zoo-red-box")))
        turns: list[Turn] = []
        replies = []
        for question in ("what is marked?", "is it in the red box?", "and to the left of it?"):
            texts: list[str] = []
            turns.append(Turn(question))
            reply = conversation.answer(view, turns, on_text=texts.append)
            turns[-1] = Turn(question, reply.answer.text, reply.tokens)
            replies.append(
                (reply.answer.text, reply.tokens, reply.answer.finish_reason, "".join(texts))
            )
        return replies

    assert talk() == with_library(talk)


# --- faults ------------------------------------------------------------------------------------


def test_scores_that_are_no_numbers_are_an_error_for_every_choice_of_tokens(
    random_engine: VipLlavaEngine, sizes: str
) -> None:
    model: Any = copy.deepcopy(random_engine.model)
    model.lm_head.weight.data[3] = float("nan")
    decoder = Decoder(model, random_engine.tokenizer, [2], torch.device("cpu"))
    for temperature in (0.0, 1.0):
        options = GenerationOptions(temperature=temperature)
        with pytest.raises(GenerationError, match="no numbers"):
            decoder.run(DecodeRequest(torch.tensor([[5, 6, 7]]), None, 4, options))


def test_a_run_that_fails_leaves_nothing_for_the_next_one(
    random_engine: VipLlavaEngine, sizes: str
) -> None:
    request = DecodeRequest(torch.tensor([[5, 6, 7]]), None, 9, GenerationOptions())
    expected = random_engine.decoder.run(request)

    def fail(text: str) -> None:
        raise KeyboardInterrupt

    stream = Stream(random_engine.tokenizer, fail)
    with pytest.raises(KeyboardInterrupt):
        random_engine.decoder.run(replace(request, stream=stream))
    assert random_engine.decoder.run(request) == expected


def test_a_graph_that_cannot_be_recorded_is_no_fault(
    random_engine: VipLlavaEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = DecodeRequest(torch.tensor([[5, 6, 7]]), None, 9, GenerationOptions())
    expected = random_engine.decoder.run(request)

    def fail(steps: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    decoder = Decoder(random_engine.model, random_engine.tokenizer, [2], torch.device("cpu"))
    decoder.is_static = True
    monkeypatch.setattr(StaticSteps, "prepare", fail)
    assert decoder.run(request) == expected
    assert not decoder.is_static
