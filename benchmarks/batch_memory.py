"""The peak memory of `batch`, each run in a process of its own:

- over 2,000 and over 20,000 small pictures with a stand-in for the model, which leaves what the rows
  themselves take;
- over 500 and over 2,000 of them with the shipped model;
- over a few pictures of 100 megapixels each.

`batch_memory.py FOLDER MODEL` is one such run; it prints its peak in MiB.
"""

import resource
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.machine import describe
from vipllava_cli.engine.base import (
    GREEDY,
    Answer,
    Engine,
    GenerationOptions,
    ModelInfo,
    Prompt,
    View,
)
from vipllava_cli.flows.batch.plan import Task
from vipllava_cli.flows.batch.run import Run, Summary
from vipllava_cli.sources.open import read_source
from vipllava_cli.storage.journal import open_journal

LARGE = 10_000  # pixels a side


class StandIn:
    """Answers with a number made of the pixels, slower than pictures are read, so that rows wait for
    it; as much is held for a view as the public models take.
    """

    info = ModelInfo("stand-in", "1", "cpu", "fp32", 336, 14)

    def view(self, picture: Image.Image) -> View:
        return View(np.asarray(picture.resize((336, 336)), np.float32))

    def prompt(self, view: View, question: str, template: str = "human") -> Prompt:
        return Prompt(view, tuple(question.encode()))

    def answer(
        self, prompts: Sequence[Prompt], options: GenerationOptions = GREEDY, on_text: object = None
    ) -> Iterator[Answer]:
        yield from self.answer_together(prompts)

    def answer_together(
        self, prompts: Sequence[Prompt], options: GenerationOptions = GREEDY
    ) -> list[Answer]:
        time.sleep(0.002 * len(prompts))
        sums = [zlib.crc32(prompt.view.pixels) for prompt in prompts]  # type: ignore[arg-type]
        return [Answer(f"a thing of number {number}", "stop", 600, 6, 0.1) for number in sums]

    def most_together(self) -> int:
        return 16


class Nobody:
    """Watches nothing."""

    def advance(self, summary: Summary, id: str) -> None:
        pass

    def note(self, id: str, text: str) -> None:
        pass


def open_shipped() -> Engine:
    """The shipped model."""
    from vipllava_cli.engine.open import open_engine

    return open_engine("tiny", device="cpu")


MODELS = {"stand-in": StandIn, "tiny": open_shipped}


def write_pictures(folder: Path, count: int, side: int) -> None:
    """Pictures of one colour each that all differ."""
    kind = "jpg" if side == LARGE else "png"
    for number in range(count):
        color = (number % 256, number // 256 % 256, side % 256)
        Image.new("RGB", (side, side), color).save(folder / f"{number}.{kind}")


def run(folder: Path, model: str) -> float:
    """Answer about every picture of the folder; the peak of this process in MiB."""
    task = Task((model, "1"), ("what is this?",), options=GenerationOptions(max_new_tokens=4))
    with open_journal(folder.with_suffix(".jsonl")) as journal:
        summary = Run(read_source(str(folder)), task, journal, MODELS[model], Nobody())()
    assert not summary.failed
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak(count: int, side: int, model: str) -> float:
    """The same in a fresh process, over as many pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pictures"
        folder.mkdir()
        write_pictures(folder, count, side)
        command = [sys.executable, "-m", "benchmarks.batch_memory", str(folder), model]
        return float(subprocess.check_output(command, text=True))


def main() -> None:
    """Print each peak, and the larger beside the smaller."""
    print(describe())
    for model, few, many in (("stand-in", 2_000, 20_000), ("tiny", 500, 2_000)):
        small, large = peak(few, 16, model), peak(many, 16, model)
        print(
            f"{model}: {small:.0f} MiB at {few} rows, {large:.0f} MiB at {many}:"
            f" {large / small:.3f} times"
        )
    for count in (2, 16):
        print(f"{count} pictures of 100 megapixels: {peak(count, LARGE, 'stand-in'):.0f} MiB")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(run(Path(sys.argv[1]), sys.argv[2]))
    else:
        main()
