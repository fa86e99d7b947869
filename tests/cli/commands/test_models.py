"""`vipllava models`, against a stand-in for the hub."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants
from safetensors.numpy import load, save

from tests.conftest import SAMPLES, Run
from tests.support.hub import COMMIT, StandInHub

pytestmark = pytest.mark.slow

pytest_plugins = ("tests.support.hub_fixtures",)

MIB = 1 << 20
ZOO = SAMPLES / "zoo-red-box.png"


@pytest.mark.usefixtures("online")
def test_a_killed_download_resumes_where_it_stopped(
    hub: StandInHub, run: Run, environment: dict[str, str]
) -> None:
    values = load(hub.files["model.safetensors"])
    hub.files["model.safetensors"] = save(
        {name: each.astype("f4") for name, each in values.items()}
    )
    weights = len(hub.files["model.safetensors"])
    hub.cut_after, hub.stall = 25 * MIB, True
    command = [sys.executable, "-m", "vipllava_cli", "models", "pull", "7b"]
    first = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    home = Path(environment["HF_HOME"])
    for _ in range(600):
        parts = list(home.rglob("*.incomplete"))
        if parts and parts[0].stat().st_size >= 25 * MIB:
            break
        time.sleep(0.05)
    first.kill()
    first.wait()
    assert "models pull 7b` downloads the rest" in run("ask", ZOO, "what?", "--model", "7b").stderr
    hub.asked.clear()
    assert run("models", "pull", "7b").code == 0
    assert [ask for ask in hub.asked if ask[0] == "model.safetensors"] == [
        ("model.safetensors", 25 * MIB, weights - 25 * MIB)
    ]
    [blob] = [path for path in home.rglob("model.safetensors") if path.is_file()]
    assert blob.read_bytes() == hub.files["model.safetensors"]
    hub.asked.clear()
    assert run("models", "pull", "7b").code == 0
    assert hub.sent("model.safetensors") == 0


@pytest.mark.usefixtures("online")
def test_a_connection_that_drops_is_resumed_within_the_run(hub: StandInHub, run: Run) -> None:
    hub.files["model.safetensors"] = hub.files["model.safetensors"].ljust(12 * MIB, b"\0")
    hub.cut_after = 11 * MIB
    assert run("models", "pull", "7b").code == 0
    assert [first for name, first, _ in hub.asked if name == "model.safetensors"] == [
        0,
        11 * MIB,
    ]


@pytest.mark.usefixtures("online")
def test_a_file_that_arrives_damaged_is_an_error(hub: StandInHub, run: Run) -> None:
    hub.damaged = True
    result = run("models", "pull", "7b")
    assert result.code == 4
    assert "model.safetensors of 7b has a wrong checksum" in result.stderr
    hub.damaged = False
    assert run("models", "pull", "7b").code == 0


@pytest.mark.usefixtures("online")
def test_a_file_that_the_disk_damaged_is_downloaded_again(run: Run, tmp_path: Path) -> None:
    run("models", "pull", "7b")
    [weights] = [path for path in tmp_path.rglob("model.safetensors") if path.is_file()]
    with weights.open("r+b") as file:
        file.seek(1000)
        file.write(b"\xff\xff")
    again = run("models", "pull", "7b")
    assert again.code == 0
    assert "model.safetensors was damaged" in again.stderr


@pytest.mark.usefixtures("online")
def test_the_advice_after_a_download_names_its_revision(run: Run) -> None:
    pulled = run("models", "pull", "7b", "--revision", COMMIT).stderr
    assert f"`vipllava models use 7b --revision {COMMIT}`" in pulled
    assert "note:" not in run("models", "use", "7b", "--revision", COMMIT).stderr


@pytest.mark.usefixtures("online")
def test_a_full_disk_is_found_before_the_first_byte(hub: StandInHub, run: Run) -> None:
    hub.claimed = {"model.safetensors": 10**15}
    result = run("models", "pull", "7b", "--yes")
    assert result.code == 3
    assert "has too little space" in result.stderr
    assert "1.0 PB" in result.stderr
    assert hub.sent("model.safetensors") == 0


@pytest.mark.usefixtures("online")
def test_gigabytes_need_a_yes(hub: StandInHub, run: Run) -> None:
    hub.claimed = {"model.safetensors": 2 * 10**9}
    result = run("models", "pull", "7b")
    assert result.code == 2
    assert "download 2.0 GB" in result.stderr
    assert "--yes" in result.stderr
    assert hub.sent("model.safetensors") == 0


@pytest.mark.usefixtures("online")
@pytest.mark.terminal
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_person_is_asked_before_gigabytes_and_before_a_removal(
    hub: StandInHub, run: Run, environment: dict[str, str]
) -> None:
    assert run("models", "pull", "7b").code == 0
    output = run_at_terminal(environment, b"\n", "models", "remove", "7b")
    assert "delete 14.3 MB" in output
    assert "cancelled: the answer was not y" in output
    assert run("models", "info", "7b").stdout.count("complete") == 1
    assert "removed llava-hf" in run_at_terminal(environment, b"y\n", "models", "remove", "7b")
    hub.claimed = {"model.safetensors": 2 * 10**9}
    hub.asked.clear()
    output = run_at_terminal(environment, b"no\n", "models", "pull", "7b")
    assert "download 2.0 GB of llava-hf/vip-llava-7b-hf?" in output
    assert hub.sent("model.safetensors") == 0


def run_at_terminal(environment: dict[str, str], typed: bytes, *arguments: str) -> str:
    """Run in a terminal and answer the question. Returns the output on one line."""
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
    hub.files["config.json"] = json.dumps({**config, "model_type": "blip-2"}).encode()


def no_safetensors(hub: StandInHub) -> None:
    del hub.files["model.safetensors"]


def original_format(hub: StandInHub) -> None:
    """The layout of mucai/vip-llava-7b: LLaVA's own config.json, and pickle weights."""
    config = json.loads(hub.files["config.json"])
    changed = {**config, "model_type": "llava", "mm_vision_tower": "openai/clip"}
    hub.files["config.json"] = json.dumps(changed).encode()
    del hub.files["model.safetensors"]


