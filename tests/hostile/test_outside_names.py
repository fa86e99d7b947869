"""ZIP archives, records, sessions and model names that attack: none names a path, none fills memory."""

import json
import os
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.hostile.test_files import ENDS, assert_bounded, folder, run_in  # noqa: F401
from tests.hostile.test_irregular_files import RECORD
from tests.support.budget import assert_in_budget, assert_refused, read_tree, run_measured
from tests.support.zips import overlap_entries, pack, patch_entries
from vipllava_cli.errors import ExitCode, InputError
from vipllava_cli.flows.chat.session_file import read_session, resume_chat

Json = dict[str, Any]
IMAGE = "images/a.png"
MAX_SECONDS = 15

# --- archives --------------------------------------------------------------------------------

ROWS = '{"image": "a.png", "question": "q"}\n'
OUTSIDE = (
    "../evil.jsonl",
    "/evil.jsonl",
    "..\\evil.jsonl",
    "a/../../evil.jsonl",
    "a\\..\\..\\evil.jsonl",
    "C:evil.jsonl",
    "C:\\evil.jsonl",
    "\\\\server\\share\\evil.jsonl",
    "//server/evil.jsonl",
    "..",
    "a/..",
    "evil\n.jsonl",
    "evil\x1b[2J.jsonl",
    "\x7fevil.jsonl",
    "a/" * 3000 + "evil.jsonl",
    "a/" * 150 + "evil.jsonl",
    "x" * 300 + ".jsonl",
    "x" * 60_000 + ".jsonl",
)


@pytest.mark.parametrize("name", OUTSIDE, ids=lambda name: ascii(name)[:30])
def test_an_entry_leads_nowhere(folder: Path, name: str) -> None:  # noqa: F811
    outside = read_tree(folder.parent, [folder])
    pack(folder / "a.zip", {"rows.jsonl": ROWS, name: ROWS})
    ended = run_in(folder, "batch", "a.zip", "--dry-run")
    assert_bounded(ended)
    assert ended.code == ExitCode.INPUT
    assert read_tree(folder.parent, [folder]) == outside


def _bomb(path: Path, size: int = 100 << 20) -> Path:
    return pack(path, {"rows.jsonl": ROWS + " " * size})


def _nested(path: Path) -> None:
    inner = path.with_name("inner.zip")
    for _ in range(5):
        pack(
            path,
            {f"{n}.zip": inner.read_bytes() for n in range(5)} if inner.exists() else {"a": "b"},
        )
        os.replace(path, inner)
    os.replace(inner, path)


