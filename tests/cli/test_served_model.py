"""The shipped model behind `transformers serve`, a server that is not part of this project.

Every subcommand gives the answers that the model gives on this machine.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.conftest import SAMPLES, Run
from tests.support.sample_scenes import PLACES
from tests.support.server_engines import server_home
from vipllava_cli.engine.hub.checkpoints import find_checkpoint

pytestmark = pytest.mark.model

SERVE = "from transformers.cli.transformers import main; main()"
START_SECONDS = 240  # on a busy machine; on a quiet one it takes six
ROW_COUNT = 12
QUESTIONS = ("what is {1}?", "what color is {1}?", "where is {1}?")

home = pytest.fixture(autouse=True)(server_home)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the shipped model until the end of the module."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log.txt"
    command = [sys.executable, "-c", SERVE, "serve", str(folder())]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    with log.open("wb") as written:
        server = subprocess.Popen(command, stdout=written, stderr=written, env=os.environ)
    try:
        ends = time.monotonic() + START_SECONDS
        while not answers(f"http://127.0.0.1:{port}/health"):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < ends, log.read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.kill()
        server.wait()


def folder() -> Path:
    return find_checkpoint("tiny").folder


def answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5).status_code == 200
    except httpx2.HTTPError:
        return False


@pytest.fixture(autouse=True)
def served(address: str, home: Path, run: Run, opened_once: None) -> None:
    """Name the server."""
    added = run("models", "add", "served", "--url", address, "--model", str(folder()))
    assert added.code == 0


def answered(command: list[str | Path], run: Run, model: str) -> list[tuple[Any, ...]]:
    """Run a command that prints or writes records. Returns what a user reads of them."""
    result = run(*command, "--model", model)
    assert result.code == 0, result.stderr
    records = [json.loads(line) for line in result.stdout.splitlines()]
    return [(each["question"], each["answer"], each["finish_reason"]) for each in records]


def manifest(path: Path) -> Path:
    rows = [
        {
            "id": f"{name} {thing} {number}",
            "image": str(SAMPLES / f"{name}.png"),
            "marks": [{"shape": "box", "coords": place}],
            "question": question,
        }
        for name, places in PLACES.items()
        if (SAMPLES / f"{name}.png").exists()
        for thing, place in places.items()
        for number, question in enumerate(QUESTIONS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[:ROW_COUNT]))
    return path


def test_asks_with_equal_answers(run: Run) -> None:
    image, question = SAMPLES / "zoo-red-box.png", "what is in the red box?"
    asked = {model: run("ask", image, question, "--model", model) for model in ("served", "tiny")}
    assert {each.code for each in asked.values()} == {0}
    assert asked["served"].stdout == asked["tiny"].stdout == "a penguin\n"
    boxes = ["10,10,200,200", "300,200,600,500"]
    marks = [part for each in boxes for part in ("--box", each)]
    for command in (["what is {2}?"], ["what is {1}?", "--zoom"]):
        both = [
            answered(["ask", SAMPLES / "farm.png", *command, *marks, "--json"], run, model)
            for model in ("served", "tiny")
        ]
        assert both[0] == both[1]


def test_answers_a_batch_with_equal_answers(run: Run, tmp_path: Path) -> None:
    rows = manifest(tmp_path / "rows.jsonl")
    both = []
    for model in ("served", "tiny"):
        out = tmp_path / f"{model}.jsonl"
        assert run("batch", rows, "-o", out, "--model", model, "-q").code == 0
        records = [json.loads(line) for line in out.read_text().splitlines()]
        both.append([(each["id"], each["answer"], each["finish_reason"]) for each in records])
    assert both[0] == both[1]
    assert len(both[0]) == ROW_COUNT
    assert len({answer for _, answer, _ in both[0]}) > 3


def test_chats_with_equal_answers(run: Run) -> None:
    image, asked = SAMPLES / "street.png", b"what is {1}?\nwhat color is it?\nwhere is {1}?\n"
    chats = [
        run("chat", image, "--box", "32,19,246,164", "--model", model, stdin=asked)
        for model in ("served", "tiny")
    ]
    assert [chat.code for chat in chats] == [0, 0]
    assert chats[0].stdout == chats[1].stdout
    assert len(chats[0].stdout.splitlines()) == 3


def test_measures_with_equal_answers(run: Run, tmp_path: Path) -> None:
    both = []
    for model in ("served", "tiny"):
        out = tmp_path / model
        measured = run("eval", "clipart", "--n", "1", "--out", out, "--model", model, "--json")
        assert measured.code == 0, measured.stderr
        lines = (out / "records.jsonl").read_text().splitlines()
        answers = {each["id"]: each["answer"] for each in map(json.loads, lines)}
        figures = [
            (each["what"], each["group"], each["right"], each["of"])
            for each in json.loads(measured.stdout)["figures"]
        ]
        both.append((answers, figures))
    assert both[0] == both[1]
    assert len(both[0][0]) > 3


def test_doctor_knows_that_images_arrive(run: Run) -> None:
    facts = json.loads(run("doctor", "--model", "served", "--json").stdout)["server served"]
    assert facts["images"].startswith("arrive: an image adds ")
