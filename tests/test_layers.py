"""The layers of the package: they hold, and a broken one is found."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

LINTER = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the linter over the packages in a folder."""
    return subprocess.run(
        [LINTER, "--no-cache"], capture_output=True, text=True, check=False, cwd=folder
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the code that a test may break."""
    for name in ("vipllava_cli", "training"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_layers_hold() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("marks/draw", "from vipllava_cli.cli import app", "only from lower layers"),
        ("engine/base", "import vipllava_cli.flows.ask", "only from lower layers"),
        ("engine/hub/cache", "import vipllava_cli.engine.local.inputs", "in one direction"),
        ("flows/ask", "def late():\n    import torch", "import torch"),
    ],
)
def test_an_import_against_the_layers_is_found(
    copied: Path, module: str, line: str, contract: str
) -> None:
    with (copied / f"vipllava_cli/{module}.py").open("a") as file:
        file.write(f"\n\n{line}\n")
    done = lint(copied)
    assert done.returncode != 0
    assert any(contract in found and "BROKEN" in found for found in done.stdout.splitlines())
