"""The journal: durable appends, recovery of a cut line, the lock, the final order."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.support.devices import device
from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.storage.journal import open_journal, read_journal
from vipllava_cli.storage.record_lines import encode_line
from vipllava_cli.storage.records import Failure, Record, Request

REQUEST = Request(
    id="a.png",
    key="key-a",
    image="a.png",
    width=1,
    height=1,
    marks=(),
    numbers=False,
    crop=None,
    question="what?",
    model="tiny",
    revision="1",
    template="human",
    options={},
)


def row(id: str, key: str | None = None, answer: str = "a dog") -> dict[str, Any]:
    return Record(replace(REQUEST, id=id, key=key or f"key-{id}"), answer=answer).to_json()


def failed(id: str) -> dict[str, Any]:
    return Record(replace(REQUEST, id=id, key=""), error=Failure("InputError", "gone")).to_json()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


def ids(path: Path) -> list[str]:
    return [record["id"] for record in read_journal(path)]


def test_a_reopened_journal_knows_its_records(path: Path) -> None:
    with open_journal(path) as journal:
        journal.append([row("a"), failed("b")])
    with open_journal(path) as journal:
        assert journal.is_answered("a", "key-a")
        assert not journal.is_answered("a", "another key")
        assert not journal.is_answered("b", "")
        record = journal.find_answer("key-a")
        assert record is not None
        assert record["answer"] == "a dog"
        assert journal.find_answer("") is None


def test_finishing_sorts_the_records_and_drops_replaced_ones(path: Path) -> None:
    with open_journal(path) as journal:
        journal.append([row("c"), failed("a"), row("b", "old"), row("elsewhere")])
        journal.append([row("a"), row("b", "new")])
        assert journal.finish_in_order(["a", "b", "c"]) == 1
    assert ids(path) == ["a", "b", "c", "elsewhere"]
    assert [record["key"] for record in read_journal(path)][1] == "new"


def test_a_sorted_file_is_not_rewritten(path: Path) -> None:
    with open_journal(path) as journal:
        journal.append([row("a"), row("b")])
        inode = path.stat().st_ino
        journal.finish_in_order(["a", "b"])
    assert path.stat().st_ino == inode


@pytest.mark.parametrize("size", [1, 10, 25, 200])
def test_a_cut_last_line_is_removed_with_a_note(path: Path, size: int) -> None:
    with open_journal(path) as journal:
        journal.append([row("a")])
    complete = path.read_bytes()
    path.write_bytes(complete + json.dumps(row("b")).encode()[:size])
    with open_journal(path) as journal:
        assert "cut short" in journal.notes[0]
        assert not journal.is_answered("b", "key-b")
        journal.append([row("b")])
    assert ids(path) == ["a", "b"]


def test_a_complete_last_line_without_its_end_is_kept(path: Path) -> None:
    """Some editors leave out the last line end, and others add blank lines."""
    with open_journal(path) as journal:
        journal.append([row("a"), row("b")])
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    with open_journal(path) as journal:
        assert journal.notes == []
        assert journal.is_answered("b", "key-b")
        journal.append([row("c")])
    path.write_bytes(path.read_bytes() + b"\n \n")
    with open_journal(path) as journal:
        journal.append([row("d")])
        assert journal.find_record("d") == row("d")
    assert ids(path) == ["a", "b", "c", "d"]


def damage_tail(lines: list[bytes]) -> list[bytes]:
    return [*lines[:3], lines[3][:30] + bytes(5000)]


def flip(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1].replace(b"a dog", b"a dot"), *lines[2:]]


def insert(lines: list[bytes]) -> list[bytes]:
    return [b"hello\n", lines[0], b'[[["a": ' * 9000 + b"\n", b"\xff\x00\n", *lines[1:]]


def swap(lines: list[bytes]) -> list[bytes]:
    return [lines[2], lines[1], lines[3], lines[0], lines[1]]


def put_into_a_list(lines: list[bytes]) -> list[bytes]:
    return [lines[0], b"[" + lines[1].rstrip(b"\n") + b"]\n", *lines[2:]]


def empty_error(lines: list[bytes]) -> list[bytes]:
    return [lines[0], encode_line(row("b") | {"answer": None, "error": {}}), *lines[2:]]


Damage = Callable[[list[bytes]], list[bytes]]
DAMAGES: Mapping[Damage, set[str]] = {
    damage_tail: {"d"},
    flip: {"b"},
    insert: set[str](),
    swap: set[str](),
    put_into_a_list: set[str](),
    empty_error: {"b"},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_costs_only_the_rows_that_it_hit(path: Path, damage: Damage) -> None:
    with open_journal(path) as journal:
        journal.append([row("a"), row("b"), failed("c"), row("d")])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(damage(lines)))
    before = path.read_bytes()
    with open_journal(path) as journal:
        lost = {id for id in "abd" if not journal.is_answered(id, f"key-{id}")}
        assert lost == DAMAGES[damage]
        assert path.read_bytes() == before  # until the run writes
        journal.append([row(id) for id in sorted(lost)])
        journal.finish_in_order(["a", "b", "c", "d"])
    assert path.read_bytes() == b"".join(lines)
    left = [line.rstrip(b"\n") for line in before.splitlines(keepends=True) if line not in lines]
    copy = path.with_name("results.jsonl.damaged")
    assert (copy.read_bytes() if left else b"") == b"".join(line + b"\n" for line in left)
    assert bool(journal.notes) == bool(left)


def test_a_record_that_an_editor_wrote_in_another_form_is_the_same(path: Path) -> None:
    with open_journal(path) as journal:
        journal.append([row("a", answer="caf\u00e9")])
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\r\n", "utf-8")
    with open_journal(path) as journal:
        assert journal.notes == []
        assert journal.is_answered("a", "key-a")


@pytest.mark.parametrize(
    ("change", "saved"),
    [
        (lambda path: path.unlink(), "abc"),
        (lambda path: path.replace(path.with_name("moved")), "abc"),
        (lambda path: path.with_name("new").replace(path), "abc"),
        (lambda path: os.truncate(path, path.stat().st_size - 10), "ac"),
        (lambda path: path.write_bytes(path.read_bytes() + b"more\n"), "abc"),
    ],
    ids=["removed", "moved", "replaced", "truncated", "appended to"],
)
def test_answers_are_saved_when_another_program_changes_the_file(
    path: Path, change: Callable[[Path], object], saved: str
) -> None:
    path.with_name("new").write_text("something else\n")
    with open_journal(path) as journal:
        journal.append([row("a"), row("b")])
        change(path)
        left = path.read_bytes() if path.exists() else None
        with pytest.raises(
            InputError, match=rf"results\.rescued\.jsonl holds the {len(saved)} records"
        ):
            journal.append([row("c")])
    assert (path.read_bytes() if path.exists() else None) == left
    rescued = path.with_name("results.rescued.jsonl")
    assert ids(rescued) == [*saved]


def test_the_command_that_continues_rescued_answers_is_quoted(tmp_path: Path) -> None:
    folder = tmp_path / "my run"
    folder.mkdir()
    with open_journal(folder / "results.jsonl") as journal:
        (folder / "results.jsonl").unlink()
        with pytest.raises(InputError, match=r"with --out '.*/my run/results\.rescued\.jsonl'$"):
            journal.append([row("a")])


NO_ERROR = '{"schema": 1, "id": "a", "key": "b"}\n'


@pytest.mark.parametrize(
    "text", ["hello", "hello\n", '{"id": 1}\n', "[1, 2]", "\x00\x00\n", "\n", NO_ERROR]
)
def test_a_file_that_is_not_a_journal_is_refused_and_unchanged(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(InputError, match="contains no vipllava record"):
        open_journal(path)
    assert path.read_text() == text


def test_fresh_deletes_records_only_with_force(path: Path) -> None:
    with open_journal(path) as journal:
        journal.append([row("a")])
    with pytest.raises(UsageError, match="--force"):
        open_journal(path, fresh=True)
    assert ids(path) == ["a"]
    with open_journal(path, fresh=True, force=True) as journal:
        assert len(journal) == 0
        journal.append([row("b")])
    assert ids(path) == ["b"]


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"PK\3\4\0\0" * 9])
def test_fresh_never_deletes_an_image_or_an_archive(path: Path, data: bytes) -> None:
    (path.parent / "photo.png").write_bytes(data)
    path.hardlink_to(path.parent / "photo.png")
    with pytest.raises(InputError, match="file of another kind"):
        open_journal(path, fresh=True, force=True)
    assert path.read_bytes() == data


def test_fresh_deletes_what_a_power_cut_has_left(path: Path) -> None:
    with open_journal(path) as journal:
        journal.append([row("a"), row("b")])
    lines = path.read_bytes().splitlines(keepends=True)
    for data in (bytes(9000), bytes(300) + b"\n" + lines[1]):
        path.write_bytes(data)
        with open_journal(path, fresh=True, force=True) as journal:
            journal.append([row("c")])
        assert ids(path) == ["c"]


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_damaged_lines_are_never_added_to_a_file_behind_a_link(
    path: Path, link: Callable[[Path, Path], None]
) -> None:
    with open_journal(path) as journal:
        journal.append([row("a")])
    path.write_bytes(path.read_bytes() + b"noise\n")
    photo = path.parent / "photo.png"
    photo.write_bytes(b"an image")
    link(path.with_name("results.jsonl.damaged"), photo)
    with open_journal(path) as journal:
        journal.append([row("b")])
    assert photo.read_bytes() == b"an image"
    assert path.with_name("results.jsonl-2.damaged").read_bytes() == b"noise\n"


def test_an_empty_journal_leaves_no_file(path: Path) -> None:
    with open_journal(path, fresh=True):
        pass
    assert not path.exists()


HOLD = """
import sys, time
from pathlib import Path
from vipllava_cli.storage.journal import open_journal
with open_journal(Path(sys.argv[1])):
    print("open", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_refused_while_the_first_one_runs(path: Path) -> None:
    first = subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    assert first.stdout.readline() == "open\n"
    with pytest.raises(InputError, match="another run"):
        open_journal(path)
    first.kill()
    first.wait()
    first.stdout.close()
    with open_journal(path) as journal:
        journal.append([row("a")])
    assert ids(path) == ["a"]


FILL = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.storage.test_journal import row
from vipllava_cli.errors import InputError
from vipllava_cli.storage.journal import open_journal
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
with open_journal(Path(sys.argv[1])) as journal:
    try:
        for number in range(100):
            journal.append([row(f"{number}")])
    except InputError as error:
        print(error)
"""


def test_a_run_can_continue_after_a_full_disk(path: Path) -> None:
    """The limit on the size of a file fails a write in the middle of a line, as a full disk does."""
    ended = subprocess.run(
        [sys.executable, "-c", FILL, path, ROOT], capture_output=True, text=True, check=True
    )
    assert "cannot be written: File too large; the " in ended.stdout
    before = ids(path)
    assert len(before) > 5
    with open_journal(path) as journal:
        assert journal.notes == []
        journal.append([row("more")])
    assert ids(path) == [*before, "more"]


def test_a_device_is_refused() -> None:
    with pytest.raises(InputError, match="is not a regular file"):
        open_journal(Path(device("null")))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        open_journal(tmp_path / "gone" / "results.jsonl")


def test_a_line_with_other_fields_than_a_batch_is_a_record(path: Path) -> None:
    """Grades of a judge are such lines: their error is text."""
    grades = [{"schema": 1, "id": "a", "key": "key-a", "score": 0.5, "error": None}]
    grades += [{"schema": 1, "id": "b", "key": "key-b", "score": 0.0, "error": "timeout"}]
    with open_journal(path) as journal:
        journal.append(grades)
    with open_journal(path) as journal:
        assert journal.find_answer("key-a") == grades[0]
        assert journal.find_answer("key-b") is None
        assert not journal.has_answer("b")
