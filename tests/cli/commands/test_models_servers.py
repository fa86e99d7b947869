"""Models on servers, as a user types them: name one, check it, ask, and remove the name."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import Run
from tests.support.commands import assert_error_line, run_in_process
from tests.support.server_engines import manifest, read_records, server_home
from tests.support.vision_server import MODEL, VisionServer, serving

KEY = "sk-canary-93ab"


home = pytest.fixture(autouse=True)(server_home)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[VisionServer]:
    """A server that needs a key."""
    monkeypatch.setenv("VIPLLAVA_KEY_BOX", KEY)
    with serving(VisionServer(key=KEY)) as state:
        yield state


@pytest.fixture
def box(server: VisionServer, run: Run) -> VisionServer:
    """The server under the name `box`."""
    assert run("models", "add", "box", "--url", server.url, "--model", MODEL).code == 0
    return server


def test_names_a_server_and_forgets_it(server: VisionServer, home: Path, run: Run) -> None:
    added = run("models", "add", "box", "--url", f"{server.url}/", "--model", MODEL)
    assert added.code == 0
    assert f"box means {MODEL} at {server.url}" in added.stderr
    assert "its key is in VIPLLAVA_KEY_BOX" in added.stderr
    assert f"box   {MODEL}     {server.url}" in run("models", "list").stdout
    [row] = [
        each for each in json.loads(run("models", "list", "--json").stdout) if each["name"] == "box"
    ]
    assert (row["where"], row["server_model"], row["default"]) == (server.url, MODEL, False)
    assert "in VIPLLAVA_KEY_BOX" in run("models", "info", "box").stdout
    assert run("models", "use", "box").code == 0
    assert "*  box" in run("models", "list").stdout
    removed = run("models", "remove", "box")
    assert (removed.code, "box was the default model" in removed.stderr) == (0, True)
    assert json.loads((home / "config" / "settings.json").read_text()) == {}


def test_asks_a_server_by_its_name(box: VisionServer, image: Path, run: Run) -> None:
    asked = run("ask", image, "where?", "--model", "box", "--box", "10,10,50,50")
    assert (asked.code, asked.stdout) == (0, "the answer to where?\n")
    assert box.images[-1].getpixel((10, 60)) == (255, 0, 0)  # the mark, on the padded square
    record = json.loads(run("ask", image, "where?", "--model", "box", "--json").stdout)
    assert (record["model"], record["revision"], record["device"]) == (MODEL, box.url, "server")
    assert (record["prompt_tokens"], record["answer_tokens"]) == (320, 5)


def test_asks_the_server_of_the_variables_of_openai(
    server: VisionServer, image: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    asked = run("ask", image, "where?", "--model", f"openai:{MODEL}")
    assert (asked.code, asked.stdout) == (0, "the answer to where?\n")


def test_notes_options_that_a_server_decides(box: VisionServer, image: Path, run: Run) -> None:
    asked = run("ask", image, "where?", "--model", "box", "--device", "cpu", "--dtype", "bf16")
    assert asked.code == 0
    assert "note: --device and --dtype have no effect: box runs on a server" in asked.stderr
    refused = run("ask", image, "where?", "--model", "box", "--revision", "main")
    assert_error_line(refused, 2, "box runs on a server and has no revisions: remove --revision")
    refused = run("ask", image, "where?", "--model", "box", "--template", "vicuna")
    assert_error_line(refused, 2, "which has a prompt template of its own: remove --template")
    assert_error_line(run("plan", "box"), 2, "a plan is for models on this machine")
    assert_error_line(run("models", "pull", "box"), 2, "it needs no download")


@pytest.mark.parametrize("option", ["--timeout=5", "--no-image-check", "--parallel=3"])
def test_refuses_options_of_servers_for_models_on_this_machine(
    option: str, image: Path, tmp_path: Path, run: Run
) -> None:
    command = ["ask", image, "where?"]
    if option.startswith("--parallel"):
        command = ["batch", manifest(tmp_path, 1), "-o", tmp_path / "o.jsonl"]
    asked = run(*command, option, "--model", "tiny")
    assert asked.code == 2
    name = option.partition("=")[0]
    assert f"error: {name} is for models on servers, and tiny runs on this machine" in asked.stderr


def test_refuses_a_server_that_drops_images(box: VisionServer, image: Path, run: Run) -> None:
    box.sees_images = False
    refused = run("ask", image, "where?", "--model", "box")
    assert_error_line(refused, 4, f"images do not reach {MODEL} at {box.url}")
    asked = run("ask", image, "where?", "--model", "box", "--no-image-check")
    assert (asked.code, asked.stdout) == (0, "the answer to where?\n")


def test_doctor_asks_the_servers(box: VisionServer, run: Run) -> None:
    facts = json.loads(run("doctor", "--model", "box", "--json").stdout)["server box"]
    assert facts == {
        "address": box.url,
        "model": MODEL,
        "key": "in VIPLLAVA_KEY_BOX",
        "listed": "yes",
        "images": "arrive: an image adds 300 prompt tokens",
    }
    run("models", "add", "gone", "--url", "http://127.0.0.1:9/v1", "--model", "m")
    facts = json.loads(run("doctor", "--model", "box", "--json").stdout)["server gone"]
    assert "is unreachable: start it, or check the address" in facts["refused"]


test_doctor_asks_the_servers = pytest.mark.model(test_doctor_asks_the_servers)


def test_chats_with_a_server(box: VisionServer, image: Path, run: Run) -> None:
    chat = run("chat", image, "--model", "box", stdin=b"where?\nwhy?\n/stats\n")
    assert chat.stdout.splitlines() == ["the answer to where?", "the answer to why?"]
    assert f"{MODEL} at {box.url}, server" in chat.stderr
    roles = [message["role"] for message in box.bodies[-1]["messages"]]
    assert roles == ["user", "assistant", "user"]


def test_continues_an_answer_that_was_cut_off(box: VisionServer, image: Path, run: Run) -> None:
    box.answers = {
        "Continue your answer": "in the box.",
        "where?": {"content": "It is", "finish_reason": "length"},
    }
    chat = run("chat", image, "--model", "box", stdin=b"where?\n/more\n")
    assert "answer cut off at 5 tokens: /more continues it" in chat.stderr
    assert chat.stdout.splitlines()[-1].endswith("in the box.")


def test_counts_tokens_and_cost_of_a_batch(server: VisionServer, tmp_path: Path, run: Run) -> None:
    run("models", "add", "box", "--url", server.url, "--model", MODEL, "--prices", "100,1000")
    out = tmp_path / "out.jsonl"
    done = run("batch", manifest(tmp_path, 10), "-o", out, "--model", "box", "--batch-size", "4")
    assert done.code == 0
    assert "--batch-size has no effect on a server" in done.stderr
    lines = [line.split(maxsplit=1) for line in done.stderr.splitlines()]
    summary = {text.strip(): number for number, text in lines}
    assert summary["prompt tokens on the server"] == "3540"
    assert summary["answer tokens on the server"] == "60"
    assert summary["cost, by the prices of `models add`"] == "0.4140"
    assert [record["id"] for record in read_records(out)] == [f"r{n}" for n in range(10)]


def test_ends_a_batch_that_no_row_can_continue(box: VisionServer, tmp_path: Path, run: Run) -> None:
    box.ways, box.latency = {"number 5.": ["401"]}, 0.02
    out, rows = tmp_path / "out.jsonl", manifest(tmp_path, 20)
    ended = run("batch", rows, "-o", out, "--model", "box", "--parallel", "2")
    assert ended.code == 4
    assert "answered 401 (no such key): check the key in VIPLLAVA_KEY_BOX" in ended.stderr
    assert (
        len(read_records(out)) == sum(box.answered.values()) - 2
    )  # all answers that came, but the two of the check
    assert run("batch", rows, "-o", out, "--model", "box").code == 0
    assert [record["id"] for record in read_records(out)] == [f"r{n}" for n in range(20)]


@pytest.mark.slow
def test_resumes_a_killed_batch_without_asking_twice(box: VisionServer, tmp_path: Path) -> None:
    box.latency = 0.05
    out, rows = tmp_path / "out.jsonl", manifest(tmp_path, 60)
    command = [sys.executable, "-m", "vipllava_cli", "batch", str(rows), "-o", str(out)]
    command += ["--model", "box", "--parallel", "4", "-q"]
    process = subprocess.Popen(command, env=os.environ)
    deadline = time.monotonic() + 60
    while sum(box.rows().values()) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stored = {record["question"] for record in read_records(out)}
    first = box.rows()
    assert run_in_process(*command[3:]).code == 0
    assert [record["id"] for record in read_records(out)] == [f"r{n}" for n in range(60)]
    asked_twice = {question for question, count in box.rows().items() if count > 1}
    assert not asked_twice & stored
    # Four rows at the server, one that waits for a thread, and one whose answer is about to be written
    assert len(asked_twice) <= 6
    assert len(first) >= 20


@pytest.mark.slow
def test_parallel_requests_are_at_least_twenty_times_as_fast(
    box: VisionServer, tmp_path: Path, run: Run
) -> None:
    """Rows that wait 200 ms for the server take at least that long when asked one by one.

    The server answers when 32 requests wait, so the rounds show how many wait at a time on any machine.
    An idle machine takes 200 ms for each round, and works on other rows meanwhile.
    """
    latency, count, parallel = 0.2, 200, 32
    box.round_size, rows = parallel, manifest(tmp_path, count)
    out = tmp_path / "out.jsonl"
    command = ["batch", rows, "-o", out, "--model", "box", "--parallel", parallel]
    used = time.process_time()
    assert run(*map(str, command), "--no-image-check").code == 0
    used = time.process_time() - used
    assert [record["id"] for record in read_records(out)] == [f"r{n}" for n in range(count)]
    assert box.max_parallel == parallel
    assert box.rounds == math.ceil(count / parallel)
    assert max(box.rounds * latency, used) <= count * latency / 20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "loaded", "absent"),
    [
        ("box", "vipllava_cli.engine.server", "torch"),
        ("tiny", "torch", "vipllava_cli.engine.server"),
    ],
)
def test_loads_only_what_the_model_needs(
    model: str, loaded: str, absent: str, box: VisionServer, image: Path
) -> None:
    program = (
        "import sys; from vipllava_cli.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"sys.exit(10 * ({loaded!r} in sys.modules) + ({absent!r} in sys.modules))"
    )
    command = [sys.executable, "-c", program, "ask", str(image), "what?", "--model", model]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 10


def test_takes_a_key_from_the_keyring(
    box: VisionServer, image: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = ModuleType("keyring")
    keyring.__spec__ = ModuleSpec("keyring", None)
    keyring.get_password = lambda *names: {("vipllava", "box"): KEY}.get(names)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.delenv("VIPLLAVA_KEY_BOX")
    assert "in the keyring" in run("models", "info", "box").stdout
    assert run("ask", image, "where?", "--model", "box").stdout == "the answer to where?\n"
    monkeypatch.delitem(sys.modules, "keyring")
    refused = run("ask", image, "where?", "--model", "box")
    assert_error_line(
        refused, 4, "answered 401 (no such key: None): check the key in VIPLLAVA_KEY_BOX"
    )


def test_reports_choices_without_probabilities(box: VisionServer, tmp_path: Path, run: Run) -> None:
    box.answers = {"exactly one of these choices": "cat"}
    out, page = tmp_path / "out.jsonl", tmp_path / "page.html"
    command = ["batch", manifest(tmp_path, 3), "-o", out, "--model", "box", "--choices", "dog,cat"]
    assert run(*command, "--report", page).code == 0
    assert [record["answer"] for record in read_records(out)] == ["cat"] * 3
    assert "cat" in page.read_text()
    asked = run("ask", tmp_path / "image.png", "--model", "box", "--fields", "pet: dog|cat")
    assert (asked.code, asked.stdout) == (0, "pet  cat\n")
