"""What a run on a server does before its first question: little, and most of it during the check."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vipllava_cli.sources.open
from tests.conftest import Run
from tests.support.server_engines import manifest, read_records, server_home
from tests.support.vision_server import MODEL, VisionServer, serving

home = pytest.fixture(autouse=True)(server_home)

# Packages that take long to import, and that no question to a server needs.
UNUSED = {
    *("torch", "transformers", "accelerate", "tokenizers", "safetensors", "huggingface_hub"),
    *(
        "pydantic",
        "trio._core",
        "anyio.abc",
        "hpack",
        "openai",
        "prompt_toolkit",
        "pyarrow",
        "tkinter",
    ),
    *("PIL.DdsImagePlugin", "PIL.PdfParser"),  # Pillow has imported all of its formats
}
MAX_MODULES = 850  # 770 with Python 3.11


@pytest.fixture
def box(run: Run) -> Iterator[VisionServer]:
    with serving(VisionServer()) as server:
        assert run("models", "add", "box", "--url", server.url, "--model", MODEL).code == 0
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ask", "batch", "chat", "eval"])
def test_imports_only_what_a_server_needs(name: str, box: VisionServer, tmp_path: Path) -> None:
    rows, image = manifest(tmp_path, 3), str(tmp_path / "image.png")
    arguments = {
        "ask": [image, "where?", "--box", "10,10,40,40"],
        "batch": [str(rows), "--out", str(tmp_path / "out.jsonl"), "--parallel", "4"],
        "chat": [image],
        "eval": ["clipart", "--n", "3", "--out", str(tmp_path / "scores")],
    }[name]
    program = [sys.executable, "-X", "importtime", "-m", "vipllava_cli", name, *arguments]
    done = subprocess.run(
        [*program, "--model", "box"], input="where?\n", capture_output=True, text=True, check=False
    )
    imported = set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))
    assert done.returncode == 0, done.stderr[-1000:]
    assert box.rows()
    assert imported & UNUSED == set()
    assert 300 < len(imported) < MAX_MODULES


def test_the_check_begins_before_the_source_is_read(
    box: VisionServer, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, asked = vipllava_cli.sources.open.read_sources, []

    def read_later(*names: Any, **options: Any) -> Any:
        deadline = time.monotonic() + 10
        while not box.asked and time.monotonic() < deadline:
            time.sleep(0.01)
        asked.append(box.asked.total())
        return read(*names, **options)

    monkeypatch.setattr(vipllava_cli.sources.open, "read_sources", read_later)
    out = tmp_path / "out.jsonl"
    done = run("batch", manifest(tmp_path, 3), "--out", out, "--model", "box")
    assert (done.code, len(read_records(out))) == (0, 3)
    assert asked[0] > 0


def test_a_run_that_asks_nothing_does_not_check(
    box: VisionServer, tmp_path: Path, run: Run
) -> None:
    rows, out = manifest(tmp_path, 3), tmp_path / "out.jsonl"
    assert run("batch", rows, "--out", out, "--model", "box", "--dry-run").code == 0
    assert run("batch", tmp_path / "none.jsonl", "--out", out, "--model", "box").code == 3
    out.write_text("")
    assert run("batch", rows, "--out", out, "--model", "box", "--mark-style", "x").code == 2
    assert not box.asked


def test_a_failed_check_is_an_error_of_the_run(box: VisionServer, tmp_path: Path, run: Run) -> None:
    box.sees_images, out = False, tmp_path / "out.jsonl"
    done = run("batch", manifest(tmp_path, 50), "--out", out, "--model", "box", "--parallel", "8")
    assert (done.code, out.exists()) == (4, False)
    assert "images do not reach" in done.stderr
    assert not box.rows()
