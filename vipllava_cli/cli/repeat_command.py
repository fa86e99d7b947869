"""The command line of this process as a command to paste."""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence

from vipllava_cli.storage.files import same_file


def batch_command(arguments: Sequence[str], *, fresh: bool, force: bool) -> str:
    """Return the command that continues a run of `batch`, for a shell in the same folder.

    `arguments` are those of the process, `sys.argv`. `fresh`: the run ignored the earlier answers,
    which the next one must not do. `force`: the next run has to overwrite a file of this one.
    """
    program, *words = arguments
    if fresh:
        words = [word for word in words if word != "--fresh"]
    if force and "--force" not in words:
        words[1:1] = ["--force"]  # after the subcommand
    return " ".join(map(_quote, [*_program(program), *words]))


def _program(path: str) -> list[str]:
    """Return the words that start this program: its name if the shell finds it."""
    if os.path.basename(path) == "__main__.py":
        return [sys.executable, "-m", "vipllava_cli"]
    name = os.path.basename(path)
    return [name] if same_file(shutil.which(name) or "", path) else [path]


def _quote(word: str) -> str:
    """Quote a word for the shell, without any control character."""
    if word.isprintable():
        return shlex.quote(word)
    escaped = (
        chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\x{byte:02x}"
        for byte in os.fsencode(word)
    )
    return f"$'{''.join(escaped)}'"
