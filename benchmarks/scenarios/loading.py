"""The time and memory to load a model and to answer with it, each in a process of its own.

The argument is a quantization, `disk` for layers on the disk, or `plain`. Loading ends when every weight
was readable; it is compared with `cat` over the same files just before. Memory is the peak of
anonymous memory: it leaves out mapped files, which the system reclaims when it needs memory.

`python -m benchmarks.scenarios.loading MODEL [QUANTIZATION]` is one loading; it prints its figures.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, NotAvailable, seconds
from benchmarks.scenarios.precision import missing_package
from benchmarks.scenes import SAMPLE, SAMPLE_BOX

if TYPE_CHECKING:
    from torch.nn import Module

GIB = 1 << 30
PAGE = 4096
DISK = "disk"
DISK_SHARE = 0.4  # of the weights that may stay in memory, beside the largest part


@dataclass(frozen=True)
class MeasuredRun:
    """A command's stdout, the peak anonymous memory of it and its children in bytes, and its time."""

    stdout: str
    peak: int
    seconds: float


def run_measured(command: Sequence[str]) -> MeasuredRun:
    """Run a command, and sample its memory fifty times per second."""
    start = time.perf_counter()
    peak = 0
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        process = psutil.Popen(command, stdout=stdout, stderr=stderr)
        while process.poll() is None:
            peak = max(peak, anonymous_memory(process))
            time.sleep(0.02)
        duration = time.perf_counter() - start
        if process.returncode:
            stderr.seek(0)
            raise RuntimeError(f"exit code {process.returncode}: {stderr.read().strip()[-300:]}")
        stdout.seek(0)
        return MeasuredRun(stdout.read(), peak, duration)


def anonymous_memory(process: psutil.Process) -> int:
    """Sum RssAnon, in bytes, of a process and its descendants."""
    total = 0
    try:
        for member in (process, *process.children(recursive=True)):
            status = Path(f"/proc/{member.pid}/status").read_text()
            total += 1024 * int(status.partition("RssAnon:")[2].split()[0])
    except (psutil.NoSuchProcess, OSError, IndexError):  # the process has ended
        pass
    return total


def load_here(model: str, quantize: str | None) -> None:
    """Load the model on the CPU and print the figures as JSON."""
    from vipllava_cli.engine.hardware.load_options import LoadOptions
    from vipllava_cli.engine.local.generate import LocalEngine
    from vipllava_cli.engine.open import open_engine

    def load() -> None:
        engine = open_engine(model, load_options=LoadOptions(device="cpu", quantize=quantize))
        assert isinstance(engine, LocalEngine)
        touch_weights(engine.model)

    open_engine("tiny", device="cpu")  # imports the libraries
    before = psutil.Process().io_counters().read_bytes
    duration = seconds(load)
    from_disk = psutil.Process().io_counters().read_bytes - before
    print(json.dumps({"seconds": duration, "from_disk": from_disk}))


def touch_weights(model: "Module") -> None:
    """Read one number of every memory page, so that the system reads the mapped weights."""
    for weight in model.parameters():
        if weight.is_mkldnn:  # packed, and so read already
            continue
        weight.detach().view(-1)[:: max(PAGE // weight.element_size(), 1)].sum()


def measure_loading(model: str, quantize: str | None) -> Iterator[Measure]:
    """Compare loading with `cat`. A first `cat` warms the page cache."""
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint

    files = sorted(map(str, find_checkpoint(model).folder.glob("*.safetensors")))

    def cat() -> None:
        subprocess.run(["cat", *files], stdout=subprocess.DEVNULL, check=True)  # noqa: S603, S607 - a speed to compare with

    cat()
    cat_seconds = seconds(cat)
    command = [sys.executable, "-m", "benchmarks.scenarios.loading", model]
    run = run_measured([*command, *filter(None, [quantize])])
    loaded = json.loads(run.stdout)
    yield Measure("`cat` over the files", cat_seconds, "s")
    note = f"{loaded['from_disk'] / GIB:.1f} GiB came from the disk"
    yield Measure("loading", loaded["seconds"], "s", note=note)
    yield Measure("memory of loading", run.peak / GIB, "GiB")


def run(bench: Bench) -> Iterator[Measure]:
    """Measure loading, and an `ask` with 16 tokens, as the argument says."""
    model, kind = bench.model(), bench.argument
    if package := missing_package(kind, on_cuda=False):
        raise NotAvailable(f"{package} is not installed")
    flags = {"plain": [], DISK: ["--max-memory", f"cpu={_disk_limit(model)}MiB"]}
    if kind != DISK:
        yield from measure_loading(model, None if kind == "plain" else kind)
        if bench.is_quick:
            return
    command = [sys.executable, "-m", "vipllava_cli", "ask", str(SAMPLE), "what is in the red box?"]
    command += ["--box", SAMPLE_BOX, "--device", "cpu", "--model", model, "--json"]
    command += ["--max-new-tokens", str(bench.choose(16, 2))]
    answered = run_measured([*command, *flags.get(kind, ["--quantize", kind])])
    yield Measure("`ask`", answered.seconds, "s", note=f"{bench.choose(16, 2)} tokens at most")
    yield Measure("memory of `ask`", answered.peak / GIB, "GiB")
    text, reference = json.loads(answered.stdout)["answer"], bench.folder / f"{bench.size}-answer"
    if kind == "plain":
        reference.write_text(text)
    elif kind == DISK and reference.exists():
        yield Measure("answers equal to that from memory", text == reference.read_text(), "of 1")


def _disk_limit(model: str) -> int:
    """Return a limit in MiB that leaves about half of a large model on the disk."""
    from vipllava_cli.engine.hardware.estimate import make_plan
    from vipllava_cli.engine.hardware.load_options import LoadOptions

    needs = make_plan(model, None, LoadOptions("cpu")).placement.needs
    work = needs.workspace + needs.activations + needs.layer_cache * needs.spec.layers
    return int(DISK_SHARE * needs.all_weights + needs.largest_part + 2 * work) >> 20


if __name__ == "__main__":
    load_here(sys.argv[1], next(iter(sys.argv[2:]), None))
