"""The command in a fork of this process, with its time and memory.

A fork needs no imports: an attack that should be refused at once costs a few milliseconds. Its peak
memory includes that of the tests.
"""

import os
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import cv2  # noqa: F401 - imported for the forks
import psutil  # noqa: F401
from PIL import Image
from typer.testing import CliRunner

import vipllava_cli.cli.commands.annotate
import vipllava_cli.cli.commands.ask
import vipllava_cli.cli.marked_image  # noqa: F401
from tests.support.budget import MAX_SECONDS, Measured, wait_for
from vipllava_cli.cli.app import app


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
    stdin: int | bytes | None = None,
    max_seconds: float = MAX_SECONDS,
) -> Measured:
    """Run `vipllava` in `folder`, and kill it when its time is over: the code is then negative.

    `stdin` is an open file or its content; without one, it is empty.
    """
    import_all()
    with ExitStack() as stack:
        out, err = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        if isinstance(stdin, int):
            given = stdin
        else:
            content = stack.enter_context(tempfile.TemporaryFile())
            content.write(stdin or b"")
            content.seek(0)
            given = content.fileno()
        start = time.monotonic()
        process = os.fork()
        if process == 0:
            os.setsid()
            for number, descriptor in enumerate((given, out.fileno(), err.fileno())):
                os.dup2(descriptor, number)
            os.chdir(folder)
            os.environ.update(environment or {})
            _become(list(map(str, arguments)))
        code, usage = wait_for(process, start + max_seconds)
        seconds = time.monotonic() - start
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    kilobyte = 1 if sys.platform == "darwin" else 1024
    return Measured(code, texts[0], texts[1], seconds, usage.ru_maxrss * kilobyte)


def _become(arguments: list[str]) -> None:
    """Turn this fork into the command. Never returns."""
    code = 1
    try:
        for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
        sys.argv = ["vipllava", *arguments]
        from vipllava_cli.__main__ import main
        from vipllava_cli.images.workers import end_workers

        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        end_workers()  # so that their memory counts, too
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
