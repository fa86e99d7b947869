"""What a shell completes: the protocol of the scripts of bash, zsh and fish."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SAMPLES
from vipllava_cli.engine.hub.families import FAMILIES

EXAMPLES = [row.example for row in FAMILIES.values() if row.model_type != "vipllava"]
ZOO = str(SAMPLES / "zoo-red-box.png")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache with a VipLlava model and another one."""
    for name, kind in (("ann--my-vip", "vipllava"), ("other--bert", "bert")):
        folder = tmp_path / "hub" / f"models--{name}" / "snapshots" / "abc"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    return tmp_path


def complete(cache: Path, *words: str) -> list[str]:
    """Return the completions of the last word, as bash asks for them, without heavy imports."""
    program = (
        "import sys\n"
        "from vipllava_cli.cli.app import app\n"
        "try:\n"
        "    app(prog_name='vipllava')\n"
        "finally:\n"
        "    print('torch' in sys.modules or 'huggingface_hub.errors' in sys.modules)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "HF_HOME": str(cache),
            "_VIPLLAVA_COMPLETE": "complete_bash",
            "COMP_WORDS": "\n".join(("vipllava", *words)),
            "COMP_CWORD": str(len(words)),
        },
    )
    *found, is_heavy = ended.stdout.splitlines()
    assert (ended.returncode, is_heavy, ended.stderr) == (0, "False", "")
    return [line for line in found if line]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ask", ZOO, "q", "--model", ""], ["tiny", "7b", "13b", "ann/my-vip"]),
        (["ask", ZOO, "q", "-m", "1"], ["13b"]),
        (["ask", ZOO, "q", "--model", "=", "1"], ["13b"]),  # bash splits --model=1
        ([ZOO, "q", "--model", "t"], ["tiny"]),
        ([ZOO, "q", "--ell"], ["--ellipse"]),
        (["models", "use", "a"], ["ann/my-vip"]),
        (["models", "info", "t"], ["tiny"]),
        (["models", "pull", ""], ["7b", "13b", "ann/my-vip", *EXAMPLES]),
        (["models", "pull", "google/"], ["google/gemma-3-4b-it", "google/paligemma2-3b-mix-224"]),
        (["models", "remove", ""], ["ann/my-vip"]),
        (["plan", "7"], ["7b"]),
        (["help", "models", "p"], ["pull"]),
        (["help", "conf"], ["config"]),
        (["config", "set", "te"], ["template"]),
        (["config", "set", "template", ""], ["auto", "human", "vicuna", "chat"]),
        (["config", "set", "model", "t"], ["tiny"]),
        (["config", "set", "max-new-tokens", ""], []),
        (["ask", "sample_im"], []),  # the shell completes files
    ],
)
def test_bash_completes(cache: Path, words: list[str], expected: list[str]) -> None:
    assert complete(cache, *words) == expected


@pytest.mark.parametrize(
    ("typed", "first", "last"),
    [("vipllava ", "ask", "config"), ("vipllava ask cat.jpg --", "--box", "--help")],
)
def test_fish_gets_one_line_for_each_completion(typed: str, first: str, last: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "vipllava_cli"],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "_VIPLLAVA_COMPLETE": "complete_fish",
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            "_TYPER_COMPLETE_ARGS": typed,
        },
    )
    words = [line.partition("\t")[0] for line in ended.stdout.splitlines()]
    assert (words[0], words[-1]) == (first, last)
    assert not [word for word in words if " " in word or "=" in word]
    assert len(words) == len(set(words)) == ended.stdout.count("\t")


def test_a_damaged_settings_file_does_not_disturb(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cache / "config").mkdir()
    (cache / "config" / "settings.json").write_text("[")
    monkeypatch.setenv("VIPLLAVA_HOME", str(cache))
    assert complete(cache, "ask", ZOO, "q", "--template", "v") == ["vicuna"]
