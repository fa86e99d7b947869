"""The command line of this process as a command to paste."""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence

from vipllava_cli.storage.files import same_file


def batch_command(arguments: Sequence[str], *, fresh: bool) -> str:
    """Return the command that continues a run of `batch`, for a shell in the same folder.

    `arguments` are those of the process, `sys.argv`. `fresh`: the run deleted the earlier answers,
    and the next one must not delete its own.
    """
    program, *words = arguments
    if fresh:
        words = [word for word in words if word != "--fresh"]
    return _join([*_program(program), *words])


def retry_command(arguments: Sequence[str], *, fresh: bool, out: str, page: str | None) -> str:
    """Return the command that tries the failed rows of a finished run again.

    The run has written its `page`, and only `--force` replaces that. As `--force` also replaces
    other answers and an edited table, a second command writes the page again.
    """
    program, *words = arguments
    if page is None or "--force" in words:
        return batch_command(arguments, fresh=fresh)
    words = _without_option(words, "--report")
    report = _join([*_program(program), "report", _argument(out), "-o", page, "--force"])
    return f"{batch_command([program, *words], fresh=fresh)}; {report}"


def marks_command(arguments: Sequence[str], *, sources: Sequence[str], manifest: str) -> str:
    """Return the command that asks about the marks of `--pick`, with the same question and options."""
    program, *words = arguments
    words = _without_option(words, "--format")  # that of the sources
    words = [word for word in words if word != "--pick" and word not in sources]
    words[1:1] = [_argument(manifest)]  # after the subcommand
    return _join([*_program(program), *words])


def _without_option(words: Sequence[str], name: str) -> list[str]:
    """Return the words without an option and its value."""
    if name in words:
        start = words.index(name)
        return [*words[:start], *words[start + 2 :]]
    return [word for word in words if not word.startswith(f"{name}=")]


def _argument(path: str) -> str:
    """Return a path that is no option: `./-o.jsonl` for `-o.jsonl`."""
    return os.path.join(os.curdir, path) if path.startswith("-") else path


def _join(words: Sequence[str]) -> str:
    return " ".join(map(_quote, words))


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
