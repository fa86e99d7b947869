"""`vipllava models`, against a hub on loopback and through the hub's own client."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.conftest import SAMPLES, Run
from tests.support.hub import COMMIT, StandInHub, serving
from vipllava_cli.engine.hub.checkpoints import BUNDLED
from vipllava_cli.engine.hub.registry import PUBLISHED

REPOSITORY = PUBLISHED["7b"].repository
MIB = 1 << 20
ZOO = SAMPLES / "zoo-red-box.png"


def shipped_files() -> dict[str, bytes]:
    """The shipped model as a repository, with files that nobody needs."""
    kept = {path.name: path.read_bytes() for path in BUNDLED["tiny"].iterdir() if path.is_file()}
    return {**kept, "pytorch_model.bin": b"pickle", "notes.pdf": b"%PDF"}


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    """The shipped model under the name of the public 7B."""
    with serving(StandInHub(REPOSITORY, shipped_files())) as hub:
        yield hub


@pytest.fixture
def environment(hub: StandInHub, tmp_path: Path) -> dict[str, str]:
    return os.environ | {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "VIPLLAVA_HOME": str(tmp_path / "home"),
    }


@pytest.fixture
def online(hub: StandInHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process find that hub, too: what the client read from the environment is replaced."""
    monkeypatch.setenv("VIPLLAVA_HOME", str(tmp_path / "home"))
    for name, value in {
        "HF_HUB_CACHE": str(tmp_path / "hf" / "hub"),
        "HF_HUB_OFFLINE": False,
        "ENDPOINT": hub.endpoint,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}",
    }.items():
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)


