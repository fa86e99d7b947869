"""The commands that the pages show run, each as a user types it."""

import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import ROOT, SAMPLES, Run
from tests.support.pages import USER_PAGES

pytestmark = [pytest.mark.model, pytest.mark.usefixtures("opened_once")]

# These need the network, or a model that was downloaded; `test_models.py` runs them against a hub.
_NEEDS_A_HUB = {("models", "pull"), ("models", "remove")}

# The page shows the refusal, and `test_examples.py` compares it.
_REFUSED = ["plan", "13b", "--quantize", "nf4", "--max-memory", "0=8GiB,cpu=20GiB"]

_COMMAND = re.compile(r"^(?:    |\$ |    \$ )?(vipllava (?!COMMAND).*?)(?: +#.*)?$", re.MULTILINE)


def commands(source: str) -> list[list[str]]:
    """Return the command lines of a page, without those that need a hub."""
    found = (shlex.split(line)[1:] for line in _COMMAND.findall(source.replace("\\\n", " ")))
    return [words for words in found if tuple(words[:2]) not in _NEEDS_A_HUB]


README = commands((ROOT / "README.md").read_text())
PLANS = [
    words
    for page in USER_PAGES
    for words in commands(page.source)
    if words[0] in {"plan", "models"} and page.path.name not in {"commands.md", "README.md"}
]


@pytest.fixture(autouse=True)
def _empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a settings folder and a hub cache that are empty."""
    monkeypatch.setenv("VIPLLAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """Work in a folder with the files that the commands name."""
    (tmp_path / "sample_images").symlink_to(SAMPLES)
    (tmp_path / "photo.jpg").write_bytes((SAMPLES / "cat.jpg").read_bytes())
    record = run("ask", SAMPLES / "farm.png", "what is there?", "--json", "--model", "tiny").stdout
    for name in ("results.jsonl", "before.jsonl", "after.jsonl"):
        (tmp_path / name).write_text(record)
    monkeypatch.chdir(tmp_path)


def test_the_commands_are_found() -> None:
    subcommands = {words[0] for words in README}
    assert subcommands >= {"ask", "annotate", "batch", "chat", "report", "compare", "eval", "plan"}
    assert len(PLANS) >= 5


@pytest.mark.slow
@pytest.mark.usefixtures("_files")
@pytest.mark.parametrize("words", README, ids=shlex.join)
def test_a_command_of_the_readme_runs(run: Run, words: list[str]) -> None:
    if words[:2] == ["eval", "clipart"]:
        words = [*words, "--n", "2"]  # 200 scenes take minutes
    if words[0] == "batch":
        Path("results.jsonl").unlink()
    finished = run(*words, stdin=b"what is it?\n")
    assert finished.code == 0, finished.stderr


@pytest.mark.parametrize("words", PLANS, ids=shlex.join)
def test_a_command_about_models_runs(run: Run, words: list[str]) -> None:
    finished = run(*words)
    assert finished.code == (4 if words == _REFUSED else 0), finished.stderr
    assert finished.stdout or finished.stderr
