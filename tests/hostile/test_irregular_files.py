"""Pipes, devices, sockets and files of the kernel in the place of files: refused at once."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.test_files import folder, run_in  # noqa: F401
from tests.support.budget import assert_in_budget, assert_refused, run_measured
from tests.support.devices import link_to_device
from vipllava_cli.errors import ExitCode

MAX_SECONDS = 15
Q = ("--question", "what is it?")
ASK = ("ask", "images/a.png", "what is it?")

KINDS = ("pipe", "socket", "device", "kernel", "link to a pipe", "folder")

# The place of the file in each command, and the codes with which the command ends.
COMMANDS: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "image": (("annotate", "X", "--box", "1,1,9,9", "-o", "o.png"), (3,)),
    "mask": (("annotate", "images/a.png", "--mask", "X", "-o", "o.png"), (3,)),
    "contour": (("annotate", "images/a.png", "--contour", "X", "-o", "o.png"), (3,)),
    "marks": (("annotate", "images/a.png", "--marks", "X", "-o", "o.png"), (3,)),
    "manifest": (("batch", "X", "--dry-run", "--format", "jsonl"), (3,)),
    "manifest of unknown format": (("batch", "X", "--dry-run"), (3,)),
    "json": (("batch", "X", "--dry-run", "--format", "json"), (3,)),
    "csv": (("batch", "X", "--dry-run", "--format", "csv"), (3,)),
    "coco": (("batch", "X", "--dry-run", "--format", "coco"), (3,)),
    "voc": (("batch", "X", "--dry-run", "--format", "voc"), (3,)),
    "cvat": (("batch", "X", "--dry-run", "--format", "cvat"), (3,)),
    "yolo": (("batch", "X", "--dry-run", "--format", "yolo"), (3,)),
    "labelme": (("batch", "X", "--dry-run", "--format", "labelme"), (3,)),
    "via": (("batch", "X", "--dry-run", "--format", "via"), (3,)),
    "label-studio": (("batch", "X", "--dry-run", "--format", "label-studio"), (3,)),
    "schema": ((*ASK[:2], "--schema", "X", "--model", "tiny"), (3,)),
    "session": (("chat", "--resume", "X", "--model", "tiny"), (2, 3)),
    "report": (("report", "X", "-o", "o.html"), (3,)),
    "compare": (("compare", "X", "good.jsonl"), (3,)),
    "export": (("export", "X", "--to", "coco", "-o", "o.json"), (3,)),
    "export of a source": (
        ("export", "good.jsonl", "--to", "coco", "-o", "o.json", "--source", "X"),
        (3,),
    ),
    "model": (("models", "info", "X"), (4,)),
}
RECORD = {
    "schema": 1,
    "id": "a",
    "image": "images/a.png",
    "width": 200,
    "height": 100,
    "marks": [],
    "question": "q",
    "answer": "a",
    "error": None,
    "extra": {},
}


def make(kind: str, path: Path) -> str | None:
    """Make a file of a kind at a path. Returns a name that no file can have here."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            here = os.getcwd()
            os.chdir(path.parent)
            server.bind(path.name)
            os.chdir(here)
    elif kind == "link to a pipe":
        os.mkfifo(path.with_name("pipe"))
        path.symlink_to("pipe")
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        link_to_device(path, "full")
    else:
        path.symlink_to("/proc/kmsg")
    return None


@pytest.fixture
def waiting() -> Iterator[int]:
    """Return a standard input that never ends: a command that reads it waits."""
    reading, writing = os.pipe()
    yield reading
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_takes_it_for_a_file(
    folder: Path,  # noqa: F811
    waiting: int,
    command: str,
    kind: str,
) -> None:
    (folder / "good.jsonl").write_text(json.dumps(RECORD) + "\n")
    name = "x.png" if command in ("image", "mask", "contour") else "x.json"
    make(kind, folder / name)
    arguments, codes = COMMANDS[command]
    ended = run_in(folder, *(name if each == "X" else each for each in arguments), stdin=waiting)
    assert ended.code in codes, (ended.code, ended.stderr)
    assert_refused(ended, ended.code, max_seconds=MAX_SECONDS)


@pytest.mark.parametrize("name", ["/dev/stdin", "/proc/self/fd/0", "/dev/fd/0"])
@pytest.mark.parametrize("command", ["mask", "contour", "session"])
def test_standard_input_is_no_mask_and_no_session(
    folder: Path,  # noqa: F811
    waiting: int,
    name: str,
    command: str,
) -> None:
    arguments, codes = COMMANDS[command]
    ended = run_in(folder, *(name if each == "X" else each for each in arguments), stdin=waiting)
    assert ended.code in codes, (ended.code, ended.stderr)
    assert_refused(ended, ended.code, max_seconds=MAX_SECONDS)


