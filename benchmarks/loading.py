"""What a large model takes to be loaded and to answer, on a checkpoint that `make_checkpoint.py` wrote:

- `loading` (`loading int8`, `loading nf4`): the seconds until every weight can be read, beside those of
  `cat` over the same files just before, how much came from the disk after all, and the peak of
  anonymous memory beside the weights that are placed;
- `16 bits`, `int8`, `nf4`, `disk`: the same peak while `vipllava ask` answers with 16 tokens, and
  whether those read from the disk are the tokens of 16 bits.

Mapped files are no anonymous memory: the system takes them back when it needs room. nf4 needs
its extra. Names may follow, to measure these alone; a 7B takes minutes each.

    python benchmarks/loading.py build/7b
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

from benchmarks.machine import describe, seconds

if TYPE_CHECKING:
    from torch.nn import Module

GIB = 1 << 30
PAGE = 4096
SCENE = Path(__file__).parent.parent / "sample_images" / "garden.png"
QUESTION = ("what is in the red box?", "--box", "294,48,522,247")
WHOLE, DISK = "16 bits", "disk"

# What each loading is asked to quantise to.
LOADINGS: Mapping[str, str | None] = {"loading": None, "loading int8": "int8", "loading nf4": "nf4"}
LOAD_ALONE = "load alone"

# The flags of each way to answer, and the GiB that a 7B may take.
WAYS: Mapping[str, tuple[Sequence[str], float]] = {
    WHOLE: ((), 15.5),
    "int8": (("--quantize", "int8"), 9.0),
    "nf4": (("--quantize", "nf4"), 6.0),
    DISK: (("--max-memory", "cpu=6GiB"), 15.5),
}


@dataclass(frozen=True)
class Watched:
    """What a command said, the most anonymous memory that it and its children held, and how long."""

    said: str
    peak: int
    seconds: float


def watched(command: Sequence[str]) -> Watched:
    """Run it; its memory is looked at fifty times a second."""
    start = time.perf_counter()
    peak = 0
    with tempfile.TemporaryFile("w+") as said:
        process = psutil.Popen(command, stdout=said)
        while process.poll() is None:
            peak = max(peak, anonymous(process))
            time.sleep(0.02)
        taken = time.perf_counter() - start
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} gave {process.returncode}")
        said.seek(0)
        return Watched(said.read(), peak, taken)


def anonymous(process: psutil.Process) -> int:
    """Bytes of RssAnon, of a process and all below it."""
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            status = Path(f"/proc/{one.pid}/status").read_text()
            total += 1024 * int(status.partition("RssAnon:")[2].split()[0])
    except (psutil.NoSuchProcess, OSError, IndexError):  # it has just ended
        pass
    return total


def load_alone(folder: Path, quantize: str | None) -> None:
    """Print what it took, as JSON; in a process of its own."""
    from vipllava_cli.engine.hardware.placement import LoadOptions, Placement
    from vipllava_cli.engine.open import open_engine

    def opened() -> None:
        load_options = LoadOptions(device="cpu", quantize=quantize)
        touch(open_engine(str(folder), load_options=load_options, on_plan=shown.append).model)

    open_engine("tiny", device="cpu")  # so that the libraries are here
    shown: list[Placement] = []
    before = psutil.Process().io_counters().read_bytes
    taken = seconds(opened)
    read = psutil.Process().io_counters().read_bytes - before
    placed = shown[0].weights_at("cpu")
    result = {"seconds": taken, "placed": placed, "from_disk": read, "dtype": shown[0].dtype_name}
    print(json.dumps(result))


def touch(model: "Module") -> None:
    """Read a number of every page of the weights, since what is mapped has not been read yet."""
    for weight in model.parameters():
        weight.detach().view(-1)[:: max(PAGE // weight.element_size(), 1)].sum()


def measure_loading(folder: Path, name: str) -> None:
    """The peak, and the speed beside `cat`, whose first round warms the cache."""
    files = sorted(map(str, folder.glob("*.safetensors")))
    size = sum(Path(file).stat().st_size for file in files)

    def cat() -> None:
        subprocess.run(["cat", *files], stdout=subprocess.DEVNULL, check=True)

    cat()
    reading = seconds(cat)
    alone = [
        sys.executable,
        "-m",
        "benchmarks.loading",
        str(folder),
        LOAD_ALONE,
        *filter(None, [LOADINGS[name]]),
    ]
    run = watched(alone)
    loaded = json.loads(run.said)
    print(
        f"{name:12} {size / GIB:.1f} GiB as {loaded['dtype']} in {loaded['seconds']:.1f} s,"
        f" `cat` {reading:.1f} s: {reading / loaded['seconds']:.2f} of its speed"
        f" ({loaded['from_disk'] / GIB:.1f} GiB came from the disk)"
    )
    print(
        f"{'':12} peak {run.peak / GIB:.2f} GiB for {loaded['placed'] / GIB:.2f} GiB of weights:"
        f" {run.peak / loaded['placed']:.2f}"
    )


def measure_answer(folder: Path, way: str) -> str:
    """The peak of one way to answer; returns the answer."""
    flags, most = WAYS[way]
    ask = [sys.executable, "-m", "vipllava_cli", "ask", str(SCENE), *QUESTION, "--device", "cpu"]
    run = watched([*ask, "--model", str(folder), "--max-new-tokens", "16", "--json", *flags])
    record = json.loads(run.said)
    print(
        f"{way:12} {record['answer_tokens']} tokens, peak {run.peak / GIB:.2f} GiB"
        f" (a 7B may take {most}), {run.seconds:.0f} s in all"
    )
    return str(record["answer"])


def main(folder: Path, names: Sequence[str]) -> None:
    """Print each; the answer from the disk beside that from memory."""
    print(describe())
    answers = {}
    for name in names or (*LOADINGS, *WAYS):
        if name in LOADINGS:
            measure_loading(folder, name)
        else:
            answers[name] = measure_answer(folder, name)
    if {WHOLE, DISK} <= set(answers):
        same = "the same" if answers[WHOLE] == answers[DISK] else "NOT the same"
        print(f"{same} tokens from the disk and from memory")


if __name__ == "__main__":
    if sys.argv[2:3] == [LOAD_ALONE]:
        load_alone(Path(sys.argv[1]), next(iter(sys.argv[3:]), None))
    else:
        main(Path(sys.argv[1]), sys.argv[2:])
