"""The examples of the documentation run and print what the pages show, on the shipped model."""

import ast
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT, SAMPLES, Run
from tests.support.pages import USER_PAGES, Page

pytestmark = pytest.mark.model

NOTEBOOK = ROOT / "docs/notebook.ipynb"

# A command and its output: two fenced blocks, or a prompt and what follows it in an indented block.
_FENCED = re.compile(
    r"^```sh\nvipllava ([^\n]*)\n```\n\n```text\n(.*?)^```", re.MULTILINE | re.DOTALL
)
_INDENTED = re.compile(r"^    \$ vipllava (ask .*)\n((?:    [^$\n].*\n)+)", re.MULTILINE)
_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)

OUTPUTS = [
    (command, re.sub(r"^    ", "", output, flags=re.MULTILINE))
    for page in USER_PAGES
    for form in (_FENCED, _INDENTED)
    for command, output in form.findall(page.source)
]


@pytest.mark.usefixtures("opened_once")
@pytest.mark.parametrize(("command", "output"), OUTPUTS, ids=[command for command, _ in OUTPUTS])
def test_a_command_prints_the_output_that_is_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str, output: str
) -> None:
    monkeypatch.chdir(ROOT)
    finished = run(*shlex.split(command))
    if output.startswith("error: "):
        assert (finished.stdout, finished.stderr) == ("", output)
        assert finished.code
    else:
        assert (finished.code, finished.stdout) == (0, output), finished.stderr


def test_there_are_commands_with_output_on_several_pages() -> None:
    assert len(OUTPUTS) >= 4


@pytest.mark.parametrize("page", [page for page in USER_PAGES if _PYTHON.search(page.source)])
def test_the_python_code_of_a_page_runs(
    page: Page, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocks of a page run one after the other, in a folder with the files that they name."""
    for name in ("street.jpg", "a.jpg", "b.jpg"):
        shutil.copy(SAMPLES / "cat.jpg", tmp_path / name)
    record = run("ask", SAMPLES / "street.png", "what is there?", "--json", "--model", "tiny")
    (tmp_path / "results.jsonl").write_text(record.stdout)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in _PYTHON.findall(page.source):
        exec(compile(block, page.path.name, "exec"), names)
    assert (tmp_path / "marked.png").exists()


def read_notebook() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]


def test_the_notebook_is_committed_without_outputs() -> None:
    notebook = read_notebook()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the notebook's own libraries warn, not this project
def test_the_notebook_runs_and_names_the_marked_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = read_notebook()
    folder = {"metadata": {"path": str(ROOT / "docs")}}
    NotebookClient(notebook, timeout=300, resources=folder).execute()
    results = [
        ast.literal_eval(output["data"]["text/plain"])
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "execute_result" and "image/png" not in output["data"]
    ]
    first, second, record, third, batch, stored, fourth, fifth, message = results
    assert (first, second, third) == (("a butterfly", "stop"), "a sunflower", "corn")
    assert (record["answer"], batch) == ("a butterfly", ["a butterfly", "corn"])
    assert [answer for _, answer in stored] == batch
    assert (fourth, fifth) == ("a butterfly", "an animal")
    assert message.startswith("InputError: ")
