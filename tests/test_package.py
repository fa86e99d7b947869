"""The package as a whole: exported names, what an import costs, and the size of its parts."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import vipllava_cli
from tests.conftest import ROOT

PACKAGE = ROOT / "vipllava_cli"
MAX_ENTRIES = 12
MAX_LINES = 400
MAX_BODY = 60

EXPORTED = {
    "Arrow",
    "Box",
    "Contour",
    "Ellipse",
    "GenerationError",
    "GenerationOptions",
    "ImageChat",
    "InputError",
    "Mask",
    "Model",
    "ModelError",
    "OutOfMemoryError",
    "Point",
    "Response",
    "Scribble",
    "Triangle",
    "UsageError",
    "VipllavaError",
    "__version__",
    "draw",
    "load_model",
    "read_records",
}


def test_the_exported_names_are_pinned() -> None:
    assert set(vipllava_cli.__all__) == EXPORTED
    assert set(dir(vipllava_cli)) == EXPORTED
    assert all(getattr(vipllava_cli, name) is not None for name in EXPORTED)
    with pytest.raises(AttributeError, match="no attribute 'boxes'"):
        _ = vipllava_cli.boxes  # type: ignore[attr-defined]


def imported_by(code: str) -> set[str]:
    """Run code in a new process and return the modules that it imported."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return set(done.stdout.split())


def test_importing_the_package_imports_neither_torch_nor_pillow() -> None:
    assert not imported_by("import vipllava_cli") & {"torch", "transformers", "PIL", "numpy"}


def test_using_the_api_before_load_model_does_not_import_torch() -> None:
    code = "from vipllava_cli import Box, draw, load_model, read_records; Box(1, 2, 3, 4)"
    assert not imported_by(code) & {"torch", "transformers", "accelerate"}


def test_a_newcomer_sees_few_folders() -> None:
    entries = [path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert len(entries) < MAX_ENTRIES, entries


@pytest.mark.parametrize("folder", ["vipllava_cli", "training"])
def test_no_file_is_long(folder: str) -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}


@pytest.mark.parametrize("folder", ["vipllava_cli", "training"])
def test_no_function_body_is_long(folder: str) -> None:
    """A Typer signature does not count: options need their help texts."""
    found = [
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}: {lines} lines"
        for path in (ROOT / folder).rglob("*.py")
        for function, lines in body_lengths(path)
        if lines > MAX_BODY
    ]
    assert found == []


def body_lengths(path: Path) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    """Every function of a file with the lines of its body, without signature and docstring."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body:
                yield node, (body[-1].end_lineno or 0) - body[0].lineno + 1