@pytest.mark.usefixtures("online")
def test_a_model_is_fetched_chosen_asked_and_removed(
    hub: StandInHub, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "not fetched" in line_of(run("models", "list").stdout, "7b")
    fetched = run("models", "pull", "7b")
    assert (fetched.code, fetched.stdout) == (0, ""), fetched.stderr
    names = {name for name, _, _ in hub.asked}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not names & {"pytorch_model.bin", "notes.pdf", "README.md"}

    assert run("models", "use", "7b").code == 0
    listed = run("models", "list").stdout
    assert line_of(listed, "7b").startswith("*")
    assert COMMIT in line_of(listed, "7b")
    assert "whole" in run("models", "info", "7b").stdout
    with monkeypatch.context() as offline:
        offline.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        answered = run("ask", ZOO, "what is in the red box?", "--json")
    record = json.loads(answered.stdout)
    assert (record["model"], record["revision"]) == ("7b", COMMIT)
    assert (record["answer"], answered.stderr) == ("a penguin", "")

    assert run("models", "remove", "7b").code == 2  # nobody is there to ask
    assert run("models", "remove", "7b", "--yes").code == 0
    assert "not fetched" in line_of(run("models", "list").stdout, "7b")


@pytest.mark.usefixtures("online")
def test_a_download_that_was_killed_goes_on_where_it_stopped(
    hub: StandInHub, run: Run, environment: dict[str, str]
) -> None:
    weights = 12 * MIB * 3 + 5  # the client writes 10 MiB at a time
    hub.files["model.safetensors"] = hub.files["model.safetensors"].ljust(weights, b"\0")
    hub.cut_after, hub.stall = 25 * MIB, True
    command = [sys.executable, "-m", "vipllava_cli", "models", "pull", "7b"]
    first = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    home = Path(environment["HF_HOME"])
    for _ in range(600):
        parts = list(home.rglob("*.incomplete"))
        if parts and parts[0].stat().st_size >= 20 * MIB:
            break
        time.sleep(0.05)
    first.kill()
    first.wait()
    assert "models pull 7b` fetches the rest" in run("ask", ZOO, "what?", "--model", "7b").stderr
    hub.asked.clear()
    assert run("models", "pull", "7b").code == 0
    assert [ask for ask in hub.asked if ask[0] == "model.safetensors"] == [
        ("model.safetensors", 20 * MIB, weights - 20 * MIB)
    ]
    [blob] = [path for path in home.rglob("model.safetensors") if path.is_file()]
    assert blob.read_bytes() == hub.files["model.safetensors"]
    hub.asked.clear()
    assert run("models", "pull", "7b").code == 0
    assert hub.sent("model.safetensors") == 0


@pytest.mark.usefixtures("online")
def test_a_line_that_goes_dead_is_taken_up_within_the_run(hub: StandInHub, run: Run) -> None:
    hub.files["model.safetensors"] = hub.files["model.safetensors"].ljust(12 * MIB, b"\0")
    hub.cut_after = 11 * MIB
    assert run("models", "pull", "7b").code == 0
    assert [first for name, first, _ in hub.asked if name == "model.safetensors"] == [0, 10 * MIB]


@pytest.mark.usefixtures("online")
def test_a_file_that_arrives_damaged_is_found(hub: StandInHub, run: Run) -> None:
    hub.damaged = True
    said = run("models", "pull", "7b")
    assert said.code == 4
    assert "model.safetensors of 7b did not arrive as published" in said.stderr
    hub.damaged = False
    assert run("models", "pull", "7b").code == 0


@pytest.mark.usefixtures("online")
def test_a_file_that_was_damaged_on_the_disk_is_found(run: Run, tmp_path: Path) -> None:
    run("models", "pull", "7b")
    [weights] = [path for path in tmp_path.rglob("model.safetensors") if path.is_file()]
    with weights.open("r+b") as file:
        file.seek(1000)
        file.write(b"\xff\xff")
    again = run("models", "pull", "7b")
    assert again.code == 0
    assert "model.safetensors was damaged" in again.stderr


@pytest.mark.usefixtures("online")
def test_no_room_is_found_before_the_first_byte(hub: StandInHub, run: Run) -> None:
    hub.claimed = {"model.safetensors": 10**15}
    said = run("models", "pull", "7b", "--yes")
    assert said.code == 3
    assert "has no room" in said.stderr
    assert "1.0 PB" in said.stderr
    assert hub.sent("model.safetensors") == 0


@pytest.mark.usefixtures("online")
def test_gigabytes_are_asked_for(hub: StandInHub, run: Run) -> None:
    hub.claimed = {"model.safetensors": 2 * 10**9}
    said = run("models", "pull", "7b")
    assert said.code == 2
    assert "download 2.0 GB" in said.stderr
    assert "--yes" in said.stderr
    assert hub.sent("model.safetensors") == 0


@pytest.mark.usefixtures("online")
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_person_is_asked_before_gigabytes_and_before_a_model_goes(
    hub: StandInHub, run: Run, environment: dict[str, str]
) -> None:
    assert run("models", "pull", "7b").code == 0
    said = at_a_terminal(environment, b"\n", "models", "remove", "7b")
    assert "delete 14.3 MB" in said
    assert "cancelled: the answer was not y" in said
    assert run("models", "info", "7b").stdout.count("whole") == 1
    assert "removed llava-hf" in at_a_terminal(environment, b"y\n", "models", "remove", "7b")
    hub.claimed = {"model.safetensors": 2 * 10**9}
    hub.asked.clear()
    said = at_a_terminal(environment, b"no\n", "models", "pull", "7b")
    assert "download 2.0 GB of llava-hf/vip-llava-7b-hf?" in said
    assert hub.sent("model.safetensors") == 0


def at_a_terminal(environment: dict[str, str], typed: bytes, *arguments: str) -> str:
    """What a person sees who types this at the question, on one line."""
    import pty

    process_id, terminal = pty.fork()
    if process_id == 0:
        command = [sys.executable, "-m", "vipllava_cli", *arguments]
        os.execve(sys.executable, command, {**environment, "TERM": "dumb"})
    seen = b""
    while True:
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:
            break
        if not data:
            break
        if b"[y/N]" in data:
            os.write(terminal, typed)
        seen += data
    os.waitpid(process_id, 0)
    os.close(terminal)
    return " ".join(seen.decode().split())


def other_architecture(hub: StandInHub) -> None:
    config = json.loads(hub.files["config.json"])
    hub.files["config.json"] = json.dumps({**config, "model_type": "llava"}).encode()


def no_safetensors(hub: StandInHub) -> None:
    del hub.files["model.safetensors"]


def gated(hub: StandInHub) -> None:
    hub.gated = True


def nothing(hub: StandInHub) -> None:
    pass


def offline(hub: StandInHub) -> None:
    constants.HF_HUB_OFFLINE = True


def unreachable(hub: StandInHub) -> None:
    constants.ENDPOINT = "http://127.0.0.1:9"


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize(
    ("harm", "arguments", "said"),
    [
        (gated, ["7b"], "is gated: accept its terms at"),
        (nothing, ["some/other"], "there is no model some/other on the hub"),
        (nothing, ["7b", "--revision", "v9"], "has no revision v9"),
        (offline, ["7b"], "HF_HUB_OFFLINE is set"),
        (unreachable, ["7b"], "cannot be fetched from http"),
        (other_architecture, ["7b"], "llava model: expected a vipllava"),
        (no_safetensors, ["7b"], "no safetensors"),
    ],
)
def test_what_cannot_be_fetched_is_one_line_before_the_weights(
    hub: StandInHub,
    run: Run,
    harm: Callable[[StandInHub], None],
    arguments: list[str],
    said: str,
) -> None:
    harm(hub)
    ended = run("models", "pull", *arguments)
    assert ended.code == 4
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert hub.sent("model.safetensors") == 0


# --- the choice ------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIPLLAVA_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


def test_the_flag_goes_before_the_variable_and_that_before_the_settings(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("models", "use", "somebody/something", "--revision", "v2").code == 0
    ask = ("ask", ZOO, "what is in the red box?")
    assert "somebody/something at revision v2" in run(*ask).stderr
    monkeypatch.setenv("VIPLLAVA_MODEL", "somebody/else")
    assert "somebody/else is not" in run(*ask).stderr
    assert run(*ask, "--model", "tiny").stdout == "a penguin\n"
    monkeypatch.delenv("VIPLLAVA_MODEL")
    assert run("models", "use", "tiny").code == 0
    answered = run(*ask)
    assert (answered.stdout, answered.stderr) == ("a penguin\n", "")


@pytest.mark.parametrize("text", ["{", '{"modell": "7b"}', '{"model": 7}', "[]"])
def test_settings_that_cannot_be_read_are_one_line(run: Run, home: Path, text: str) -> None:
    (home / "config").mkdir()
    (home / "config" / "settings.json").write_text(text)
    said = run("ask", ZOO, "what is in the red box?")
    assert said.code == 2
    assert "settings.json cannot be read" in said.stderr
    assert said.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("use", "gpt"), 4, "there is no model 'gpt'"),
        (("remove", "tiny"), 2, "part of this package"),
        (("remove", "7b"), 4, "llava-hf/vip-llava-7b-hf is not downloaded"),
        (("pull", "tiny"), 2, "part of this package"),
        (("info", "gpt"), 4, "there is no model 'gpt'"),
        (("info", "somebody/something"), 4, "vipllava models pull somebody/something"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    run: Run, home: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ended = run("models", *arguments)
    assert (ended.code, ended.stdout) == (code, "")
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_public_model_is_described_before_it_is_here(run: Run, home: Path) -> None:
    described = run("models", "info", "13b").stdout
    for fact in ("13,372,476,416", "26.7 GB", "llava-hf/vip-llava-13b-hf", "Llama 2"):
        assert fact in described
    listed = run("models", "list").stdout
    assert "7.1 million" in line_of(listed, "tiny")
    assert "7.1 billion" in line_of(listed, "7b")


def line_of(table: str, name: str) -> str:
    """The row of a model."""
    return next(line for line in table.splitlines() if name in line.replace("*", " ").split()[:1])
