"""Measure the time and memory to load a large model and to answer with it.

    python -m benchmarks.loading FOLDER [NAME ...]

`benchmarks.make_checkpoint` writes the model, such as build/7b. Each NAME takes minutes:

- `loading`, `loading int8`, `loading nf4`: the seconds until every weight is readable, compared with
  `cat` over the same files just before; how many bytes came from the disk; and the peak of anonymous
  memory, compared with the size of the weights;
- `16 bits`, `int8`, `nf4`, `disk`: the same peak while `vipllava ask` generates 16 tokens; and whether
  layers on the disk give the tokens of 16 bits.

Anonymous memory excludes mapped files, which the system reclaims when it needs memory. nf4 needs its
optional package.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.support import describe, seconds

if TYPE_CHECKING:
    from torch.nn import Module

    from vipllava_cli.engine.hardware.placement_types import Placement

GIB = 1 << 30
PAGE = 4096
SCENE = Path(__file__).parent.parent / "sample_images" / "garden.png"
QUESTION = ("what is in the red box?", "--box", "294,48,522,247")
IN_MEMORY, DISK = "16 bits", "disk"

# The quantization of each loading.
LOADINGS: Mapping[str, str | None] = {"loading": None, "loading int8": "int8", "loading nf4": "nf4"}
LOAD_ONLY = "load only"

# The flags of each way to answer, and the limit for a 7B in GiB.
ANSWERS: Mapping[str, tuple[Sequence[str], float]] = {
    IN_MEMORY: ((), 15.5),
    "int8": (("--quantize", "int8"), 9.0),
    "nf4": (("--quantize", "nf4"), 6.0),
    DISK: (("--max-memory", "cpu=6GiB"), 15.5),
}


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
    with tempfile.TemporaryFile("w+") as stdout:
        process = psutil.Popen(command, stdout=stdout)
        while process.poll() is None:
            peak = max(peak, anonymous_memory(process))
            time.sleep(0.02)
        duration = time.perf_counter() - start
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed with exit code {process.returncode}")
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


def load_only(folder: Path, quantize: str | None) -> None:
    """Load the model and print the measurements as JSON. Runs in its own process."""
    from vipllava_cli.engine.hardware.load_options import LoadOptions
    from vipllava_cli.engine.local.engines import VipLlavaEngine
    from vipllava_cli.engine.open import open_engine

    def load() -> None:
        load_options = LoadOptions(device="cpu", quantize=quantize)
        engine = open_engine(str(folder), load_options=load_options, on_plan=placements.append)
        assert isinstance(engine, VipLlavaEngine)
        touch_weights(engine.model)

    open_engine("tiny", device="cpu")  # imports the libraries
    placements: list[Placement] = []
    before = psutil.Process().io_counters().read_bytes
    duration = seconds(load)
    result = {
        "seconds": duration,
        "weights": placements[0].weights_at("cpu"),
        "from_disk": psutil.Process().io_counters().read_bytes - before,
        "dtype": placements[0].dtype_name,
    }
    print(json.dumps(result))


def touch_weights(model: "Module") -> None:
    """Read one number of every memory page, so that the system reads the mapped weights."""
    for weight in model.parameters():
        weight.detach().view(-1)[:: max(PAGE // weight.element_size(), 1)].sum()


def measure_loading(folder: Path, name: str) -> None:
    """Print peak and speed, compared with `cat`. A first `cat` warms the page cache."""
    files = sorted(map(str, folder.glob("*.safetensors")))
    size = sum(Path(file).stat().st_size for file in files)

    def cat() -> None:
        subprocess.run(["cat", *files], stdout=subprocess.DEVNULL, check=True)  # noqa: S603, S607 - a speed to compare with

    cat()
    cat_seconds = seconds(cat)
    load_command = [
        sys.executable,
        "-m",
        "benchmarks.loading",
        str(folder),
        LOAD_ONLY,
        *filter(None, [LOADINGS[name]]),
    ]
    run = run_measured(load_command)
    loaded = json.loads(run.stdout)
    print(
        f"{name:12} {size / GIB:.1f} GiB as {loaded['dtype']} in {loaded['seconds']:.1f} s,"
        f" `cat` {cat_seconds:.1f} s: {cat_seconds / loaded['seconds']:.2f} of its speed"
        f" ({loaded['from_disk'] / GIB:.1f} GiB came from the disk)"
    )
    print(
        f"{'':12} peak {run.peak / GIB:.2f} GiB for {loaded['weights'] / GIB:.2f} GiB of weights:"
        f" {run.peak / loaded['weights']:.2f}"
    )


def measure_answer(folder: Path, name: str) -> str:
    """Print the peak of one way to answer. Returns the answer."""
    flags, limit = ANSWERS[name]
    ask = [sys.executable, "-m", "vipllava_cli", "ask", str(SCENE), *QUESTION, "--device", "cpu"]
    run = run_measured([*ask, "--model", str(folder), "--max-new-tokens", "16", "--json", *flags])
    record = json.loads(run.stdout)
    print(
        f"{name:12} {record['answer_tokens']} tokens, peak {run.peak / GIB:.2f} GiB"
        f" (a 7B may use {limit}), {run.seconds:.0f} s in all"
    )
    return str(record["answer"])


def main(folder: Path, names: Sequence[str]) -> None:
    """Print each measurement, and whether the answers from disk and memory are equal."""
    print(describe())
    answers = {}
    for name in names or (*LOADINGS, *ANSWERS):
        if name in LOADINGS:
            measure_loading(folder, name)
        else:
            answers[name] = measure_answer(folder, name)
    if {IN_MEMORY, DISK} <= set(answers):
        same = "the same" if answers[IN_MEMORY] == answers[DISK] else "NOT the same"
        print(f"{same} tokens from the disk and from memory")


if __name__ == "__main__":
    if sys.argv[2:3] == [LOAD_ONLY]:
        load_only(Path(sys.argv[1]), next(iter(sys.argv[3:]), None))
    else:
        main(Path(sys.argv[1]), sys.argv[2:])
