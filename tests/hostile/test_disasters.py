"""Disasters on the disk and in the surroundings: one line, the right exit code, no answer lost.

The command runs in this process, with an engine that all tests share, where nothing in the process
itself must be broken.
"""

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import mkdtemp
from zipfile import ZipFile

import pytest
from PIL import Image

from tests.conftest import ROOT, Run
from tests.support.devices import device, link_to_device
from tests.support.disasters import (
    NOBODY,
    after_append,
    answers,
    as_nobody,
    assert_one_error,
    limited,
    with_umask,
)
from vipllava_cli.errors import ExitCode
from vipllava_cli.storage.journal import Journal, open_journal

ROWS = 10  # more than the rows that are read before the first answer
MAX_SECONDS = 30  # of the processor: another process may need it too
INPUT, SOME, DONE = int(ExitCode.INPUT), int(ExitCode.SOME_ROWS_FAILED), int(ExitCode.DONE)
SHORT = ("--model", "tiny", "--max-new-tokens", "2", "-q")
BATCH = ("batch", "images", *SHORT, "--batch-size", "1", "--out", "r.jsonl")
LOUD = tuple(word for word in BATCH if word != "-q")
ASK = ("ask", "images/00.png", "what is it?", *SHORT)

pytestmark = [pytest.mark.model, pytest.mark.usefixtures("opened_once")]


