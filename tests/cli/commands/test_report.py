"""`vipllava report`: the options, the output file and the refusals."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.report_pages import blocks, failed, images, results, row
from vipllava_cli.errors import ExitCode


def test_the_page_takes_its_name_from_the_results(run: Run, image: Path) -> None:
    source = results(image.parent, [row(0), failed(1)])
    ended = run("report", source)
    assert (ended.code, ended.stdout) == (0, "")
    assert "report" not in ended.stderr
    assert f"wrote {source.with_suffix('.html')}, 2 rows" in ended.stderr
    assert source.with_suffix(".html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert run("report", source, "--force", "-q").stderr == ""


def test_only_force_overwrites_a_file(run: Run, image: Path) -> None:
    source = results(image.parent, [row()])
    out = image.parent / "page.html"
    out.write_text("mine")
    refused = run("report", source, "-o", out)
    assert refused.code == ExitCode.INPUT
    assert "--force" in refused.stderr
    assert out.read_text() == "mine"
    assert run("report", source, "-o", out, "--force").code == 0
    assert "<!DOCTYPE html>" in out.read_text("utf-8")


def test_the_page_never_replaces_its_own_results(run: Run, image: Path) -> None:
    source = results(image.parent, [row()], "results.html")
    before = source.read_bytes()
    assert run("report", source, "--force").code == ExitCode.USAGE
    assert source.read_bytes() == before


def test_records_come_from_standard_input(
    run: Run, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(image.parent)
    lines = results(image.parent, [row()]).read_bytes()
    assert run("report", "-", stdin=lines).code == ExitCode.USAGE
    assert run("report", "-", "-o", "-", stdin=lines).code == ExitCode.USAGE
    assert run("report", "-", "-o", "page.html", stdin=lines).code == 0
    assert blocks(Path("page.html"))["data"]["title"] == "standard input"
    assert images(Path("page.html"))[0]["src"]


def test_invalid_lines_are_skipped_and_counted(run: Run, image: Path) -> None:
    lines = [
        json.dumps(row(0)),
        "",
        "no JSON",
        json.dumps({"schema": 99, "image": "x"}),
        json.dumps(row(1, answer=None)),
        json.dumps(row(2, marks=None)),
        "[" * 5000,
        json.dumps(row(3))[:-30],
    ]
    source = image.parent / "results.jsonl"
    source.write_text("\n".join(lines))
    ended = run("report", source)
    assert ended.code == 0
    notes = [line for line in ended.stderr.splitlines() if "were skipped" in line]
    assert notes == [
        "note: results.jsonl: 6 lines are not records and were skipped; the first is line 3"
    ]
    data = blocks(source.with_suffix(".html"))["data"]
    assert len(data["rows"]) == 1
    assert "6 lines are not records" in data["skippedNote"]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "nothing"),
        (b"\n\n", "nothing"),
        (b"\x89PNG\r\n\x1a\n\0\0", "bytes that are not text"),
        ('{"schema": 1}\n'.encode("utf-16"), "bytes that are not text"),
        (b"image,question\na.png,what?\n", "image,question"),
        (b"[1]\n" * 5000, "[1]"),
    ],
)
def test_a_file_without_records_is_refused(
    run: Run, tmp_path: Path, content: bytes, found: str
) -> None:
    source = tmp_path / "results.jsonl"
    source.write_bytes(content)
    ended = run("report", source)
    assert ended.code == ExitCode.INPUT
    (line,) = ended.stderr.splitlines()
    assert "expected one JSON object" in line
    assert found in line.partition("found")[2]
    assert list(tmp_path.iterdir()) == [source]


def test_a_file_that_cannot_be_read_is_refused(run: Run, tmp_path: Path) -> None:
    missing = run("report", tmp_path / "none.jsonl")
    assert (missing.code, len(missing.stderr.splitlines())) == (ExitCode.INPUT, 1)
    assert "there is no file" in missing.stderr
    folder = run("report", tmp_path, "-o", tmp_path / "page.html")
    assert "is a folder" in folder.stderr
    nowhere = run("report", results(tmp_path, [row()]), "-o", tmp_path / "none" / "page.html")
    assert "there is no folder" in nowhere.stderr


def test_the_command_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "import vipllava_cli.cli.commands.report\n"
        "heavy = {'PIL', 'cv2', 'numpy', 'torch', 'vipllava_cli.cli.html.report'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr
