"""The command in a fork of this process, with a budget of time and memory.

A fork has its own streams, memory and end, and needs no imports: an attack that should be refused at
once costs a few milliseconds. Its peak memory includes that of the tests.
"""

import os
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from PIL import Image
from typer.testing import CliRunner

from tests.support.budget import Measured, wait_for
from vipllava_cli.cli.app import app

OUR_BUG = 1


@cache
def import_all() -> None:
    """Import what the command imports late, so that no fork has to."""
    with tempfile.TemporaryDirectory() as folder:
        Image.new("RGB", (64, 64)).save(f"{folder}/a.png")
        Path(folder, "data.yaml").write_text("names: [a]\n")
        Path(folder, "a.xml").write_text("<annotation><object/></annotation>")
        for arguments in (["batch", folder, "--dry-run"], ["batch", f"{folder}/data.yaml"]):
            CliRunner().invoke(app, [*arguments, "--dry-run", "--format", "yolo"])


def run_forked(
    *arguments: str | Path,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    stdin: int | None = None,
    max_seconds: float = 30.0,
) -> Measured:
    """Run `vipllava` in `folder`, and kill it when its time is over: the code is then negative.

    `stdin` is an open file; without one, it is empty.
    """
    import_all()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        process = os.fork()
        if process == 0:
            try:
                given = os.open(os.devnull, os.O_RDONLY) if stdin is None else stdin
                _run(list(map(str, arguments)), folder, environment, (given, out, err))
            finally:
                os._exit(OUR_BUG)
        code, usage = wait_for(process, start + max_seconds)
        seconds = time.monotonic() - start
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    kilobyte = 1 if sys.platform == "darwin" else 1024
    return Measured(code, texts[0], texts[1], seconds, usage.ru_maxrss * kilobyte)


def _run(
    arguments: list[str],
    folder: Path,
    environment: Mapping[str, str] | None,
    streams: tuple[object, ...],
) -> None:
    """Run the command with these streams, and end the process."""
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream if isinstance(stream, int) else stream.fileno(), number)  # type: ignore[attr-defined]
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, closefd=False) for number, mode in ((0, "r"), (1, "w"), (2, "w"))
    )
    os.chdir(folder)
    os.environ.update(environment or {})
    try:
        code = app(arguments, prog_name="vipllava", standalone_mode=False)
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = OUR_BUG
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)
