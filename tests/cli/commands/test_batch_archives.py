"""`vipllava batch` over ZIP archives with the shipped model: kill, resume, report, marked images."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import ROOT, Run
from tests.support.batch import write_grey_images
from tests.support.zips import pack_folder
from vipllava_cli.errors import ExitCode
from vipllava_cli.storage.journal import read_journal


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Return an archive as CVAT exports it: 20 images, two boxes on each."""
    folder = tmp_path / "set"
    (folder / "annotations").mkdir(parents=True)
    write_grey_images(folder / "images")
    names = sorted(os.listdir(folder / "images"))
    coco = {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(names)],
        "annotations": [
            {"id": number, "image_id": number // 2, "category_id": 1, "bbox": [2, 3, 9, 8]}
            for number in range(2 * len(names))
        ],
        "categories": [{"id": 1, "name": "bolt"}],
    }
    (folder / "annotations" / "instances_default.json").write_text(json.dumps(coco))
    return pack_folder(folder, tmp_path / "export.zip")


def count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_resumes_and_asks_no_row_twice(
    tmp_path: Path, archive: Path, number: signal.Signals
) -> None:
    out, temporary = tmp_path / "r.jsonl", tmp_path / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-m", "vipllava_cli", "batch", "export.zip", "--out", "r.jsonl"]
    command += ["--model", "tiny", "--batch-size", "2", "--question", "is {1} a {label}?"]
    options = {
        "cwd": tmp_path,
        "env": {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)},
        "stderr": subprocess.PIPE,
    }
    process = subprocess.Popen(command, **options)  # type: ignore[call-overload]
    while count_lines(out) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    process.communicate()
    stopped = count_lines(out)
    assert stopped < 40, "the run was stopped"
    assert list(temporary.glob("vipllava*")) == []
    finished = subprocess.run(command, check=False, **options)  # type: ignore[call-overload]
    assert finished.returncode == ExitCode.DONE
    summary = finished.stderr.decode()
    assert f"\n{40 - stopped} " in summary, "only the rest is asked"
    assert f"\n{stopped} " in summary.split("kept from")[0]
    records = list(read_journal(out))
    assert Counter(record["id"] for record in records).most_common(1)[0][1] == 1
    assert len(records) == 40
    assert records[0]["image"] == "export.zip/images/0.png"
    assert records[0]["extra"]["label"] == "bolt"
    assert list(temporary.glob("vipllava*")) == []


@pytest.mark.model
def test_a_report_and_marked_images_show_the_images(
    tmp_path: Path, archive: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("--report", "r.html", "--save-marked", "marked", "--per", "image")
    done = run("batch", "export.zip", "--out", "r.jsonl", "--model", "tiny", *options)
    assert done.code == ExitCode.DONE, done.stderr
    assert len(list((tmp_path / "marked").iterdir())) == 20
    pages = [(tmp_path / "r.html").read_text()]
    assert run("report", "r.jsonl", "-o", "again.html").code == ExitCode.DONE
    pages.append((tmp_path / "again.html").read_text())
    for page in pages:
        assert page.count("data:image/webp") == 20
        assert "there is no file" not in page


def test_a_dry_run_lists_rows_and_fails_like_a_run(tmp_path: Path, archive: Path, run: Run) -> None:
    common = ("--out", tmp_path / "r.jsonl", "--dry-run")
    listed = run("batch", archive, *common)
    assert listed.code == ExitCode.DONE
    assert listed.stdout.count("would ask\timages/") == 40
    assert f"read {archive} as coco" in listed.stderr
    (tmp_path / "labels").mkdir()
    coco = tmp_path / "set" / "annotations" / "instances_default.json"
    (tmp_path / "labels" / "a.json").write_text(coco.read_text())
    labels = pack_folder(tmp_path / "labels", tmp_path / "labels.zip")
    without = run("batch", labels, *common)
    assert without.code == ExitCode.SOME_ROWS_FAILED
    assert "--images DIR" in without.stdout
    for images in (tmp_path / "set" / "images", archive):
        assert run("batch", labels, *common, "--images", images).code == ExitCode.DONE


def test_the_commands_for_one_image_read_it_from_an_archive(
    tmp_path: Path, archive: Path, run: Run
) -> None:
    out = tmp_path / "marked.png"
    done = run("annotate", f"{archive}/images/0.png", "--box", "2,3,20,20", "-o", out)
    assert done.code == ExitCode.DONE
    assert out.exists()
    missing = run(
        "annotate", f"{archive}/images/none.png", "--box", "2,3,20,20", "-o", f"{out}.png"
    )
    assert missing.code == ExitCode.INPUT
    assert "contains no images/none.png" in missing.stderr


def test_a_benchmark_says_that_it_needs_a_folder(tmp_path: Path, archive: Path, run: Run) -> None:
    done = run("eval", "vip-bench", "--data", archive, "--out", tmp_path / "e")
    assert done.code == ExitCode.INPUT
    assert "unpack" in done.stderr
