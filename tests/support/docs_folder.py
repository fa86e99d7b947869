"""A folder with the files that the documentation names, and a shell that runs its command lines."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from tests.conftest import ROOT, SAMPLES, Finished
from tests.support import benchmark_files, vp_bench_files, warm
from tests.support.comparisons import write_answers
from tests.support.report_pages import results, row
from vipllava_cli.engine.hub.registry import BUNDLED

# A fork starts faster, but its hub client has read the environment of the tests.
_WRAPPER = """#!/bin/sh
case " $* " in
  *" 7b "* | " models "* | *" Qwen/"*) is_new=yes ;;
  *) grep -qs 7b "$VIPLLAVA_HOME/config/settings.json" && is_new=yes ;;
esac
if [ "$is_new" ]; then exec {python} -m vipllava_cli "$@"; fi
exec {fork} -m vipllava_cli "$@"
"""

# Run a program in a terminal, and type a text when the program waits for input.
_IN_TERMINAL = """
import fcntl, os, pty, struct, sys, termios
typed, *command = sys.argv[1:]
process, terminal = pty.fork()
if process == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 640, 384))
    os.execvp(command[0], command)
shown = b""
while True:
    try:
        data = os.read(terminal, 1 << 16)
    except OSError:
        break
    shown += data
    if typed and (b"\\x1b[?2004h" in shown or b"[y/N]" in shown):
        os.write(terminal, typed.encode())
        typed = ""
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
"""

# A part of a command line that needs a terminal -> what a person types into it.
_TYPED = {"vipllava chat ": "\x04", "vipllava models remove ": "y\n", " --show": ""}


OLLAMA = "http://localhost:11434/v1"  # the server of the pages
VISION_SERVER = "VISION_SERVER"  # the variable with the address of the stand-in for it


@dataclass(frozen=True)
class Shell:
    """Runs command lines in a folder, with the `vipllava` of this checkout."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, line: str) -> Finished:
        """Run a line. Its evaluations render two scenes. A line that needs a person gets a terminal."""
        typed = next((text for part, text in _TYPED.items() if part in line), None)
        if typed is None or "|" in line:
            return self.run_in_pipe(line)
        return self._run([sys.executable, "-c", _IN_TERMINAL, typed, *_bash(line)])

    def run_in_pipe(self, line: str) -> Finished:
        """Run a line without a terminal, as `run` does otherwise."""
        return self._run(_bash(line))

    def _run(self, command: Sequence[str]) -> Finished:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return Finished(done.returncode, done.stdout, done.stderr)


def _bash(line: str) -> list[str]:
    line = line.replace(OLLAMA, f"${{{VISION_SERVER}:-{OLLAMA}}}")
    return ["bash", "-c", re.sub(r"--n \d+(?![\d.])", "--n 2", line)]


def open_shell(folder: Path, environment: Mapping[str, str]) -> Shell:
    """Write the files that the pages name, and a `vipllava` that runs this checkout."""
    work, programs = folder / "work", folder / "bin"
    programs.mkdir()
    wrapper = programs / "vipllava"
    wrapper.write_text(_WRAPPER.format(python=shlex.quote(sys.executable), fork=warm.share()))
    wrapper.chmod(0o755)
    write_docs_folder(work)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    shared = {name: os.environ[name] for name in os.environ if name.startswith("VIPLLAVA_TESTS")}
    return Shell(work, {**environment, **shared, "PATH": path, "PYTHONPATH": str(ROOT)})


def write_docs_folder(folder: Path) -> None:
    """Write the images, tables, records and benchmarks that the command lines of the pages read."""
    shutil.copytree(SAMPLES, folder / "sample_images")
    for name in ("photo.jpg", "cat.jpg", "street.jpg", "a.jpg", "b.jpg"):
        shutil.copy(SAMPLES / "cat.jpg", folder / name)
    for name in ("images", "holidays"):
        (folder / name).mkdir()
        shutil.copy(SAMPLES / "cat.jpg", folder / name / "a.jpg")
        shutil.copy(SAMPLES / "zoo-red-box.png", folder / name / "zoo.png")
    mark = {"shape": "box", "coords": [120, 80, 340, 300]}
    line = {"image": "street.jpg", "question": "what is {1}?", "marks": [mark]}
    for name in ("questions.jsonl", "picked.marks.jsonl"):
        (folder / name).write_text(json.dumps(line) + "\n")
    width, height = _STREET_SIZE
    where: dict[str, Any] = {
        "image": "street.jpg",
        "width": width,
        "height": height,
        "marks": [mark],
    }
    answer = row(0, answer="a cat", extra={"label": "Cats"}, **where, id="street.jpg#1")
    results(folder, [answer], "answers.jsonl")
    (folder / "annotations.json").write_text(json.dumps(_coco()))
    _write_archives(folder)
    _write_label_maps(folder)
    detection = {"image_id": 1, "category_id": 1, "bbox": [120, 80, 220, 220], "score": 0.9}
    (folder / "detections.json").write_text(json.dumps([detection]))
    (folder / "photos").mkdir()
    shutil.copy(folder / "street.jpg", folder / "photos")
    write_answers(folder, "before.jsonl", ["a cat", "a dog"])
    write_answers(folder, "after.jsonl", ["a cat", "a cat"])
    benchmark_files.visual7w(folder / "v7w", 2)
    benchmark_files.pointqa(folder / "pointqa", 2)
    benchmark_files.vcr(folder / "vcr", 2)
    question = ("0", SAMPLES / "zoo-red-box.png", "what is in the red box?", "penguin", ["rec"])
    benchmark_files.vip_bench(folder / "ViP-Bench", [question])
    vp_bench_files.write_parquet(
        folder / "vp_bench_stage_1.parquet", vp_bench_files.stage_1_rows(2)
    )
    (folder / "build").mkdir()
    (folder / "build/tiny").symlink_to(BUNDLED["tiny"])


_STREET_SIZE = (451, 300)


def _write_archives(folder: Path) -> None:
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        archive.writestr("annotations/instances_val.json", json.dumps(_coco()))
        archive.write(folder / "street.jpg", "images/street.jpg")
    with zipfile.ZipFile(folder / "annotations.zip", "w") as archive:
        archive.writestr("instances_val.json", json.dumps(_coco()))


def _write_label_maps(folder: Path) -> None:
    labels, colors = Image.new("L", _STREET_SIZE), Image.new("RGB", _STREET_SIZE)
    for number, value in enumerate((15, 3, 4)):
        box = (20 + 100 * number, 40, 90 + 100 * number, 200)
        labels.paste(value, box)
        colors.paste(("#dc143c", "#00008e", "#804080")[number], box)
    labels.save(folder / "classes.png")
    colors.save(folder / "colours.png")


def _coco() -> dict[str, object]:
    image = {"id": 1, "file_name": "street.jpg", "width": 451, "height": 300}
    region = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [120, 80, 220, 220]}
    return {
        "images": [image],
        "annotations": [region],
        "categories": [{"id": 1, "name": "dog"}],
    }
