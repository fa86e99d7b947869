"""The end of the program by a signal: what it removes, and what it leaves alone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from vipllava_cli.storage.files import atomic_file

START = """
import os, signal, sys, threading, time
from pathlib import Path
from vipllava_cli.storage.ending import end_cleanly_on_signals, end_process
from vipllava_cli.storage.files import atomic_file
from vipllava_cli.storage.temporary_folder import temporary_folder
end_cleanly_on_signals()
folder = Path(sys.argv[1])
def write(name):
    with atomic_file(str(folder / name)) as file:
        file.write(b"half")
        ready.release()
        time.sleep(60)
ready = threading.Semaphore(0)
for name in "abc":
    threading.Thread(target=write, args=[name], daemon=True).start()
for _ in range(3):
    ready.acquire()
os.environ["TMPDIR"] = str(folder)
with temporary_folder() as temporary:
    Path(temporary, "file").write_text("x")
    assert len(os.listdir(folder)) == 4
"""


def end(tmp_path: Path, code: str) -> int:
    (tmp_path / "keep").write_text("x")
    code = START.replace("== 4", "== 5") + f"    {code}\n    time.sleep(60)\n"
    command = [sys.executable, "-c", code, str(tmp_path)]
    return subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    ).returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_removes_the_temporary_files_of_all_threads(tmp_path: Path, number: int) -> None:
    assert end(tmp_path, f"os.kill(os.getpid(), {int(number)})") == 128 + number
    assert os.listdir(tmp_path) == ["keep"]


def test_an_end_at_once_removes_them_too(tmp_path: Path) -> None:
    assert end(tmp_path, "end_process(130)") == 130
    assert os.listdir(tmp_path) == ["keep"]


def test_the_end_of_a_fork_removes_nothing_of_its_parent(tmp_path: Path) -> None:
    code = (
        "child = os.fork() or os.kill(os.getpid(), signal.SIGTERM); os.waitpid(child, 0);"
        " os._exit(len(os.listdir(folder)))"
    )
    assert end(tmp_path, code) == 5


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    code = (
        "import os, signal\n"
        "from vipllava_cli.storage.ending import end_cleanly_on_signals\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "end_cleanly_on_signals()\n"
        "os.kill(os.getpid(), signal.SIGHUP)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_an_interrupt_in_a_block_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic_file(str(tmp_path / "out")):
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


END = """
import atexit, os, sys, threading, time
from vipllava_cli.storage.ending import end_without_teardown
class Part:
    def __del__(self):
        os.write(1, b"teardown\\n")
part = Part()
end_with = end_without_teardown()
atexit.register(lambda: print("registered"))
threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
print("buffered", flush=False)
"""


@pytest.mark.parametrize(
    ("code", "exit_code", "printed"),
    [
        ("end_with(6); sys.exit(6)", 6, "buffered thread registered"),
        ("end_with(0)", 0, "buffered thread registered"),
        ("end_with(3); end_with(4)", 4, "buffered thread registered"),
        ("sys.exit(5)", 5, "buffered thread registered teardown"),
        ("1 / 0", 1, "buffered thread registered teardown"),
        ("os.fork() or sys.exit(9); os.wait(); end_with(2)", 2, None),
    ],
)
def test_a_normal_end_runs_all_but_the_teardown(
    code: str, exit_code: int, printed: str | None
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", END + code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == exit_code, done.stderr
    if printed is not None:
        assert done.stdout.split() == printed.split()


def test_a_full_disk_at_the_end_is_reported_as_python_reports_it() -> None:
    code = "import sys; sys.stdout = open('/dev/full', 'w'); print('x')\n" + END.replace(
        'print("buffered", flush=False)', ""
    ).replace('print("thread")', "0").replace('print("registered")', "0")
    done = subprocess.run(
        [sys.executable, "-c", code + "end_with(0); sys.exit(0)"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 120
    assert "No space left on device" in done.stderr