def adapter_only(hub: StandInHub) -> None:
    del hub.files["config.json"]
    hub.files["adapter_config.json"] = b"{}"


def gated(hub: StandInHub) -> None:
    hub.gated = True


def no_change(hub: StandInHub) -> None:
    pass


def offline(hub: StandInHub) -> None:
    constants.HF_HUB_OFFLINE = True


def unreachable(hub: StandInHub) -> None:
    constants.ENDPOINT = "http://127.0.0.1:9"


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (gated, ["7b"], "is gated: accept its terms at"),
        (no_change, ["some/other"], "there is no model some/other on the hub"),
        (no_change, ["7b", "--revision", "v9"], "has no revision v9"),
        (offline, ["7b"], "HF_HUB_OFFLINE is set"),
        (unreachable, ["7b"], "cannot be downloaded from http"),
        (other_architecture, ["7b"], "model type 'blip-2': expected a checkpoint of ViP-LLaVA"),
        (no_safetensors, ["7b"], "no safetensors"),
        (original_format, ["7b"], "original format of LLaVA, which is not loaded: use 7b"),
        (adapter_only, ["7b"], "holds only a LoRA adapter"),
    ],
)
def test_a_model_that_cannot_be_downloaded_is_one_line(
    hub: StandInHub,
    run: Run,
    change: Callable[[StandInHub], None],
    arguments: list[str],
    message: str,
) -> None:
    change(hub)
    ended = run("models", "pull", *arguments)
    assert ended.code == 4
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert hub.sent("model.safetensors") == 0


# --- the choice of a model ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["{", '{"model": "7b", "revision": 1}', '{"model": 7}', "[]"])
def test_unreadable_settings_are_one_line(run: Run, home: Path, text: str) -> None:
    (home / "config").mkdir()
    (home / "config" / "settings.json").write_text(text)
    result = run("ask", ZOO, "what is in the red box?")
    assert result.code == 2
    assert "settings.json cannot be read" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("use", "gpt"), 4, "there is no model 'gpt'"),
        (("use", "gpt-4o"), 4, "runs on its maker's servers"),
        (("use", "mucai/vip-llava-7b"), 4, "original format of LLaVA, which is not loaded: use 7b"),
        (("pull", "tinny"), 4, "did you mean tiny?"),
        (("remove", "tiny"), 2, "part of this package"),
        (("remove", "7b"), 4, "llava-hf/vip-llava-7b-hf is not downloaded"),
        (("pull", "tiny"), 2, "part of this package"),
        (("info", "gpt"), 4, "there is no model 'gpt'"),
        (("info", "somebody/something"), 4, "vipllava models pull somebody/something"),
    ],
)
def test_an_invalid_command_is_one_line(
    run: Run, home: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    ended = run("models", *arguments)
    assert (ended.code, ended.stdout) == (code, "")
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_public_model_is_described_before_it_is_downloaded(run: Run, home: Path) -> None:
    described = run("models", "info", "13b").stdout
    for fact in ("13,372,476,416", "26.7 GB", "llava-hf/vip-llava-13b-hf", "Llama 2"):
        assert fact in described
    listed = run("models", "list").stdout
    assert "7.1 million" in line_of(listed, "tiny")
    assert "7.1 billion" in line_of(listed, "7b")


def line_of(table: str, name: str) -> str:
    """Return the row of a model."""
    return next(line for line in table.splitlines() if name in line.replace("*", " ").split()[:1])
