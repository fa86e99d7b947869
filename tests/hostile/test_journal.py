"""Journals after a disaster: each resumes and costs only the rows that were hit, or is refused."""

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.conftest import ROOT, Run
from tests.storage.test_journal import ids, row
from tests.support.budget import MAX_LINES
from tests.support.damaged_journals import DAMAGES, Base, damaged_journal, find_faults, make_base
from tests.support.devices import link_to_device
from vipllava_cli.errors import ExitCode, InputError
from vipllava_cli.flows.evals.judges.grades import GradingRow, open_grades
from vipllava_cli.storage import journal_file
from vipllava_cli.storage.journal import open_journal, read_journal
from vipllava_cli.storage.record_lines import decode_line, encode_line

SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return make_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_journal_costs_only_the_rows_that_were_hit(
    base: Base, path: Path, kind: str
) -> None:
    for seed in SEEDS:
        data = damaged_journal(base, kind, seed, 0)
        assert list(find_faults(base, kind, data, path)) == []
        for left in path.parent.iterdir():
            left.unlink()


def test_a_record_without_marks_does_not_end_the_rows_of_the_run(base: Base, path: Path) -> None:
    data = damaged_journal(base, "missing_field", 3, 1)
    assert b'"marks"' not in data.splitlines()[3]
    assert list(find_faults(base, "missing_field", data, path)) == []


READERS = (
    ("report", "{}", "-o", "page.html", "--force"),
    ("compare", "{}", "--truth", "n"),
    ("compare", "{}", "undamaged.jsonl"),
    ("export", "{}", "--to", "coco", "-o", "out.json", "--force"),
    ("export", "{}", "--to", "labelme", "-o", "out", "--force"),
)


@pytest.mark.parametrize("kind", DAMAGES)
def test_commands_that_read_records_take_a_damaged_file_or_refuse_it_in_one_line(
    base: Base, path: Path, kind: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    Path("undamaged.jsonl").write_bytes(b"".join(base.lines))
    data = damaged_journal(base, kind, 4, 0)
    path.write_bytes(data)
    command = Random(kind).choice(READERS)
    result = run(*(part.format(path) for part in command))
    assert result.code in (ExitCode.DONE, ExitCode.INPUT), result.stderr
    if result.code:
        errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1
        assert len(result.stderr.splitlines()) <= MAX_LINES
        assert len(errors[0]) < 1000
    assert "bug in vipllava" not in result.stderr
    assert path.read_bytes() == data


def test_a_record_that_does_not_fit_its_checksum_is_shown_with_a_note(
    base: Base, path: Path, run: Run
) -> None:
    path.write_bytes(b"".join(base.lines).replace(b"question 3", b"question 4"))
    result = run("report", path)
    assert result.code == ExitCode.DONE
    assert "line 4 was edited or damaged after the run" in result.stderr


# --- size ------------------------------------------------------------------------------------


def test_a_line_of_100_megabytes_costs_no_record(path: Path) -> None:
    with open_journal(path) as journal:
        journal.append([row("a"), row("b"), row("c")])
    a, b, c = path.read_bytes().splitlines(keepends=True)
    long = b'[{}, {"schema": 1, "id": "' * 4_000_000
    path.write_bytes(a + long + b + c)
    start = time.process_time()
    with open_journal(path) as journal:
        assert [*journal.ids()] == ["a", "b", "c"]
        assert not journal.finish_in_order(["a", "b", "c"])
    assert time.process_time() - start < 20
    assert path.read_bytes() == a + b + c
    assert path.with_name("results.jsonl.damaged").stat().st_size == len(long + b)


def test_many_containers_take_no_memory(path: Path) -> None:
    with pytest.raises(ValueError, match="more than"):
        decode_line(b"[" + b"{}," * (1 << 21) + b"{}]")


# --- the copy of damaged lines ---------------------------------------------------------------


def damage(path: Path) -> None:
    with open_journal(path) as journal:
        journal.append([row("a"), row("b")])
    path.write_bytes(path.read_bytes() + b"\0" * 100 + b"\nfoo\n")


def test_runs_that_are_interrupted_copy_a_damaged_line_once(path: Path) -> None:
    damage(path)
    for id in "cde":
        with open_journal(path) as journal:
            journal.append([row(id)])
    assert path.with_name("results.jsonl.damaged").read_bytes() == b"\0" * 100 + b"\nfoo\n"
    assert ids(path) == [*"abcde"]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("nowhere")])
