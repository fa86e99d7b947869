"""`batch` with an open model, against `transformers serve` and a client of its own kind.

The client sends one image and one question a request, four requests at a time, as a data URL to
`/v1/chat/completions`. Server and `batch` run one after the other on the same cores.
"""

import base64
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, NotAvailable, interleave, summarize, summarize_ratio
from benchmarks.scenes import QUESTION, write_scenes

TOKENS, REQUESTS_AT_A_TIME = 8, 4
STARTING_SECONDS = 120
PACKAGES = ("fastapi", "uvicorn", "openai")  # of transformers[serving]


def run(bench: Bench) -> Iterator[Measure]:
    """Measure images per second."""
    if missing := [package for package in PACKAGES if find_spec(package) is None]:
        raise NotAvailable(f"{' and '.join(missing)}: not installed; see transformers[serving]")
    from benchmarks.running import rows_of, run_batch
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint

    paths = write_scenes(bench.folder / "scenes", bench.choose(64, 2))
    engine = bench.open()
    rows, out = rows_of(paths, (QUESTION,)), bench.folder / "server.jsonl"
    folder = str(find_checkpoint(bench.model()).folder)
    with serve(folder, bench.device) as address:
        works = {
            "batch": lambda: run_batch(engine, rows, out, TOKENS),
            "transformers serve": lambda: ask_all(address, folder, paths),
        }
        times = interleave(works, bench.choose(3, 1))
    for name, values in times.items():
        yield summarize(name, [len(paths) / each for each in values], "images/s")
    ratio = "batch relative to transformers serve"
    yield summarize_ratio(ratio, times["transformers serve"], times["batch"])


@contextmanager
def serve(folder: str, device: str) -> Iterator[str]:
    """Start a server, wait until it answers, and end it afterwards. Yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = "from transformers.cli.transformers import main; main()"
    command = [sys.executable, "-c", program, "serve", folder, "--device", device]
    process = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)])  # noqa: S603 - own command
    try:
        address = f"http://127.0.0.1:{port}"
        end = time.monotonic() + STARTING_SECONDS
        while not _answers(f"{address}/health"):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("transformers serve did not start")
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - the server above
            return True
    except OSError:
        return False


def ask_all(address: str, model: str, paths: Sequence[Path]) -> list[str]:
    """Ask about all images, a few at a time."""
    with ThreadPoolExecutor(REQUESTS_AT_A_TIME) as threads:
        return list(threads.map(partial(ask_server, address, model), paths))


def ask_server(address: str, model: str, path: Path) -> str:
    """Ask about one image. Returns the answer."""
    image = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
    content: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": image}},
        {"type": "text", "text": QUESTION},
    ]
    body = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": TOKENS,
        "temperature": 0,
    }
    request = urllib.request.Request(  # noqa: S310 - the server above
        f"{address}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=300) as response:  # noqa: S310
        return str(json.load(response)["choices"][0]["message"]["content"])