def test_what_the_shell_opened_is_a_manifest(folder: Path) -> None:  # noqa: F811
    reading, writing = os.pipe()
    os.write(writing, b'{"image": "images/a.png", "question": "q"}\n')
    os.close(writing)
    ended = run_in(folder, "batch", "/dev/fd/0", "--dry-run", stdin=reading)
    os.close(reading)
    assert (ended.code, "images/a.png" in ended.stdout) == (ExitCode.DONE, True), ended


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "link to a pipe"])
@pytest.mark.parametrize("name", ["b.png", "rows.jsonl", "data.yaml", "b.xml", "b.txt", "b.json"])
def test_a_folder_passes_over_it(
    folder: Path,  # noqa: F811
    waiting: int,
    name: str,
    kind: str,
) -> None:
    make(kind, folder / "images" / name)
    ended = run_in(folder, "batch", "images", "--dry-run", *Q, stdin=waiting)
    assert ended.code == ExitCode.DONE, ended.stderr
    assert name in ended.stderr
    assert "1 pipe or device" in ended.stderr or kind == "link to a pipe"
    assert_in_budget(ended, max_seconds=MAX_SECONDS)


def test_folders_in_a_circle_end(folder: Path) -> None:  # noqa: F811
    images = folder / "images"
    for name in ("b", "c"):
        (images / name).mkdir()
        (images / name / "up").symlink_to(images)
        (images / name / "self").symlink_to(".")
    (images / "b" / "c").symlink_to("../c")
    (images / "loop.png").symlink_to("loop.png")
    (images / "root").symlink_to(folder)
    ended = run_in(folder, "batch", "images", "--dry-run", *Q)
    assert ended.code in (ExitCode.DONE, ExitCode.SOME_ROWS_FAILED), ended.stderr
    assert_in_budget(ended, max_seconds=MAX_SECONDS)


ODD_NAMES = (
    "a\nb.png",
    "a\x1b[2Jb.png",
    "a\rb.png",
    "a\x7fb.png",
    "\u202eb.png",
    os.fsdecode(b"a\xff\xfe.png"),
    "x" * 251 + ".png",
    "-rf.png",
    "{1}.png",
    "a:b.png",
    "#frame=2.png",
    "%2e%2e.png",
    "[red].png",
)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_odd_name_reaches_no_terminal_raw(folder: Path, name: str) -> None:  # noqa: F811
    image = (folder / "images" / "a.png").read_bytes()
    (folder / "images" / name).write_bytes(image)
    ended = run_in(folder, "batch", "images", "--dry-run", *Q)
    assert ended.code == ExitCode.DONE, ended.stderr
    shown = (ended.stdout + ended.stderr).translate({10: None, 9: None})
    assert not [each for each in shown if ord(each) < 32 or ord(each) == 127 or each == "\u202e"]
    assert_in_budget(ended, max_seconds=MAX_SECONDS)


def test_a_folder_of_many_files_is_listed_in_its_budget(folder: Path) -> None:  # noqa: F811
    for number in range(2_000):
        os.mknod(folder / "images" / f"{number}.png")
    ended = run_in(folder, "batch", "images", "--dry-run", *Q)
    assert ended.code in (ExitCode.DONE, ExitCode.SOME_ROWS_FAILED), ended.stderr
    assert_in_budget(ended, max_seconds=MAX_SECONDS)


@pytest.mark.parametrize("kind", ["pipe", "device", "kernel", "folder"])
def test_settings_are_a_file(folder: Path, kind: str) -> None:  # noqa: F811
    make(kind, folder / "settings.json")
    ended = run_measured(
        "config", "list", folder=folder, environment=os.environ | {"VIPLLAVA_HOME": str(folder)}
    )
    assert_refused(ended, ExitCode.USAGE, max_seconds=MAX_SECONDS)


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 1_000_000, '{"a": ' * 50_000, "\0", "\xff"])
def test_damaged_settings_are_one_line(folder: Path, text: str) -> None:  # noqa: F811
    (folder / "settings.json").write_text(text, "latin-1")
    ended = run_measured(
        "config", "list", folder=folder, environment=os.environ | {"VIPLLAVA_HOME": str(folder)}
    )
    assert_refused(ended, ExitCode.USAGE, max_seconds=MAX_SECONDS)
