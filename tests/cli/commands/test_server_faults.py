"""The faults of servers, as a user of `ask` and `batch` meets them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import Run
from tests.support.server_engines import read_records, server_home, write_rows
from tests.support.vision_server import MODEL, VisionServer, serving

pytestmark = pytest.mark.slow

home = pytest.fixture(autouse=True)(server_home)
COUNT = 12  # rows
KILLED_AFTER = 5  # answers
CONSTANT = [{"token": "yes", "logprob": 0.0, "top_logprobs": [{"token": "no", "logprob": -9999}]}]
SAMPLED = ("--temperature", "0.5", "--seed", "3")


@dataclass(frozen=True)
class Fault:
    """How a server misbehaves, and what a user sees.

    `way` is what it does once, at the row in the middle. `how` are fields of the server, and `repaired`
    those after which the same command succeeds. `says` is on stderr, once. `code` is the exit code of
    `batch` and `ask`, before the repair; of `batch` it is 6 where one row fails.
    """

    says: str = ""
    way: str = ""
    code: int = 0
    how: Mapping[str, Any] = field(default_factory=dict)
    repaired: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    answer: str = "the answer to {}"
    shows_each_row: bool = False


FAULTS = {
    "401": Fault(r"answered 401 \(no such key\): check the key in VIPLLAVA_KEY_BOX", "401", 4),
    "404": Fault(r"answered 404 \(no such model\): check the model a-vision-model and", "404", 4),
    "413": Fault(
        "finds the image too large: images have at most 1024x1024 pixels from now on",
        how={"max_image_side": 1024},
    ),
    "429": Fault(way="429"),
    "429 for seconds": Fault("waiting 2 s, as it asks", "429 for seconds"),
    "500": Fault(way="500"),
    "drop": Fault(way="drop"),
    "stall": Fault(way="stall", options=("--timeout", "1")),
    "cut": Fault(way="cut"),
    "bad JSON": Fault(way="bad JSON"),
    "error with 200": Fault(way="error with 200"),
    "rejects max_tokens": Fault(
        "rejects max_tokens: it is left out, max_completion_tokens takes its place",
        how={"rejects": ("max_tokens",)},
    ),
    "rejects seed": Fault(
        "rejects seed: it is left out", how={"rejects": ("seed",)}, options=SAMPLED
    ),
    "image dropped": Fault(
        "images do not reach a-vision-model at .*: an image adds 0 prompt tokens",
        code=4,
        how={"sees_images": False},
        repaired={"sees_images": True},
    ),
    "constant log-probabilities": Fault(
        "the log-probabilities of the server mean nothing",
        how={"log_probabilities": CONSTANT, "answers": {"what": "Yes."}},
        options=("--choices", "no,yes"),
        answer="yes",
    ),
    "cut in its thoughts": Fault(
        "did not begin within 256 tokens, which its thoughts took: raise --max-new-tokens",
        "thinks",
        5,
    ),
}


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest) -> Fault:
    return FAULTS[request.param]


@pytest.fixture
def box(fault: Fault, run: Run) -> Iterator[VisionServer]:
    """The server with the fault under the name `box`."""
    ways = {"number 6.": [fault.way]} if fault.way else {}
    with serving(VisionServer(ways=ways, **fault.how)) as server:
        assert run("models", "add", "box", "--url", server.url, "--model", MODEL).code == 0
        yield server


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """An image in a format that servers reject, larger than some of them accept."""
    path = tmp_path / "large.webp"
    Image.new("RGB", (1200, 900), "red").save(path)
    return path


def repair(server: VisionServer, fault: Fault) -> None:
    server.ways = {}
    for name, value in fault.repaired.items():
        setattr(server, name, value)


def check_said(stderr: str, fault: Fault) -> None:
    """Assert that at most one message line names the fault."""
    lines = [line for line in stderr.splitlines() if re.match("(error|note|warning):", line)]
    assert "Traceback" not in stderr
    assert "a bug" not in stderr
    about = [line for line in lines if fault.says and re.search(fault.says, line)]
    assert len(about) == bool(fault.says), stderr


def answered(fault: Fault, question: str) -> str:
    return fault.answer.format(question)


def test_ask(fault: Fault, box: VisionServer, large: Path, run: Run) -> None:
    question = "what is number 6."
    asked = run("ask", large, question, "--model", "box", *fault.options)
    assert asked.code == fault.code, asked.stderr
    check_said(asked.stderr, fault)
    if not fault.code:
        assert asked.stdout.splitlines()[0].endswith(answered(fault, question))
    repair(box, fault)
    again = run("ask", large, question, "--model", "box", *fault.options)
    assert again.code == 0, again.stderr
    assert again.stdout.splitlines()[0].endswith(answered(fault, question))
    assert {image.format for image in box.images} <= {"PNG", "JPEG"}


def test_batch(fault: Fault, box: VisionServer, large: Path, tmp_path: Path, run: Run) -> None:
    rows, out = write_rows(tmp_path, COUNT, large), tmp_path / "out.jsonl"
    command = ["batch", rows, "-o", out, "--model", "box", "--parallel", "2", *fault.options]
    first = run(*command)
    assert first.code == (6 if fault.code == 5 else fault.code), first.stderr
    if fault.code != 5:  # an error of one row stands in its record and in the summary
        check_said(first.stderr, fault)
    records = read_records(out) if out.exists() else []
    failed = [record for record in records if record["error"]]
    assert len(failed) == (fault.code == 5)
    assert all(re.search(fault.says, record["error"]["message"]) for record in failed)
    stored = {record["question"] for record in records if not record["error"]}
    before = box.rows()
    repair(box, fault)
    assert run(*command).code == 0
    check_answers(box, fault, out, stored, before)


def test_a_killed_batch_asks_no_row_twice(
    fault: Fault, box: VisionServer, large: Path, tmp_path: Path, run: Run
) -> None:
    box.latency = 0.1
    rows, out = write_rows(tmp_path, COUNT, large), tmp_path / "out.jsonl"
    arguments = ["batch", str(rows), "-o", str(out), "--model", "box", *fault.options]
    command = [sys.executable, "-m", "vipllava_cli", *arguments, "--parallel", "2", "-q"]
    process = subprocess.Popen(command, env=os.environ, stderr=subprocess.PIPE)
    ends = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < ends:
        if out.exists() and len(out.read_bytes().splitlines()) >= KILLED_AFTER:
            process.send_signal(signal.SIGKILL)
        time.sleep(0.01)
    process.communicate()
    stored = {record["question"] for record in read_records(out)} if out.exists() else set()
    assert len(stored) >= KILLED_AFTER or fault.code == 4
    before = box.rows()
    box.latency = 0
    repair(box, fault)
    again = run(*arguments)
    assert again.code == 0, again.stderr
    check_answers(box, fault, out, stored, before)


def check_answers(
    box: VisionServer, fault: Fault, out: Path, stored: set[str], before: Mapping[str, int]
) -> None:
    """Assert the right answer of every row, and no new request for a stored one."""
    records = read_records(out)
    assert [record["id"] for record in records] == [f"r{n}" for n in range(COUNT)]
    assert all(record["answer"] == answered(fault, record["question"]) for record in records)
    asked = {text.splitlines()[0]: count for text, count in box.rows().items()}
    asked_before = {text.splitlines()[0]: count for text, count in before.items()}
    assert {text: asked[text] for text in stored} == {text: asked_before[text] for text in stored}
    assert json.loads(out.read_text().splitlines()[0])["device"] == "server"
