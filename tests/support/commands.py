"""The command in its own process, and the check of its error line."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import Finished

BOX = "10,10,90,90"
QUESTION = "what is in the red box?"


def assert_error_line(result: Finished, code: int, message: str) -> None:
    """Assert that a command ended with this exit code, one error line and nothing on stdout."""
    errors = [line for line in result.stderr.splitlines() if not line.startswith("note: ")]
    assert result.code == code, result.stderr
    assert result.stdout == ""
    assert len(errors) == 1, result.stderr
    assert errors[0].startswith("error: ")
    assert message in errors[0]
    assert "Traceback" not in result.stderr


def run_in_process(*arguments: str | Path, **options: object) -> Finished:
    """Run the command in its own process. The options are those of `subprocess.run`."""
    ended = subprocess.run(  # type: ignore[call-overload]
        [sys.executable, "-m", "vipllava_cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    return Finished(ended.returncode, ended.stdout, ended.stderr)