def test_the_copy_takes_another_name_than_a_fifo_a_folder_or_a_link(
    path: Path, make: Callable[[Path], object]
) -> None:
    damage(path)
    make(path.with_name("results.jsonl.damaged"))
    with open_journal(path) as journal:
        assert "results.jsonl-2.damaged keeps" in journal.notes[0]
        journal.append([row("c")])
    assert b"foo" in path.with_name("results.jsonl-2.damaged").read_bytes()


def test_the_copy_is_as_private_as_the_file(path: Path) -> None:
    damage(path)
    path.chmod(0o600)
    with open_journal(path) as journal:
        journal.append([row("c")])
    assert path.with_name("results.jsonl.damaged").stat().st_mode & 0o777 == 0o600


# --- two programs ----------------------------------------------------------------------------


def test_processes_that_open_one_file_at_the_same_time_do_not_mix(path: Path) -> None:
    """Each process writes ten rows if it gets the lock. The others are refused."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\n"
        "from tests.storage.test_journal import row\n"
        "from vipllava_cli.errors import InputError\n"
        "from vipllava_cli.storage.journal import open_journal\n"
        "sys.stdin.read()\n"
        "try:\n"
        "    with open_journal(Path(sys.argv[1])) as journal:\n"
        "        for number in range(10):\n"
        "            journal.append([row(f'{sys.argv[3]}-{number}')])\n"
        "except InputError as error:\n"
        "    assert 'another run' in str(error)\n"
        "    sys.exit(3)\n"
    )
    command = [sys.executable, "-c", code, str(path), str(ROOT)]
    runs = [subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE) for number in range(3)]
    for process in runs:
        assert process.stdin
        process.stdin.close()
    codes = [process.wait() for process in runs]
    assert set(codes) <= {0, 3}
    done = [number for number, code in enumerate(codes) if not code]
    assert done
    assert sorted(ids(path)) == sorted(f"{run}-{row}" for run in done for row in range(10))


def test_a_lock_left_by_a_killed_process_is_free(path: Path) -> None:
    process = os.fork()
    if not process:
        journal = open_journal(path)
        journal.append([row("a")])
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(process, 0)
    with open_journal(path) as journal:
        journal.append([row("b")])
    assert ids(path) == ["a", "b"]


def test_a_file_system_without_locks_is_used_with_a_note(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(journal_file, "lock_descriptor", fail)
    with open_journal(path) as journal:
        assert "has no locks" in journal.notes[0]
        journal.append([row("a")])
    assert ids(path) == ["a"]


def test_another_fault_of_a_lock_is_one_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> bool:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(journal_file, "lock_descriptor", fail)
    with pytest.raises(InputError, match="cannot be locked: Input/output error"):
        open_journal(path)


def test_only_an_empty_file_that_the_run_made_is_removed(path: Path) -> None:
    path.touch()
    with open_journal(path):
        pass
    assert path.exists(), "it was there before"
    path.unlink()
    with open_journal(path):
        path.rename(path.with_name("moved"))
        path.write_text("of another program")
    assert path.read_text() == "of another program"


def test_a_folder_that_disappears_during_a_run_costs_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / "gone"
    folder.mkdir()
    with open_journal(folder / "results.jsonl") as journal:
        journal.append([row("a")])
        shutil.rmtree(folder)
        with pytest.raises(InputError, match="holds the 2 records"):
            journal.append([row("b")])
    assert ids(tmp_path / "results.rescued.jsonl") == ["a", "b"]


def bind_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        bind_socket,
        lambda path: link_to_device(path, "null"),
        lambda path: path.symlink_to(path),
        os.mkdir,
    ],
    ids=["FIFO", "socket", "device", "loop", "folder"],
)
def test_what_is_no_file_is_refused_at_once(path: Path, make: Callable[[Path], object]) -> None:
    make(path)
    with pytest.raises(InputError, match=r"not a regular file|cannot be written"):
        open_journal(path)


def test_a_clock_that_jumps_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_journal(path) as journal:
        for id, seconds in (("a", 0), ("b", 2**31), ("c", 1)):
            monkeypatch.setattr(time, "time", lambda seconds=seconds: float(seconds))
            os.utime(path, (seconds, seconds))
            journal.append([row(id)])
    assert ids(path) == ["a", "b", "c"]


# --- eval ------------------------------------------------------------------------------------

GRADE_DAMAGES: dict[str, object] = {
    "score": "x",
    "raw": 5,
    "tries": "x",
    "error": 5,
    "prompt_tokens": None,
    "answer_tokens": [],
}


@pytest.mark.parametrize("name", GRADE_DAMAGES)
@pytest.mark.parametrize("is_missing", [True, False], ids=["missing", "wrong"])
def test_a_damaged_grade_is_made_again(tmp_path: Path, name: str, is_missing: bool) -> None:
    path = tmp_path / "grades.jsonl"
    one = GradingRow("a", "what?", "cat", "cat")
    file = open_grades(path, "judge")
    line = {"schema": 1, "id": "a", "key": file.key(one), "score": 1.0, "raw": "1", "tries": 1}
    line |= {"error": None, "prompt_tokens": 5, "answer_tokens": 1, name: GRADE_DAMAGES[name]}
    if is_missing:
        del line[name]
    with file.journal:
        pass
    good = {**line, "id": "b", "key": "b" * 16, "score": 1.0, "error": None}
    path.write_bytes(encode_line(good) + json.dumps(line).encode() + b"\n")
    with open_grades(path, "judge").journal as journal:
        assert file.__class__(journal, "judge").find(one) is None


@pytest.mark.model
@pytest.mark.usefixtures("opened_once")
@pytest.mark.parametrize("kind", ["flipped_bits", "nul_tail", "foreign_lines", "joined_lines"])
def test_a_damaged_journal_of_eval_resumes(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, run: Run, kind: str
) -> None:
    folder, kept = tmp_path / "run", tmp_path_factory.getbasetemp() / "evaluated"
    command = ("eval", "clipart", "--n", "3", "--out", folder, "--model", "tiny", "-q", "--json")
    if not kept.exists():
        assert run(*command).code == ExitCode.DONE
        folder.rename(kept)
    shutil.copytree(kept, folder)
    records = folder / "records.jsonl"
    scores = (folder / "scores.json").read_bytes()
    lines = records.read_bytes().splitlines(keepends=True)
    before = [record["answer"] for record in read_journal(records)]
    damaged = DAMAGES[kind](list(lines), Random(3))
    records.write_bytes(damaged)
    result = run(*command)
    assert result.code == ExitCode.DONE, result.stderr
    assert [record["answer"] for record in read_journal(records)] == before
    assert (folder / "scores.json").read_bytes() == scores
    after = records.read_bytes()
    assert all(line.rstrip() in after for line in lines if line.rstrip() in damaged)


# --- the real program ------------------------------------------------------------------------


@pytest.fixture
def answered(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, run: Run, opened_once: None
) -> tuple[str | Path, ...]:
    """Write the answers of a batch, which all tests share. Returns its command."""
    kept = tmp_path_factory.getbasetemp() / "answered"
    images, out = kept / "images", tmp_path / "r.jsonl"
    command = ("batch", images, "--out", out, "--model", "tiny")
    if not kept.exists():
        images.mkdir(parents=True)
        for source in sorted((ROOT / "tests" / "fixtures" / "0.1.0" / "images").iterdir())[:5]:
            shutil.copy(source, images)
        assert run(*command).code == ExitCode.DONE
        out.rename(kept / out.name)
    shutil.copy(kept / out.name, out)
    return command


@pytest.mark.model
@pytest.mark.parametrize(
    "kind",
    [
        *("cut", "flipped_bit", "nul_tail", "zeros_in_the_middle", "doubled_line", "list_as_id"),
        *("shuffled_lines", "joined_lines", "foreign_lines", "nested_extra", "newer_version"),
        *("old_version", "bom", "crlf", "mixture", "wrong_value", "only_zeros", "utf16"),
    ],
)
def test_the_command_continues_a_damaged_journal_or_refuses_it(
    tmp_path: Path, run: Run, answered: tuple[str | Path, ...], kind: str
) -> None:
    out = tmp_path / "r.jsonl"
    lines = out.read_bytes().splitlines(keepends=True)
    data = DAMAGES[kind](list(lines), Random(1))
    out.write_bytes(data)
    result = run(*answered)
    assert result.code in (ExitCode.DONE, ExitCode.INPUT), result.stderr
    after = out.read_bytes()
    assert all(line.rstrip() in after for line in lines if line.rstrip() in data)
    if result.code:
        assert result.stderr.count("error: ") == 1
        assert after == data
    else:
        assert len(ids(out)) == len(set(ids(out))) >= len(lines)
