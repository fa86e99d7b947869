"""The notices of `tiny`: what it knows, once a day; and a warning about a photograph, each time."""

import os
import re
import shlex
import shutil
import time
from pathlib import Path

import pytest

from tests.conftest import SAMPLES, Run
from vipllava_cli.engine.hub.registry import BUNDLED

pytestmark = [pytest.mark.model, pytest.mark.usefixtures("opened_once")]

PHOTO, CLIP_ART = SAMPLES / "cat.jpg", SAMPLES / "zoo-red-box.png"
QUESTION = "what is in the red box?"
WARNING = (
    f"warning: {PHOTO} looks like a photograph: tiny knows only clip-art, and its answers mean"
    " nothing; for photographs: `vipllava models pull 7b` (14.2 GB), then `--model 7b`\n"
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a settings folder and a hub cache that are empty."""
    monkeypatch.setenv("VIPLLAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "home"


def yesterday(home: Path) -> None:
    """Move the clock: make the last note a day older."""
    [stamp] = (home / "state").iterdir()
    moment = time.time() - 25 * 60 * 60
    os.utime(stamp, (moment, moment))


def test_the_note_about_tiny_comes_once_a_day(run: Run, home: Path) -> None:
    ask = ("ask", CLIP_ART, QUESTION)
    assert run(*ask, "-q").stderr == ""  # takes no turn
    first = run(*ask)
    assert first.stdout == "a penguin\n"
    assert first.stderr.startswith("note: using the default model tiny, which knows only clip-art")
    assert first.stderr.count("\n") == 1
    assert run(*ask).stderr == ""
    yesterday(home)
    assert run(*ask).stderr == first.stderr


def test_the_note_names_a_command_that_hides_it(run: Run, home: Path) -> None:
    ask = ("ask", CLIP_ART, QUESTION)
    *_, hide = re.findall(r"`vipllava ([^`]+)`", run(*ask).stderr)
    yesterday(home)
    assert run(*shlex.split(hide)).code == 0
    assert run(*ask).stderr == ""


def test_a_photograph_is_warned_of_each_time_and_clip_art_never(run: Run) -> None:
    ask = ("ask", PHOTO, "what is it?", "--model", "tiny")
    for _ in range(2):
        assert run(*ask).stderr == WARNING
    assert run(*ask, "-q").stderr == ""
    marked = run("ask", CLIP_ART, "what is {1}?", "--box", "10,10,90,90", "--model", "tiny")
    assert marked.stderr == ""


def test_another_model_is_not_warned_about(run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(BUNDLED["tiny"], tmp_path / "model")
    assert run("ask", PHOTO, "what is it?", "--model", folder).stderr == ""


def test_a_model_that_is_on_the_machine_is_not_to_be_downloaded(run: Run, tmp_path: Path) -> None:
    root = tmp_path / "hub" / "models--llava-hf--vip-llava-7b-hf"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text("0123abc")
    shutil.copytree(BUNDLED["tiny"], root / "snapshots" / "0123abc")
    warned = run("ask", PHOTO, "what is it?").stderr
    assert "for photographs: `vipllava models use 7b`;" in warned
    assert "for photographs: `--model 7b`\n" in warned
    assert "pull" not in warned


def test_a_chat_warns_once_for_each_image(run: Run) -> None:
    wide = SAMPLES / "coffee-wide.jpg"
    lines = f"what is it?\n/image {wide}\nand this?\n/image {PHOTO}\n/image {CLIP_ART}\nand this?\n"
    chat = run("chat", PHOTO, "--model", "tiny", stdin=lines.encode())
    warnings = [line for line in chat.stderr.splitlines() if line.startswith("warning")]
    assert [line.split()[1] for line in warnings] == [str(PHOTO), str(wide)]


def test_a_batch_warns_once_with_the_number_of_photographs(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    batch = ("batch", SAMPLES, "--out", out, "--model", "tiny", "--question", "what is it?")
    warnings = [line for line in run(*batch).stderr.splitlines() if line.startswith("warning")]
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: 3 of 10 images look like photographs: tiny knows only")
    assert "warning" not in run(*batch).stderr  # nothing was asked


def test_a_damaged_photograph_is_one_error(run: Run, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(PHOTO.read_bytes()[:5000])
    result = run("ask", damaged, "what is it?", "--model", "tiny")
    assert result.code == 3
    assert result.stderr.count("\n") == 1
