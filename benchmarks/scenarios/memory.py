"""The peak memory of `batch`, for many rows and for large images. Each run has its own process.

- 2,000 and 20,000 small images with a stand-in for the model, which leaves the memory of the rows;
- 500 and 2,000 small images with the shipped model;
- a few images of 100 megapixels.

`python -m benchmarks.scenarios.memory FOLDER MODEL` is one such run; it prints its peak in MiB.
"""

import resource
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from benchmarks.bench import Bench
from benchmarks.measuring import Measure
from benchmarks.running import SilentListener
from vipllava_cli.engine.base import Answer, Engine, ModelInfo, ModelView, Prompt
from vipllava_cli.engine.options import GREEDY, GenerationOptions
from vipllava_cli.flows.batch.run import BatchRun
from vipllava_cli.flows.batch.task import BatchTask
from vipllava_cli.sources.open import read_source
from vipllava_cli.storage.journal import open_journal

LARGE = 10_000  # pixels per side


class StandIn:
    """Answers with a checksum of the pixels.

    It is slower than reading images, so that rows queue up. A view takes as much memory as one of the
    public models.
    """

    info = ModelInfo("stand-in", "1", "cpu", "fp32", 336, 14)
    parallel = 1
    usage = None

    def view(self, image: Image.Image) -> ModelView:
        return ModelView(np.asarray(image.resize((336, 336)), np.float32))

    def prompt(self, view: ModelView, question: str, template: str = "human") -> Prompt:
        return Prompt(view, tuple(question.encode()))

    def answer(
        self, prompts: Sequence[Prompt], options: GenerationOptions = GREEDY, on_text: object = None
    ) -> Iterator[Answer]:
        yield from self.answer_batch(prompts)

    def answer_batch(
        self, prompts: Sequence[Prompt], options: GenerationOptions = GREEDY
    ) -> list[Answer]:
        time.sleep(0.002 * len(prompts))
        sums = [zlib.crc32(prompt.view.pixels) for prompt in prompts]  # type: ignore[arg-type]
        return [Answer(f"a thing of number {number}", "stop", 600, 6, 0.1) for number in sums]

    def max_batch_size(self) -> int:
        return 16


def open_stand_in() -> Engine:
    """Open the stand-in, which implements only what a batch calls."""
    return cast(Engine, StandIn())


def open_shipped() -> Engine:
    """Open the shipped model on the CPU."""
    from vipllava_cli.engine.open import open_engine

    return open_engine("tiny", device="cpu")


MODELS: Mapping[str, Callable[[], Engine]] = {
    "stand-in": open_stand_in,
    "tiny": open_shipped,
}


def write_images(folder: Path, count: int, side: int) -> None:
    """Write images of one colour each. No two are equal."""
    kind = "jpg" if side == LARGE else "png"
    for number in range(count):
        color = (number % 256, number // 256 % 256, side % 256)
        Image.new("RGB", (side, side), color).save(folder / f"{number}.{kind}")


def measure_here(folder: Path, model: str) -> float:
    """Ask about every image of a folder. Returns the peak of this process in MiB."""
    task = BatchTask((model, "1"), ("what is this?",), options=GenerationOptions(max_new_tokens=4))
    with open_journal(folder.with_suffix(".jsonl")) as journal:
        summary = BatchRun(
            read_source(str(folder)), task, journal, MODELS[model], SilentListener()
        )()
    assert not summary.failed
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_peak(count: int, side: int, model: str) -> float:
    """Run in a new process over `count` images. Returns its peak in MiB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "images"
        folder.mkdir()
        write_images(folder, count, side)
        command = [sys.executable, "-m", "benchmarks.scenarios.memory", str(folder), model]
        return float(subprocess.check_output(command, text=True))  # noqa: S603 - the program itself


def run(bench: Bench) -> Iterator[Measure]:
    """Measure each peak, and the ratio of large to small runs."""
    counts = {
        "stand-in": bench.choose((2_000, 20_000), (10, 40)),
        "tiny": bench.choose((500, 2_000), (4,)),
    }
    for model, numbers in counts.items():
        peaks = [measure_peak(count, 16, model) for count in numbers]
        for count, peak in zip(numbers, peaks, strict=True):
            goal = "below 1,144" if model == "tiny" else ""  # 1.2 GB
            yield Measure(f"{model}, {count:,} rows", peak, "MiB", goal=goal)
        if len(peaks) > 1:
            yield Measure(f"{model}, many rows relative to few", peaks[-1] / peaks[0])
    for count in bench.choose((2, 16), ()):
        peak = measure_peak(count, LARGE, "stand-in")
        yield Measure(f"{count} images of 100 megapixels", peak, "MiB")


if __name__ == "__main__":
    print(measure_here(Path(sys.argv[1]), sys.argv[2]))
