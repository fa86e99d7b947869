"""Every shell block of the documentation runs, page by page, and prints what the page shows."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.docs.test_docs import page_id
from tests.support import hub as hubs
from tests.support import judge, vision_server
from tests.support.docs_folder import VISION_SERVER, Shell, open_shell
from tests.support.family_checkpoints import make_family_checkpoint
from tests.support.pages import PAGES, Example, Page
from vipllava_cli.engine.hub.registry import BUNDLED, PUBLISHED

pytestmark = pytest.mark.model
pytest_plugins = ("tests.support.hub_fixtures",)

# Programs whose lines do not run here, and the reason.
OTHER_PROGRAMS = {
    "make": "`make` installs this environment and runs these tests; see tests/test_makefile.py",
    "bash": "measures on a machine with a GPU",
    "pip": "installs packages",
    "apt-get": "installs packages",
    "python": "builds a wheel, or makes an environment",
    "python3": "makes an environment",
    "/tmp/release/bin/pip": "installs the wheel of a release",
    "/tmp/release/bin/vipllava": "runs the wheel of a release",
    ".": "activates an environment",
    "ollama": "needs Ollama, and downloads gigabytes",
    "lms": "needs LM Studio",
    "llama-server": "needs llama.cpp and a model",
    "vllm": "needs vLLM, and downloads gigabytes",
    "transformers": "serves until it is stopped; tests/cli/test_served_model.py serves a model",
    ".venv/bin/pip": "installs packages",
    ".venv/bin/pytest": "runs tests",
    ".venv/bin/torchrun": "trains for hours; tests/training/test_train.py trains for seconds",
    ".venv/bin/python": "trains for hours; tests/training/test_train.py trains for seconds",
}

# The answer of the stand-in to a question for boxes.
POINTING = '[{"bbox_2d": [200, 300, 400, 500], "label": "car"}]'

OTHER_FAMILY = "Qwen/Qwen2.5-VL-3B-Instruct"  # of models.md

PICK = "--pick"  # needs a person with a mouse; tests/cli/picker/ drives the window


def program(line: str) -> str:
    """Return the program that the last command of a pipe runs."""
    return re.sub(r"'[^']*'", "''", line).rpartition("|")[2].split(maxsplit=1)[0]


def examples(page: Page) -> list[Example]:
    """Return the blocks of a page that run `vipllava` and need no mouse."""
    return [
        example
        for example in page.examples()
        if not any(program(line) in OTHER_PROGRAMS or PICK in line for line in example.lines)
    ]


TESTED = [page for page in PAGES if page.path.name != "releasing.md" and examples(page)]


class PagesHandler(hubs.Handler):
    """Answers as a hub with the models of the pages: `7b`, and a random one of another family."""

    models: Mapping[str, hubs.StandInHub]

    def do_HEAD(self) -> None:
        self._choose_model()
        super().do_HEAD()

    def do_GET(self) -> None:
        self._choose_model()
        super().do_GET()

    def _choose_model(self) -> None:
        name = OTHER_FAMILY if f"/{OTHER_FAMILY}/" in self.path else PUBLISHED["7b"].repository
        self.hub = self.models[name]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[hubs.StandInHub]:
    """Serve the shipped model as `7b`, and a random model of another family."""
    folders = {
        PUBLISHED["7b"].repository: BUNDLED["tiny"],
        OTHER_FAMILY: make_family_checkpoint("qwen2_5_vl", tmp_path / "other_family"),
    }
    models = {
        name: hubs.StandInHub(
            name, {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        )
        for name, folder in folders.items()
    }
    handler = type("ModelsHandler", (PagesHandler,), {"models": models})
    with hubs.serving(models[PUBLISHED["7b"].repository], handler) as served:
        yield served


@pytest.fixture
def shell(tmp_path: Path, environment: dict[str, str]) -> Iterator[Shell]:
    """Open a shell in which `7b` is the shipped model, the judge gives every answer 1.0, and a
    stand-in for Ollama runs.
    """
    with (
        judge.serving(judge.JudgeServer(grade="1.0")) as server,
        vision_server.serving(
            vision_server.VisionServer(model="qwen3-vl", answers={"Where are the": POINTING})
        ) as ollama,
    ):
        servers = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "key"}
        servers[VISION_SERVER] = ollama.url
        yield open_shell(tmp_path, {**environment, **servers, "TERM": "xterm-256color"})


@pytest.mark.slow
@pytest.mark.parametrize("page", TESTED, ids=page_id)
def test_the_commands_of_a_page_run_one_after_the_other(page: Page, shell: Shell) -> None:
    lines = [line for example in examples(page) for line in example.lines]
    if needs_download(lines):
        assert shell.run("vipllava models pull 7b").code == 0
    for example in examples(page):
        is_refused = (example.output or "").startswith("error: ")
        printed = ""
        for line in example.lines:
            finished = shell.run(line)
            assert (finished.code != 0) == is_refused, f"{line}\n{finished}"
            printed += finished.stderr if is_refused else finished.stdout
        assert example.output is None or printed == example.output, example


def needs_download(lines: list[str]) -> bool:
    """Return whether a page uses the model `7b` before it downloads it."""
    uses = [line for line in lines if " 7b" in line and not line.startswith("vipllava plan")]
    return bool(uses) and not uses[0].startswith("vipllava models pull")


def test_pages_show_outputs() -> None:
    assert sum(example.output is not None for page in TESTED for example in page.examples()) >= 4


def test_a_line_that_does_not_run_has_a_reason() -> None:
    programs = {
        program(line)
        for page in PAGES
        if page.path.name != "releasing.md"
        for example in page.examples()
        for line in example.lines
    }
    assert programs - {"vipllava"} <= set(OTHER_PROGRAMS)


@pytest.mark.parametrize("line", ["vipllava ask nothing.jpg 'what is it?'", "vipllava nonesuch"])
def test_a_line_that_fails_is_noticed(line: str, shell: Shell) -> None:
    assert shell.run(line).code in (2, 3)
