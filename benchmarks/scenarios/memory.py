"""The peak memory of `batch`, for many rows and for large images. Each run has its own process.

- `vipllava batch` with the shipped model: 500 and 2,000 images, and images of 12 megapixels;
- 2,000 and 20,000 small images with a stand-in for the model, which leaves the memory of the rows;
- a few images of 100 megapixels, with the stand-in.

`python -m benchmarks.scenarios.memory FOLDER` is one run with the stand-in; it prints its peak in MiB.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
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

SMALL, USUAL, PHOTO, LARGE = 16, 512, 3_464, 10_000  # pixels per side; PHOTO has 12 megapixels
LIMIT = "below 1,144"  # MiB: 1.2 GB


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


def write_images(folder: Path, count: int, side: int) -> None:
    """Write images of one colour each. No two are equal."""
    kind = "png" if side < PHOTO else "jpg"
    for number in range(count):
        color = (number % 256, number // 256 % 256, side % 256)
        Image.new("RGB", (side, side), color).save(folder / f"{number}.{kind}")


def measure_here(folder: Path) -> float:
    """Ask the stand-in about every image of a folder. Returns the peak of this process in MiB."""
    options = GenerationOptions(max_new_tokens=4)
    task = BatchTask(("stand-in", "1"), ("what is this?",), options=options)
    with open_journal(folder.with_suffix(".jsonl")) as journal:
        summary = BatchRun(
            read_source(str(folder)), task, journal, open_stand_in, SilentListener()
        )()
    assert not summary.failed
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak_of_stand_in(folder: Path) -> float:
    """Run the stand-in in a new process. Returns its peak in MiB."""
    command = [sys.executable, "-m", "benchmarks.scenarios.memory", str(folder)]
    return float(subprocess.check_output(command, text=True))  # noqa: S603 - the program itself


def peak_of_command(folder: Path) -> float:
    """Run `vipllava batch` with the shipped model. Returns the peak of its process in MiB."""
    out = folder.with_suffix(".jsonl")
    command = [sys.executable, "-m", "vipllava_cli", "batch", str(folder), "--quiet"]
    command += ["--question", "what is in the red box?", "--model", "tiny", "--out", str(out)]
    process = subprocess.Popen([*command, "--device", "cpu"])  # noqa: S603 - the program itself
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or sum(1 for _ in out.open()) != len(list(folder.iterdir())):
        raise RuntimeError(f"batch ended with exit code {process.returncode}, or lacks records")
    return usage.ru_maxrss / 1024


def measure_peak(count: int, side: int, peak_of: Callable[[Path], float]) -> float:
    """Run over `count` new images. Returns the peak in MiB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "images"
        folder.mkdir()
        write_images(folder, count, side)
        return peak_of(folder)


def run(bench: Bench) -> Iterator[Measure]:
    """Measure each peak, and the ratio of large to small runs."""
    peaks = []
    for count in bench.choose((500, 2_000), (4,)):
        peaks.append(measure_peak(count, USUAL, peak_of_command))
        yield Measure(f"`batch` with tiny, {count:,} images", peaks[-1], "MiB", goal=LIMIT)
    if bench.is_quick:
        yield from _compare_rows((10, 40))
        return
    ratio = peaks[-1] / peaks[0]
    yield Measure("`batch` with tiny, 2,000 images relative to 500", ratio, goal="at most 1.1")
    peak = measure_peak(100, PHOTO, peak_of_command)
    yield Measure("`batch` with tiny, 100 images of 12 megapixels", peak, "MiB", goal=LIMIT)
    yield from _compare_rows((2_000, 20_000))
    for count in (2, 16):
        peak = measure_peak(count, LARGE, peak_of_stand_in)
        yield Measure(f"{count} images of 100 megapixels", peak, "MiB")


def _compare_rows(counts: tuple[int, int]) -> Iterator[Measure]:
    peaks = [measure_peak(count, SMALL, peak_of_stand_in) for count in counts]
    for count, peak in zip(counts, peaks, strict=True):
        yield Measure(f"stand-in, {count:,} rows", peak, "MiB")
    yield Measure("stand-in, many rows relative to few", peaks[1] / peaks[0])


if __name__ == "__main__":
    print(measure_here(Path(sys.argv[1])))
