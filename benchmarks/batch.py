"""The throughput of `batch` on the shipped model, in ratios within one run:

- beside a bare `model.generate` over tensors that are ready, at the same batch size;
- beside the loop of the model's documentation, one image after another;
- eight questions about an image beside eight rows of one question each.

All make the same tokens, in the same precision and with torch's own number of threads, and stop at the
same text: the documentation's loop, which does not stop there, is measured with that, too.
"""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from PIL import Image
from transformers.generation.stopping_criteria import StoppingCriteriaList, StopStringCriteria

from benchmarks.machine import describe, seconds
from vipllava_cli.engine.base import GenerationOptions
from vipllava_cli.engine.local.generate import LocalEngine
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.prompts.templates import STOPS, TEMPLATES, Turn, render
from vipllava_cli.flows.batch.plan import BatchTask
from vipllava_cli.flows.batch.run import BatchRun, BatchSummary
from vipllava_cli.flows.evals.clipart.scenes import (
    HELD_OUT,
    SIMPLE,
    make_scene,
    mark_scene,
    scene_rng,
)
from vipllava_cli.images.square import pad_to_square
from vipllava_cli.sources.rows import Row, Source
from vipllava_cli.storage.journal import open_journal, read_journal

IMAGES = 256
FEW_IMAGES = 16  # images, for the loop, which takes long
ASKED_MORE = 48  # images, for what asks eight questions
QUESTION = "what is marked?"
EIGHT = tuple(
    f"what {verb} in the {color} box?"
    for verb in ("is", "thing is")
    for color in ("red", "blue", "lime", "yellow")
)
TOKENS = 8


class Nobody:
    """Watches nothing."""

    def advance(self, summary: BatchSummary, id: str) -> None:
        pass

    def note(self, id: str, text: str) -> None:
        pass


def write_scenes(folder: Path) -> list[Path]:
    """Images with one mark each."""
    paths = []
    for number in range(IMAGES):
        rng = scene_rng(HELD_OUT, 9000 + number)
        path = folder / f"{number}.png"
        mark_scene(rng, make_scene(rng, SIMPLE), SIMPLE, 1).image.save(path)
        paths.append(path)
    return paths


def batch(engine: LocalEngine, rows: Iterable[Row], out: Path) -> list[str]:
    """What `vipllava batch` does, the model loaded; so many at a time as it chooses itself."""
    out.unlink(missing_ok=True)
    task = BatchTask(("tiny", "1"), options=GenerationOptions(max_new_tokens=TOKENS))
    with open_journal(out) as journal:
        BatchRun(Source(iter(rows), "folder"), task, journal, lambda: engine, Nobody())()
    return [record["answer"] for record in read_journal(out)]


def ready(engine: LocalEngine, paths: list[Path]) -> Callable[[], object]:
    """`generate` over batches that were made before, its stop text looked up before."""
    stop = StoppingCriteriaList([StopStringCriteria(engine.tokenizer, list(STOPS))])
    prompt = render(TEMPLATES["human"], [Turn(QUESTION)])
    batches = []
    size = engine.max_batch_size()
    for at in range(0, len(paths), size):
        images = [pad_to_square(Image.open(path).convert("RGB")) for path in paths[at : at + size]]
        texts = [prompt] * len(images)
        batches.append(engine.processor(images=images, text=texts, return_tensors="pt"))

    def generate() -> None:
        for inputs in batches:
            with torch.inference_mode():
                engine.model.generate(
                    **inputs,
                    max_new_tokens=TOKENS,
                    do_sample=False,
                    stopping_criteria=stop,
                )

    return generate


def documented(engine: LocalEngine, paths: list[Path], **stop: Any) -> list[str]:
    """The documentation's way: open, process, generate, decode, and the next."""
    prompt = render(TEMPLATES["human"], [Turn(QUESTION)])
    answers = []
    for path in paths:
        image = pad_to_square(Image.open(path).convert("RGB"))
        inputs = engine.processor(text=prompt, images=image, return_tensors="pt")
        output = engine.model.generate(**inputs, max_new_tokens=TOKENS, do_sample=False, **stop)
        new = output[0, inputs["input_ids"].shape[1] :]
        answers.append(engine.tokenizer.decode(new, skip_special_tokens=True))
    return [answer.partition(STOPS[0])[0].strip() for answer in answers]


def main(rounds: int = 5) -> None:
    """Print each ratio's median and spread."""
    engine = open_engine("tiny", device="cpu")
    assert isinstance(engine, LocalEngine)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_scenes(folder)
        out = folder / "results.jsonl"
        one = [Row(path.name, str(path), questions=(QUESTION,)) for path in paths]
        some = paths[:FEW_IMAGES]
        asked_more = paths[:ASKED_MORE]
        eight = [Row(path.name, str(path), questions=EIGHT) for path in asked_more]
        apart = [
            Row(f"{path.name}-{number}", str(path), questions=(question,))
            for path in asked_more
            for number, question in enumerate(EIGHT)
        ]
        stops = {"stop_strings": list(STOPS), "tokenizer": engine.tokenizer}
        assert batch(engine, one[:FEW_IMAGES], out) == documented(engine, some)
        assert batch(engine, one[:FEW_IMAGES], out) == documented(engine, some, **stops)
        assert batch(engine, eight, out) == batch(engine, apart, out)
        bare = ready(engine, paths)
        bare()
        ratios: dict[str, list[float]] = {}
        for _ in range(rounds):
            ours = seconds(lambda: batch(engine, one, out))
            few = ours * FEW_IMAGES / IMAGES
            together = seconds(lambda: batch(engine, eight, out))
            for said, compared, own in (
                ("throughput as a share of a bare generate over ready tensors", bare, ours),
                (
                    "throughput in times the documentation's loop",
                    lambda: documented(engine, some),
                    few,
                ),
                (
                    "throughput in times that loop, made to stop where the answer ends",
                    lambda: documented(engine, some, **stops),
                    few,
                ),
                (
                    "eight questions an image, in times eight rows",
                    lambda: batch(engine, apart, out),
                    together,
                ),
            ):
                ratios.setdefault(said, []).append(seconds(compared) / own)
    print(describe())
    print(
        f"{IMAGES} images, {engine.max_batch_size()} at a time, medians of {rounds} rounds (lowest,"
        " highest):"
    )
    for said, found in ratios.items():
        print(f"{said}: {median(found):.2f} ({min(found):.2f}, {max(found):.2f})")


if __name__ == "__main__":
    main()