@pytest.fixture(autouse=True)
def folder(run: Run, opened_once: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in a folder of all users, with images and a home."""
    root = Path(mkdtemp(prefix="disaster-"))
    monkeypatch.chdir(root)
    os.mkdir("images")
    for number in range(ROWS):
        Image.new("RGB", (40, 30), (20 * number, 99, 50)).save(f"images/{number:02}.png")
    os.mkdir("home")
    monkeypatch.setenv("VIPLLAVA_HOME", str(root / "home"))
    for path in (root, root / "images", root / "home"):
        path.chmod(0o777)
    if not _IMPORTED:  # another user may not read the modules
        _IMPORTED.append(True)
        shutil.make_archive("images", "zip", ".", "images")
        for command in (*WARM_UP, BATCH, *OTHER_WRITERS.values()):
            run(*command)
        for path in root.iterdir():
            if path.name not in ("images", "home"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.rmtree("home/config")
    start = time.process_time()
    yield root
    assert time.process_time() - start < MAX_SECONDS
    monkeypatch.undo()
    shutil.rmtree(root, ignore_errors=True)


_IMPORTED: list[bool] = []
_ANSWERS: list[bytes] = []
WARM_UP = (
    ASK,
    ("config", "path"),
    ("models", "list"),
    ("batch", "images.zip", *SHORT, "--out", "r.csv", "--report", "r.html"),
    ("eval", "clipart", "--n", "1", "--model", "tiny", "-q"),
    ("chat", "images/00.png", "--model", "tiny", "--save", "c.json"),
)


def write_answers(run: Run, out: str) -> None:
    """Write the answers of the batch, which are made once."""
    if not _ANSWERS:
        assert run(*BATCH[:-1], out).code == DONE
        _ANSWERS.append(Path(out).read_bytes())
    Path(out).write_bytes(_ANSWERS[0])


def assert_resumes(run: Run, before: Mapping[str, object], *command: str) -> None:
    """The same command ends whole, and answers no row again."""
    result = run(*(command or BATCH))
    assert result.code == DONE, result.stderr
    after = answers(Path("r.jsonl"))
    assert len(after) == ROWS
    assert {id: after[id] for id in before} == before
    left = [name for name in os.listdir() if name.startswith(".vipllava-")]
    assert not left


# --- the source changes while the batch runs -------------------------------------------------


def _each(change: Callable[[Path], object]) -> Callable[[], None]:
    def event() -> None:
        for path in sorted(Path("images").iterdir())[1:]:
            change(path)

    return event


def _into_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _into_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _into_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _into_device(path: Path) -> None:
    path.unlink()
    link_to_device(path)


def _without_folder() -> None:
    os.rename("images", "gone")


def _into_file() -> None:
    os.rename("images", "gone")
    Path("images").write_text("mine")


CHANGES: dict[str, Callable[[], None]] = {
    "vanish": _each(Path.unlink),
    "empty": _each(lambda path: path.write_bytes(b"")),
    "cut": _each(lambda path: os.truncate(path, 60)),
    "text": _each(lambda path: path.write_text("no image")),
    "folder": _each(_into_folder),
    "pipe": _each(_into_pipe),
    "loop": _each(_into_loop),
    "device": _each(_into_device),
    "no permission": _each(lambda path: path.chmod(0)),
    "the folder vanishes": _without_folder,
    "the folder becomes a file": _into_file,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_source_that_changes_costs_only_its_rows(
    run: Run, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    shutil.copytree("images", "kept")
    with (
        monkeypatch.context() as patch,
        as_nobody() if change == "no permission" else limited(resource.RLIMIT_CORE, 0),
    ):
        if change == "no permission" and os.getuid() == 0:
            for path in Path("images").iterdir():
                os.seteuid(0)
                os.chown(path, NOBODY, NOBODY)
                os.seteuid(NOBODY)
        after_append(patch, CHANGES[change])
        result = run(*LOUD)
    assert result.code == SOME, result.stderr
    assert "a bug in vipllava" not in result.stderr
    assert 1 <= len(result.stderr.splitlines()) <= 10, result.stderr
    before = answers(Path("r.jsonl"))
    assert before
    if os.path.isdir("images"):
        shutil.rmtree("images")
    else:
        Path("images").unlink(missing_ok=True)
    os.rename("kept", "images")
    assert_resumes(run, before)


def test_the_working_folder_vanishes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows that are not read yet have relative paths."""
    root = Path.cwd()
    os.mkdir("work")
    os.rename("images", "work/images")
    os.chdir("work")

    def vanish() -> None:
        os.rename("images", "../images")
        os.rmdir(root / "work")

    with monkeypatch.context() as patch:
        after_append(patch, vanish)
        result = run(*BATCH[:-1], str(root / "r.jsonl"))
    os.chdir(root)
    assert result.code == SOME, result.stderr
    assert "a bug in vipllava" not in result.stderr
    before = answers(Path("r.jsonl"))
    assert before
    assert_resumes(run, before)


@pytest.mark.parametrize("command", [BATCH, ASK, ("annotate", "a.png", "-o", "b.png")])
def test_a_working_folder_that_is_gone(run: Run, command: tuple[str, ...]) -> None:
    os.mkdir("gone")
    os.chdir("gone")
    os.rmdir("../gone")
    result = run(*command)
    assert_one_error(result, INPUT)


# --- a full disk -----------------------------------------------------------------------------


def test_a_full_disk_keeps_the_answers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with limited(resource.RLIMIT_FSIZE, 2500):
        result = run(*BATCH)
    assert_one_error(result, INPUT, "repeat the command to continue")
    before = answers(Path("r.jsonl"))
    assert 0 < len(before) < ROWS
    assert_resumes(run, before)


@pytest.mark.parametrize("flags", [("--out", "r.csv"), ("--out", "r.jsonl", "--report", "r.html")])
def test_a_table_or_a_page_that_does_not_fit(
    run: Run, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    command = (*BATCH[:-2], *flags)
    journal = Path("r.csv.jsonl" if "r.csv" in flags else "r.jsonl")
    with limited(resource.RLIMIT_FSIZE, resource.RLIM_INFINITY), monkeypatch.context() as patch:
        finish = Journal.finish_in_order

        def finish_and_fill(journal: Journal, order: list[str]) -> int:
            unlisted = finish(journal, order)
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
            return unlisted

        patch.setattr(Journal, "finish_in_order", finish_and_fill)
        result = run(*command)
    assert_one_error(result, INPUT, "cannot be written")
    assert len(answers(journal)) == ROWS
    assert not Path(flags[-1]).exists() or flags[-1] == "r.jsonl"
    result = run(*command)
    assert result.code == DONE, result.stderr
    assert Path(flags[-1]).stat().st_size > 100


def test_marked_images_that_do_not_fit_end_the_run(run: Run) -> None:
    Image.effect_noise((300, 300), 90).save("images/05.png")
    command = (*BATCH, "--save-marked", "marked", "--box", "1,1,20,20")
    with limited(resource.RLIMIT_FSIZE, 60_000):
        result = run(*command)
    assert_one_error(result, INPUT, "cannot be written")
    before = answers(Path("r.jsonl"))
    assert len(before) < ROWS
    assert_resumes(run, before, *command)
    assert len(os.listdir("marked")) == ROWS


def test_answers_of_ask_that_do_not_fit_go_to_stdout(run: Run) -> None:
    with limited(resource.RLIMIT_FSIZE, 0):
        result = run(*ASK, "-o", "a.txt")
    assert_one_error(result, INPUT, "stdout has the answers")
    assert result.stdout.strip()
    assert not Path("a.txt").exists()


OTHER_WRITERS = {
    "annotate": ("annotate", "images/00.png", "--box", "1,1,9,9", "-o", "b.png"),
    "export": ("export", "r.jsonl", "--to", "coco", "-o", "coco.json"),
    "export a folder": ("export", "r.jsonl", "--to", "labelme", "-o", "labelme"),
    "report": ("report", "r.jsonl", "-o", "page.html"),
    "compare": ("compare", "r.jsonl", "s.jsonl", "-o", "page.html"),
    "config": ("config", "set", "template", "vicuna"),
    "use": ("models", "use", "tiny"),
    "eval": ("eval", "clipart", "--n", "1", "--model", "tiny", "-q", "--out", "run"),
}


@pytest.mark.parametrize("name", OTHER_WRITERS)
def test_no_file_remains_on_a_full_disk(run: Run, name: str) -> None:
    write_answers(run, "r.jsonl")
    shutil.copy("r.jsonl", "s.jsonl")
    before = sorted(str(path) for path in Path().rglob("*") if path.is_file())
    with limited(resource.RLIMIT_FSIZE, 5):
        result = run(*OTHER_WRITERS[name])
    assert_one_error(result, INPUT, "cannot be written")
    assert sorted(str(path) for path in Path().rglob("*") if path.is_file()) == before
    result = run(*OTHER_WRITERS[name])
    assert result.code == DONE, result.stderr


def test_a_conversation_on_a_full_disk_goes_on(run: Run) -> None:
    with limited(resource.RLIMIT_FSIZE, 5):
        result = run(
            *("chat", "images/00.png", "--model", "tiny", "-q", "--save", "chat.json"),
            stdin=b"what is it?\nwhat is red?\n",
        )
    assert_one_error(result, INPUT, "chat.json cannot be written")
    assert len(result.stdout.splitlines()) == 2
    assert not Path("chat.json").exists()


def test_devices_that_are_full(run: Run) -> None:
    """What is written to `/dev/full` fails with ENOSPC."""
    full = device("full")
    os.symlink(full, "full.jsonl")
    os.symlink(full, "full.png")
    assert_one_error(run(*BATCH[:-1], "full.jsonl"), INPUT, "is not a regular file")
    command = ("annotate", "images/00.png", "--box", "1,1,9,9", "-o", "full.png", "--force")
    assert_one_error(run(*command), INPUT, "pipe or a device")
    assert os.readlink("full.png") == full
    assert not os.path.isfile(full)


# --- few descriptors -------------------------------------------------------------------------


@pytest.mark.parametrize("spare", [0, 1, 3, 6])
def test_few_descriptors_lose_nothing(run: Run, spare: int) -> None:
    """Each number of free descriptors fails at another place."""
    first = os.open(os.devnull, os.O_RDONLY)
    os.close(first)
    with limited(resource.RLIMIT_NOFILE, first + spare):
        result = run(*BATCH)
    model = int(ExitCode.MODEL)  # its files are checked before anything else
    assert result.code in (DONE, INPUT, SOME, model), (result.code, result.stderr)
    assert "a bug in vipllava" not in result.stderr, result.stderr
    if result.code in (INPUT, model):
        assert_one_error(result, result.code, "Too many open files" if result.code == model else "")
    assert_resumes(run, answers(Path("r.jsonl")))


# --- folders and permissions -----------------------------------------------------------------

WRITERS = {
    "ask": (*ASK, "-o", "shut/a.txt"),
    "ask --save-marked": (*ASK, "--box", "1,1,9,9", "--save-marked", "shut/a.png"),
    "annotate": ("annotate", "images/00.png", "--box", "1,1,9,9", "-o", "shut/b.png"),
    "batch": (*BATCH[:-1], "shut/r.jsonl"),
    "batch to a table": (*BATCH[:-1], "shut/r.csv"),
    "batch --report": (*BATCH, "--report", "shut/r.html"),
    "batch --save-marked": (*BATCH, "--save-marked", "shut/marked"),
    "chat": ("chat", "images/00.png", "--model", "tiny", "--save", "shut/c.json"),
    "eval": ("eval", "clipart", "--n", "1", "--model", "tiny", "--out", "shut/run"),
    "report": ("report", "kept.jsonl", "-o", "shut/p.html"),
    "compare": ("compare", "kept.jsonl", "--truth", "id", "-o", "shut/p.html"),
    "export": ("export", "kept.jsonl", "--to", "coco", "-o", "shut/c.json"),
    "export a folder": ("export", "kept.jsonl", "--to", "labelme", "-o", "shut/c"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_without_permission_is_found_before_the_work(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_answers(run, "kept.jsonl")
    os.mkdir("shut", 0o555)

    def fail(*given: object, **more: object) -> None:
        raise AssertionError("the model was opened")

    monkeypatch.setattr("vipllava_cli.cli.model_loading.open_engine", fail)
    with as_nobody():
        result = run(*WRITERS[name])
    assert_one_error(result, INPUT, "ermission denied")
    assert not os.listdir("shut")
    assert not Path("r.jsonl").exists()


def test_a_closed_folder_keeps_answers_in_the_order_that_they_have(run: Run) -> None:
    write_answers(run, "r.jsonl")
    first, *others = Path("r.jsonl").read_bytes().splitlines(keepends=True)
    os.mkdir("shut")
    unsorted = b"".join([*others, first])
    Path("shut/r.jsonl").write_bytes(unsorted)
    Path("shut/r.jsonl").chmod(0o666)
    Path("shut").chmod(0o555)
    with as_nobody():
        result = run(*BATCH[:-1], "shut/r.jsonl")
    assert_one_error(result, INPUT, "Permission denied")
    assert "make sure that its folder has space and can be written" in result.stderr
    assert Path("shut/r.jsonl").read_bytes() == unsorted


@pytest.mark.parametrize("command", [ASK, (*BATCH[:1], "images/00.png", *BATCH[2:])])
def test_a_file_in_a_folder_that_cannot_be_opened_is_not_called_missing(
    run: Run, command: tuple[str, ...]
) -> None:
    Path("images").chmod(0o000)
    with as_nobody():
        result = run(*command)
    Path("images").chmod(0o700)
    assert_one_error(result, INPUT, "images/00.png cannot be read: Permission denied")


@pytest.mark.parametrize("mask", [0o077, 0o000, 0o777])
def test_any_umask_keeps_the_answers(run: Run, mask: int) -> None:
    with with_umask(mask), as_nobody():
        result = run(*BATCH)
    assert result.code in (DONE, INPUT), result.stderr
    if result.code == INPUT:
        assert_one_error(result, INPUT)
    if Path("r.jsonl").exists():
        assert Path("r.jsonl").stat().st_mode & 0o777 == 0o666 & ~mask
        Path("r.jsonl").chmod(0o600)  # only root reads a file without permissions
    assert_resumes(run, answers(Path("r.jsonl")))


def test_two_runs_write_one_file(run: Run) -> None:
    with open_journal(Path("r.jsonl")):
        assert_one_error(run(*BATCH), INPUT, "another run is writing r.jsonl")
    os.symlink("r.jsonl", "link.jsonl")
    with open_journal(Path("r.jsonl")):
        assert_one_error(run(*BATCH[:-1], "link.jsonl"), INPUT, "")
    assert_resumes(run, {})


# --- the surroundings ------------------------------------------------------------------------


def _pipe(path: Path) -> None:
    os.mkfifo(path)


SETTINGS: dict[str, Callable[[Path], object]] = {
    "pipe": _pipe,
    "device": link_to_device,
    "folder": Path.mkdir,
    "loop": lambda path: path.symlink_to(path.name),
    "bytes": lambda path: path.write_bytes(b"\xff\0" * 99),
    "deep": lambda path: path.write_text("[" * 100_000),
    "list": lambda path: path.write_text("[]"),
    "number": lambda path: path.write_text('{"model": ' + "9" * 5000 + "}"),
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_settings_of_another_kind(run: Run, kind: str) -> None:
    os.mkdir("home/config")
    SETTINGS[kind](Path("home/config/settings.json"))
    for command in (("config", "show"), ("config", "set", "template", "vicuna"), ASK[:3]):
        result = run(*command)
        assert_one_error(result, int(ExitCode.USAGE), "settings.json cannot be read")
        assert "correct the file or delete it" in result.stderr


def test_settings_without_permission_are_not_called_damaged(run: Run) -> None:
    os.mkdir("home/config")
    Path("home/config/settings.json").write_text('{"model": "7b"}')
    Path("home/config/settings.json").chmod(0o000)
    with as_nobody():
        result = run("config", "show")
    assert_one_error(result, int(ExitCode.USAGE), "Permission denied; check the permissions")
    assert "delete" not in result.stderr


@pytest.mark.parametrize("kind", ["file", "device", "unwritable", "relative"])
def test_a_home_that_cannot_be_used(run: Run, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    os.mkdir("shut", 0o555)
    home = {"file": "images/00.png", "device": os.devnull, "unwritable": "shut", "relative": "h"}
    monkeypatch.setenv("VIPLLAVA_HOME", home[kind])
    with as_nobody():
        assert run(*ASK).code == DONE, "an answer needs no settings"
        result = run("config", "set", "template", "vicuna")
    if kind == "relative":
        assert (result.code, os.path.exists("h/config/settings.json")) == (DONE, True)
    else:
        assert_one_error(result, INPUT)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"HOME": ""},
        {"HOME": "/nonexistent"},
        {"HOME": os.devnull},
        {"HOME": "/nonexistent", "XDG_CONFIG_HOME": "relative", "XDG_STATE_HOME": "../x"},
        {"HOME": "/nonexistent", "XDG_CONFIG_HOME": os.devnull, "XDG_STATE_HOME": os.devnull},
    ],
    ids=str,
)
def test_homes_and_xdg_folders_that_are_missing(
    run: Run, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name in ("VIPLLAVA_HOME", "HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for command in (ASK, ("config", "path"), ("models", "list")):
        result = run(*command)
        assert (result.code, "error:" in result.stderr) == (DONE, False), result.stderr
    if os.path.isabs(variables.get("XDG_CONFIG_HOME", variables.get("HOME", ""))):
        with as_nobody():
            assert_one_error(run("config", "set", "template", "vicuna"), INPUT)


def test_a_user_without_a_home(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container runs the command as a user that the system does not know."""
    monkeypatch.delenv("VIPLLAVA_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])
    result = run(*ASK)
    assert result.code == DONE, result.stderr
    result = run("config", "set", "template", "vicuna")
    assert_one_error(result, INPUT, "VIPLLAVA_HOME")


@pytest.mark.parametrize("kind", ["missing", "file", "unwritable", "full"])
def test_a_temporary_folder_that_cannot_be_used(
    run: Run, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    with ZipFile("images.zip", "w") as archive:
        for path in sorted(Path("images").iterdir()):
            archive.write(path)
    os.mkdir("shut", 0o555)
    paths = {"missing": "none", "file": "images.zip", "unwritable": "shut", "full": "home"}
    monkeypatch.setattr("tempfile.tempdir", str(Path(paths[kind]).absolute()))
    commands = [
        ("batch", "images.zip", "--model", "tiny", "-q", "--out", "z.jsonl"),
        ("eval", "clipart", "--n", "1", "--model", "tiny", "-q"),
    ]
    size = 10 if kind == "full" else 1 << 30
    for command in commands:
        with as_nobody(), limited(resource.RLIMIT_FSIZE, size):
            result = run(*command)
        assert_one_error(result, INPUT)
        assert not answers(Path("z.jsonl"))
    assert run(*BATCH).code == DONE, "a run over a folder needs no temporary folder"


@pytest.mark.parametrize("now", [0, 4_102_444_800], ids=["1970", "2100"])
def test_a_clock_that_is_wrong(run: Run, monkeypatch: pytest.MonkeyPatch, now: int) -> None:
    with ZipFile("images.zip", "w") as archive:
        archive.writestr("a.png", Path("images/00.png").read_bytes())
    for path in Path("images").iterdir():
        os.utime(path, (now, now))
    monkeypatch.setattr("time.time", lambda: float(now))
    command = (*BATCH[:-1], "r.csv", "--report", "r.html")
    for _ in range(2):
        assert run(*command).code == DONE
        for name in ("r.csv", "r.csv.jsonl", "r.html"):
            os.utime(name, (now, now))
    assert run("batch", "images.zip", "--model", "tiny", "-q", "--out", "z.jsonl").code == DONE


def test_names_that_are_not_utf_8(run: Run) -> None:
    name = os.fsdecode(b"caf\xe9-\xff.png")
    os.mkdir("odd")
    shutil.copy("images/00.png", os.path.join("odd", name))
    result = run("batch", "odd", "--model", "tiny", "-q", "--out", f"{name}.jsonl", "--report",
                 f"{name}.html", "--save-marked", "marked", "--box", "1,1,9,9")  # fmt: skip
    assert result.code == DONE, result.stderr
    assert len(answers(Path(f"{name}.jsonl"))) == 1
    assert len(os.listdir("marked")) == 1


# --- processes of their own ------------------------------------------------------------------

ANNOTATE = "annotate images/00.png --box 1,1,9,9"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "codes", "message"),
    [
        (f"ulimit -n 32; $V {ANNOTATE} -o b.png", (0,), ""),
        (f"ulimit -n 16; $V {ANNOTATE} -o b.png", (0, 3), ""),
        (f"ulimit -n 8; $V {ANNOTATE} -o b.png", (0, 3), ""),
        (f"ulimit -v 300000; $V {ANNOTATE} -o b.png", (0, 5), ""),
        (f"$V {ANNOTATE} -o - >/dev/full", (3,), "the output cannot be written"),
        (f"$V {ANNOTATE} -o - | true; exit ${{PIPESTATUS[0]}}", (0, 141), ""),
        (f"$V {ANNOTATE} -o b.png 2>/dev/full", (0,), ""),
        ("$V config show | head -1; exit ${PIPESTATUS[0]}", (0, 141), ""),
        ("$V doctor >&-", (3,), "the output cannot be written"),
        (f"LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 $V {ANNOTATE} -o $'caf\\xe9.png'", (0,), ""),
        (f"LC_ALL=POSIX $V {ANNOTATE} -o caf\u00e9.png", (0,), ""),
        (f"umask 0777; $V {ANNOTATE} -o b.png", (0,), ""),
    ],
)
def test_limits_and_streams_of_a_process(
    folder: Path, command: str, codes: tuple[int, ...], message: str
) -> None:
    result = subprocess.run(
        ["bash", "-c", command.replace("$V", f"{sys.executable} -m vipllava_cli")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    text = result.stderr.decode("utf-8", "replace")
    assert result.returncode in codes, (result.returncode, text[-2000:])
    assert message in text
    assert "Traceback" not in text
    assert "a bug in vipllava" not in text
    assert len(text.splitlines()) <= 3
    assert not [name for name in os.listdir() if name.startswith(".vipllava-")]
