"""Measure the throughput of `batch` on the shipped model, as ratios within one run.

    python -m benchmarks.batch

It compares:

- `batch` with a bare `model.generate` over prepared tensors, at the same batch size;
- `batch` with the loop of the model's documentation, one image at a time;
- eight questions about each image with eight rows of one question.

All runs generate the same tokens, in the same precision and with torch's default threads. The loop of
the documentation does not stop at the stop text, so the benchmark runs it with and without a stop.
"""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from PIL import Image
from transformers.generation.stopping_criteria import StoppingCriteriaList, StopStringCriteria

from benchmarks.support import SilentListener, describe, seconds
from vipllava_cli.engine.local.engines import VipLlavaEngine
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.engine.prompts.templates import STOPS, TEMPLATES, Turn, render
from vipllava_cli.flows.batch.run import BatchRun
from vipllava_cli.flows.batch.task import BatchTask
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
FEW_IMAGES = 16  # for the loop, which is slow
EIGHT_QUESTION_IMAGES = 48
QUESTION = "what is marked?"
EIGHT_QUESTIONS = tuple(
    f"what {verb} in the {color} box?"
    for verb in ("is", "thing is")
    for color in ("red", "blue", "lime", "yellow")
)
TOKENS = 8


def write_scenes(folder: Path) -> list[Path]:
    """Write images with one mark each."""
    paths = []
    for number in range(IMAGES):
        rng = scene_rng(HELD_OUT, 9000 + number)
        path = folder / f"{number}.png"
        mark_scene(rng, make_scene(rng, SIMPLE), SIMPLE, 1).image.save(path)
        paths.append(path)
    return paths


def run_batch(engine: VipLlavaEngine, rows: Iterable[Row], out: Path) -> list[str]:
    """Run `vipllava batch` with a loaded model at its own batch size. Returns the answers."""
    out.unlink(missing_ok=True)
    task = BatchTask(("tiny", "1"), options=GenerationOptions(max_new_tokens=TOKENS))
    with open_journal(out) as journal:
        BatchRun(Source(iter(rows), "folder"), task, journal, lambda: engine, SilentListener())()
    return [record["answer"] for record in read_journal(out)]


def prepare_generate(engine: VipLlavaEngine, paths: list[Path]) -> Callable[[], object]:
    """Prepare batches and the stop criterion. Returns a function that only generates."""
    stop = StoppingCriteriaList([StopStringCriteria(engine.tokenizer, list(STOPS))])
    prompt = render(TEMPLATES["human"], [Turn(QUESTION)])
    batches = []
    size = engine.max_batch_size()
    for start in range(0, len(paths), size):
        batch = paths[start : start + size]
        images = [pad_to_square(Image.open(path).convert("RGB")) for path in batch]
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


def run_documented_loop(engine: VipLlavaEngine, paths: list[Path], **stop: Any) -> list[str]:
    """Answer as the documentation does: open, process, generate, decode, one image at a time."""
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
    """Print the median and the spread of each ratio."""
    engine = open_engine("tiny", device="cpu")
    assert isinstance(engine, VipLlavaEngine)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        paths = write_scenes(folder)
        out = folder / "results.jsonl"
        single = [Row(path.name, str(path), questions=(QUESTION,)) for path in paths]
        few = paths[:FEW_IMAGES]
        more = paths[:EIGHT_QUESTION_IMAGES]
        eight = [Row(path.name, str(path), questions=EIGHT_QUESTIONS) for path in more]
        separate = [
            Row(f"{path.name}-{number}", str(path), questions=(question,))
            for path in more
            for number, question in enumerate(EIGHT_QUESTIONS)
        ]
        stops = {"stop_strings": list(STOPS), "tokenizer": engine.tokenizer}
        assert run_batch(engine, single[:FEW_IMAGES], out) == run_documented_loop(engine, few)
        assert run_batch(engine, single[:FEW_IMAGES], out) == run_documented_loop(
            engine, few, **stops
        )
        assert run_batch(engine, eight, out) == run_batch(engine, separate, out)
        bare = prepare_generate(engine, paths)
        bare()
        ratios: dict[str, list[float]] = {}
        for _ in range(rounds):
            ours = seconds(lambda: run_batch(engine, single, out))
            ours_of_few = ours * FEW_IMAGES / IMAGES
            eight_at_once = seconds(lambda: run_batch(engine, eight, out))
            for name, compared, own in (
                ("throughput as a share of a bare generate over prepared tensors", bare, ours),
                (
                    "throughput as a multiple of the documentation's loop",
                    lambda: run_documented_loop(engine, few),
                    ours_of_few,
                ),
                (
                    "throughput as a multiple of that loop with a stop text",
                    lambda: run_documented_loop(engine, few, **stops),
                    ours_of_few,
                ),
                (
                    "speed of eight questions per image as a multiple of eight rows",
                    lambda: run_batch(engine, separate, out),
                    eight_at_once,
                ),
            ):
                ratios.setdefault(name, []).append(seconds(compared) / own)
    print(describe())
    print(
        f"{IMAGES} images, {engine.max_batch_size()} at a time, medians of {rounds} rounds (lowest,"
        " highest):"
    )
    for name, values in ratios.items():
        print(f"{name}: {median(values):.2f} ({min(values):.2f}, {max(values):.2f})")


if __name__ == "__main__":
    main()