def _many_entries(path: Path) -> None:
    """Write a million entries that are no files: 46 bytes each."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *[0] * 6, *[0] * 3, 1, *[0] * 4, 0, 0) + b"a"
    count = 1_000_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, len(entry) * count, 0, 0)
    path.write_bytes(entry * count + end)


def _end64(path: Path, count: int, length: int, start: int) -> None:
    """Write an archive whose end in the ZIP64 form claims these figures."""
    pack(path, {"rows.jsonl": ROWS})
    data = path.read_bytes()
    at = data.rfind(b"PK\x05\x06")
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, length, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    path.write_bytes(data[:at] + end64 + locator + end)


def _link(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        info = zipfile.ZipInfo("rows.jsonl")
        info.external_attr = 0o120777 << 16
        file.writestr(info, "/etc/passwd")


def _same_name(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file, warnings.catch_warnings(action="ignore"):
        for _ in range(3000):
            file.writestr("rows.jsonl", ROWS)


ARCHIVES: Mapping[str, Callable[[Path], object]] = {
    "bomb": _bomb,
    "nested": _nested,
    "a million entries": _many_entries,
    "overlap": lambda p: overlap_entries(pack(p, {f"{n}.jsonl": ROWS for n in range(50)})),
    "encrypted": lambda p: patch_entries(pack(p, {"rows.jsonl": ROWS}), 8, b"\1\0", 6),
    "method 99": lambda p: patch_entries(pack(p, {"rows.jsonl": ROWS}), 10, b"\x63\0", 8),
    "wrong size": lambda p: patch_entries(
        pack(p, {"rows.jsonl": ROWS}), 24, b"\xff\xff\xff\x7f", 22
    ),
    "size 0": lambda p: patch_entries(pack(p, {"rows.jsonl": ROWS}), 24, b"\0\0\0\0", 22),
    "wrong checksum": lambda p: patch_entries(pack(p, {"rows.jsonl": ROWS}), 16, b"abcd", 14),
    "ZIP64 count": lambda p: _end64(p, 2**63, 100, 0),
    "ZIP64 length": lambda p: _end64(p, 1, 2**63, 0),
    "ZIP64 start": lambda p: _end64(p, 1, 56, 2**63),
    "link": _link,
    "many of one name": _same_name,
    "file and folder of one name": lambda p: pack(p, {"a": "x", "a/rows.jsonl": ROWS}),
    "cut": lambda p: p.write_bytes(pack(p, {"rows.jsonl": ROWS}).read_bytes()[:-30]),
    "empty": lambda p: p.write_bytes(b""),
    "only an end": lambda p: p.write_bytes(b"PK\x05\x06" + bytes(18)),
    "image that is a bomb": lambda p: pack(p, {"rows.jsonl": ROWS, "a.png": bytes(100 << 20)}),
    "names in no encoding": lambda p: pack(p, {"rows.jsonl": ROWS, "é" * 100 + ".png": b""}),
}


@pytest.mark.parametrize("attack", ARCHIVES)
def test_a_hostile_archive_is_bounded(folder: Path, attack: str) -> None:  # noqa: F811
    ARCHIVES[attack](folder / "a.zip")
    outside = read_tree(folder.parent, [folder])
    assert_bounded(run_in(folder, "batch", "a.zip", "--dry-run"))
    assert read_tree(folder.parent, [folder]) == outside


# --- records ---------------------------------------------------------------------------------

RECORDS: Mapping[str, Json] = {
    "image of another place": {"image": "../../../../../../etc/passwd"},
    "image is a device": {"image": "/dev/zero"},
    "image is standard input": {"image": "/dev/stdin"},
    "image is a kernel file": {"image": "/proc/kmsg"},
    "image with NUL": {"image": "a\0b.png"},
    "image with controls": {"image": "a\x1b[2J\n.png"},
    "image at an address": {"image": "http://127.0.0.1:9/../../../../evil.png"},
    "image with a long name": {"image": "a" * 100_000},
    "image with many levels": {"image": "a/" * 50_000},
    "image of another drive": {"image": "C:\\..\\..\\evil.png"},
    "id is a path": {"id": "../../../../evil"},
    "mask of a device": {"marks": [{"shape": "mask", "file": "/dev/zero"}]},
    "a million points": {"marks": [{"shape": "mask", "coords": [1, 2] * 1_000_000}]},
    "points that cross": {
        "marks": [{"shape": "mask", "coords": [(n * 7919) % 97 for n in range(200_000)]}]
    },
    "20,000 marks": {"marks": [{"shape": "point", "coords": [1, 2]}] * 20_000},
    "huge size": {"width": 10**30, "height": 10**30},
    "size below 0": {"width": -1, "height": -1},
    "label with markup": {"marks": [{"shape": "point", "coords": [1, 2], "label": "</script>"}]},
    "deep extra": {"extra": {"a": []}},
    "crop": {"crop": [0, 0, 10**18, 10**18]},
}


def write_records(path: Path, *changes: Json) -> None:
    path.write_text("".join(json.dumps(RECORD | each) + "\n" for each in changes))


@pytest.mark.parametrize("attack", RECORDS)
def test_a_record_names_no_path(folder: Path, attack: str) -> None:  # noqa: F811
    write_records(folder / "r.jsonl", RECORDS[attack], {"id": "good"})
    outside = read_tree(folder.parent, [folder])
    reading, writing = os.pipe()
    for arguments in (
        ("report", "r.jsonl", "-o", "o.html"),
        ("export", "r.jsonl", "--to", "coco", "-o", "o.json"),
        ("export", "r.jsonl", "--to", "yolo", "-o", "o-yolo"),
    ):
        ended = run_measured(*arguments, folder=folder, stdin=reading)
        assert ended.code in ENDS, (arguments, ended.stderr[-1000:])
        assert_in_budget(ended, max_seconds=MAX_SECONDS)
        assert "\x1b" not in ended.stderr
    os.close(reading)
    os.close(writing)
    assert read_tree(folder.parent, [folder]) == outside


def test_addresses_of_one_name_stay_in_the_folder(folder: Path) -> None:  # noqa: F811
    names = ("http://a/../../../../evil.png", "http://b/../../evil.png", "http://../evil.png")
    write_records(folder / "r.jsonl", *({"id": n, "image": n} for n in names))
    outside = read_tree(folder.parent, [folder])
    for to in ("labelme", "voc", "yolo"):
        ended = run_measured("export", "r.jsonl", "--to", to, "-o", to, folder=folder)
        assert ended.code in ENDS, ended.stderr
        assert_in_budget(ended, max_seconds=MAX_SECONDS)
    assert read_tree(folder.parent, [folder]) == outside
    assert sorted(path.name for path in (folder / "labelme").rglob("evil*"))


# --- sessions --------------------------------------------------------------------------------

SESSION = json.loads((ROOT / "tests/fixtures/0.1.0/session.json").read_text())
TURN = SESSION["turns"][0]
SESSIONS: Mapping[str, object] = {
    "list": [],
    "turns of another kind": SESSION | {"turns": [1, None]},
    "image is a device": SESSION | {"image": "/dev/zero"},
    "image is standard input": SESSION | {"image": "/dev/stdin"},
    "image is the shell's": SESSION | {"image": "/dev/fd/0"},
    "image is a kernel file": SESSION | {"image": "/proc/kmsg"},
    "image with NUL": SESSION | {"image": "a\0b"},
    "image with a long name": SESSION | {"image": "a/" * 50_000},
    "image is a list": SESSION | {"image": ["a"]},
    "left out": SESSION | {"left_out": 10**30},
    "left out below 0": SESSION | {"left_out": -(10**30)},
    "a million points": SESSION | {"marks": [{"shape": "mask", "coords": [1, 2] * 1_000_000}]},
    "mask is a device": SESSION | {"marks": [{"shape": "mask", "file": "/dev/zero"}]},
    "window": SESSION | {"window": [1e308, -1e308]},
    "window of text": SESSION | {"window": "x"},
    "tokens of text": SESSION | {"turns": [TURN | {"extra": {"tokens": ["x"]}}]},
    "tokens below 0": SESSION | {"turns": [TURN | {"extra": {"tokens": [-1]}}]},
    "tokens of 30 digits": SESSION | {"turns": [TURN | {"extra": {"tokens": [10**30]}}]},
    "lone surrogates": SESSION | {"turns": [TURN | {"answer": "\ud800", "question": "\udfff"}]},
    "crop": SESSION | {"turns": [TURN | {"crop": [0, 0, 10**30, 1]}]},
}
RAW_SESSIONS: Mapping[str, bytes] = {
    "levels": b"[" * 100_000,
    "objects": b'{"a":' * 100_000,
    "digits": b"9" * 1_000_000,
    "no UTF-8": b"\xff\xfe\xfd",
    "NUL": bytes(1000),
    "empty": b"",
    "1e999": json.dumps(SESSION).encode().replace(b"74", b"1e999", 1),
}


@pytest.mark.parametrize("attack", [*SESSIONS, *RAW_SESSIONS])
def test_a_hostile_session_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attack: str
) -> None:
    monkeypatch.chdir(tmp_path)
    data = RAW_SESSIONS.get(attack) or json.dumps(SESSIONS.get(attack, "")).encode()
    Path("s.json").write_bytes(b"" if attack == "empty" else data)
    try:
        notes = resume_chat(read_session("s.json"), "tiny").notes
    except InputError as error:
        notes = (str(error),)
    assert notes
    assert all("\n" not in note and len(note) < 600 for note in notes), notes


# --- names of models -------------------------------------------------------------------------

MODEL_NAMES = (
    *("../../x", "/etc/passwd", "a/../b", "a/b/../../c", "\\\\server\\x", "C:\\x"),
    *("a\0b", "a\nb", "a\x1b[2Jb/c", "x" * 10_000, "a/" * 5000, "/dev/zero", "/proc/self/mem"),
    *("", " ", "-", "file:///etc/passwd", "http://127.0.0.1:9/x", "~root/x", "a/b@../../c"),
)


@pytest.mark.parametrize("name", MODEL_NAMES, ids=lambda name: ascii(name)[:30])
@pytest.mark.parametrize("command", ["info", "use", "remove"])
def test_a_model_name_is_no_path(folder: Path, command: str, name: str) -> None:  # noqa: F811
    environment = os.environ | {
        "VIPLLAVA_HOME": str(folder / "home"),
        "HF_HOME": str(folder / "hf"),
    }
    before = read_tree(folder.parent)
    ended = run_measured("models", command, "--", name, folder=folder, environment=environment)
    assert ended.code in (ExitCode.USAGE, ExitCode.MODEL, ExitCode.INPUT), ended
    assert_refused(ended, ended.code, max_seconds=MAX_SECONDS)
    assert "\x1b" not in ended.stderr
    assert read_tree(folder.parent) == before
