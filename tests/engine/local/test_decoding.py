"""The decode loop gives the tokens of `generate` of transformers."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.make_checkpoint import make
from tests.support.library_generation import use_library
from tests.support.sample_scenes import open_sample
from vipllava_cli.engine.base import Answer, Prompt
from vipllava_cli.engine.local.decoding import Decoder
from vipllava_cli.engine.local.engines import VipLlavaEngine
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.images.square import pad_to_square

pytestmark = pytest.mark.model

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
_SAMPLES = ("zoo-red-box", "breakfast")


@pytest.fixture(scope="module")
def random_engine(tmp_path_factory: pytest.TempPathFactory) -> VipLlavaEngine:
    """Return a small model of random weights with the tokens and the vocabulary of the public ones."""
    folder: Path = tmp_path_factory.mktemp("models") / "random"
    make("tiny", folder, seed=4)
    engine = open_engine(str(folder), device="cpu", dtype="fp32")
    assert isinstance(engine, VipLlavaEngine)
    return engine


@pytest.fixture(params=["plain", "static"])
def steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Decode with a growing cache, and in tensors of fixed sizes as on a GPU."""
    kind: str = request.param
    if kind == "static":
        monkeypatch.setattr(Decoder, "is_static", True)
    return kind


def random_prompts(engine: VipLlavaEngine, rng: random.Random, count: int) -> list[Prompt]:
    views = [engine.view(pad_to_square(open_sample(name))) for name in _SAMPLES]
    return [
        engine.prompt(
            rng.choice(views),
            " ".join(rng.choices(_WORDS, k=rng.randint(1, 12))),
            rng.choice(("human", "vicuna")),
        )
        for _ in range(count)
    ]


def plain(answers: Sequence[Answer]) -> list[Answer]:
    """Return answers without their times."""
    return [replace(answer, seconds=0) for answer in answers]


def with_library(run: Callable[[], list[Answer]]) -> list[Answer]:
    """Run with `generate` of transformers."""
    with pytest.MonkeyPatch.context() as patch:
        use_library(patch)
        return run()


def cases(seed: int, count: int) -> Iterator[tuple[random.Random, GenerationOptions]]:
    rng = random.Random(seed)
    for _ in range(count):
        yield rng, GenerationOptions(max_new_tokens=rng.choice((1, 2, 3, 5, 12, 20)))


def test_answers_of_the_shipped_model_are_those_of_transformers(
    engine: VipLlavaEngine, steps: str
) -> None:
    """Ask alone, in a batch with padding, with a shared image, and with options of each row's own."""
    lengths = set()
    for rng, options in cases(1, 25):
        prompts = random_prompts(engine, rng, rng.randint(1, 5))
        each = [replace(options, max_new_tokens=rng.choice((2, 6))) for _ in prompts]
        runs: tuple[Callable[[], list[Answer]], ...] = (
            lambda: list(engine.answer(prompts, options)),  # noqa: B023
            lambda: engine.answer_batch(prompts, options),  # noqa: B023
            lambda: engine.answer_each(prompts, each),  # noqa: B023
        )
        for run in runs:
            answers = plain(run())
            assert answers == plain(with_library(run))
            lengths |= {answer.answer_tokens for answer in answers}
    assert len(lengths) > 4
