"""The boundary of errors: every exception has an exit code and one line."""

import pytest

from vipllava_cli.cli.command import run_guarded
from vipllava_cli.errors import ExitCode, InputError, ModelError, OutOfMemoryError, UsageError


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UsageError("wrong option"), ExitCode.USAGE, "wrong option"),
        (InputError("damaged\x1b[31m\nimage"), ExitCode.INPUT, "damaged\\x1b[31m image"),
        (ModelError("no model"), ExitCode.MODEL, "no model"),
        (OutOfMemoryError("batch too large"), ExitCode.GENERATION, "batch too large"),
        (MemoryError(), ExitCode.GENERATION, "out of memory: use a smaller image"),
        (ImportError("libGL.so.1: cannot open"), ExitCode.USAGE, "apt-get install libgl1"),
        (ImportError("no module"), ExitCode.BUG, "a bug in vipllava (ImportError: no module)"),
        (KeyError("x"), ExitCode.BUG, "a bug in vipllava (KeyError: 'x')"),
    ],
)
def test_an_exception_is_one_line_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], error: Exception, code: ExitCode, message: str
) -> None:
    def body() -> None:
        raise error

    assert run_guarded(body) == code
    stdout, stderr = capsys.readouterr()
    assert (stdout, stderr.count("\n")) == ("", 1)
    assert stderr.startswith("error: ")
    assert message in stderr
    assert run_guarded(body, debug=True) == code
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def body() -> None:
        raise KeyboardInterrupt

    assert run_guarded(body) == ExitCode.INTERRUPTED
    assert capsys.readouterr() == ("", "")


def test_the_code_of_the_command_is_kept() -> None:
    assert run_guarded(lambda: None) == ExitCode.DONE
    assert run_guarded(lambda: ExitCode.SOME_ROWS_FAILED) == ExitCode.SOME_ROWS_FAILED
