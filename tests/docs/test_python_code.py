"""The Python code of the documentation and the notebook run on the shipped model."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT, SAMPLES, Run
from tests.support.pages import USER_PAGES, Page

pytestmark = pytest.mark.model

NOTEBOOK = ROOT / "docs/notebook.ipynb"

_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


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


@pytest.mark.slow
def test_the_python_code_of_the_pages_has_no_type_errors(tmp_path: Path) -> None:
    """A strict type checker accepts it in the project of a user."""
    for page in USER_PAGES:
        code = "\n".join(_PYTHON.findall(page.source))
        (tmp_path / f"{page.path.stem.lower().replace('-', '_')}.py").write_text(code)
    options = ("--strict", "--config-file", ROOT / "pyproject.toml", "--cache-dir", tmp_path)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *tmp_path.glob("*.py")],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert checked.returncode == 0, checked.stdout


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
