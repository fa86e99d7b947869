"""The notebook of the documentation runs, on the shipped model."""

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT

pytestmark = pytest.mark.model

NOTEBOOK = ROOT / "docs/notebook.ipynb"


def test_the_notebook_is_committed_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the notebook's own libraries warn, not this project
def test_the_notebook_runs_and_names_the_marked_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    folder = {"metadata": {"path": str(ROOT / "docs")}}
    NotebookClient(notebook, timeout=300, resources=folder).execute()
    printed = "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "stream" and output.name == "stdout"
    )
    lines = printed.splitlines()
    assert lines[:5] == ["a butterfly stop", "a sunflower", "corn", "a butterfly", "corn"]
    assert lines[-3:-1] == ["a butterfly", "an animal"]
    assert lines[-1].startswith("InputError: ")
